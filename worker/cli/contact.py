"""`leadscore contact`: what is known of contacts, read from the topics; the worker may be running, or not."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.audit import audit
from worker.cli.destinations import check_file, written
from worker.cli.instants import END, parse_as_of
from worker.cli.options import DRY, FINDINGS, Output, OutputOption, YesOption
from worker.cli.pages import echo_json

if TYPE_CHECKING:
    from worker.operations.contact_erase import Erasure

app = typer.Typer(no_args_is_help=True)

_STDIN = "-"
ContactId = Annotated[
    str, typer.Argument(metavar="CONTACT_ID", help="id of the contact; - reads it from standard input, unseen by `ps`")
]


@app.callback()
def contact() -> None:
    """Show, dump, export and erase contacts."""


@app.command()
def show(
    contact_id: ContactId,
    as_of: Annotated[
        str,
        typer.Option(help="END: the partition time that its worker has reached; or an instant after its newest event"),
    ] = END,
    output: OutputOption = Output.text,
) -> None:
    """
    Say what a contact's score is, why, what sales was told and what comes next, for each loaded model.

    Read from the changelog. Exits 0; 1 when nothing is known of it; 69 when no broker answers; 78 when its state cannot be used.
    """
    from worker.cases.standing import contact_json, standing_lines, standings
    from worker.cases.wording import printable
    from worker.cli.progress import reading
    from worker.operations.contact_state import read_contact
    from worker.scoring.model_file import load_models
    from worker.settings import load_settings

    settings, asked_ms = load_settings(os.environ), parse_as_of(as_of)
    models, name = load_models(settings.models), _named(contact_id)
    key = name.encode()
    with reading("changelog") as (total, progress):
        stored = asyncio.run(read_contact(settings, key, total=total, progress=progress))
    found = stored.decoded(models)
    standing = (
        []
        if found is None
        else standings(key, found, models, stored.reached_ms if asked_ms is None else lambda _: asked_ms)
    )
    document = contact_json(name, stored.partition, found, standing)
    if output is Output.json:
        echo_json(document)
    else:
        for number, one in enumerate(standing):
            lines = standing_lines(name, one)
            typer.echo("\n".join(printable(line) for line in (["", *lines] if number else lines)))
        if document["erased_at"]:
            typer.echo(f"It was erased as of {document['erased_at']}; nothing of before is kept.")
    if not standing:
        typer.echo(f"nothing is known of it in {stored.where}", err=True)
        raise typer.Exit(FINDINGS)


@app.command()
def export(
    contact_id: ContactId,
    out: Annotated[Path, typer.Option(help="JSON file to write, readable for its owner only; - for standard output")],
) -> None:
    """
    Write everything that is held about a person: state, scores, qualifications, events and dead letters, as JSON.

    Every topic is read once. Exits 0; 1 when nothing is held; 69 when no broker answers; 78 when a topic is not there.
    """
    import orjson

    from worker.cli.progress import reading
    from worker.export import write_file
    from worker.operations.contact_erase import hash_or_none
    from worker.operations.contact_export import export_contact, is_anything_held
    from worker.reports.amounts import counted
    from worker.scoring.model_file import load_models
    from worker.settings import load_settings

    if str(out) != _STDIN:
        check_file(out, "--out")
    settings = load_settings(os.environ)
    models, name = load_models(settings.models), _named(contact_id)
    with reading("topics") as (total, progress):
        document = export_contact(settings, models, name, total=total, progress=progress)
    content = orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    if str(out) == _STDIN:
        sys.stdout.buffer.write(content)
    else:
        with written(out, "--out"):
            write_file(out, content)
    audit(settings, "contact_exported", contact_hash=hash_or_none(settings, name))
    parts = ("scores", "qualifications", "events", "dead_letters")
    typer.echo(", ".join(counted(len(document[part]), part[:-1].replace("_", " ")) for part in parts), err=True)
    if not is_anything_held(document):
        typer.echo("nothing is held about it", err=True)
        raise typer.Exit(FINDINGS)


@app.command()
def erase(
    contact_id: ContactId,
    wait: Annotated[bool, typer.Option("--wait", help="wait until the changelog shows that its state is gone")] = False,
    within: Annotated[float, typer.Option(min=1, help="seconds to wait at most")] = 60,
    yes: YesOption = False,
    output: OutputOption = Output.text,
) -> None:
    """
    Erase a contact: send `contact.erased` to its partition of the input topic; nobody can take it back.

    Without --yes nothing is sent. Events, qualifications and dead letters go by the retention of their topics.
    Exits 0; 1 when --wait has not seen its state gone in time; 69 when no broker answers; 78 without LEADSCORE_ERASURE_KEY.
    """
    from worker.operations.contact_erase import erase as send_erasure
    from worker.operations.contact_erase import erasure_hash, place_of_erasure
    from worker.settings import load_settings

    settings, name = load_settings(os.environ), _named(contact_id)
    named = erasure_hash(settings, name)
    if not yes:
        partition = asyncio.run(place_of_erasure(settings, name))
        if output is Output.json:
            echo_json({"is_dry": True, "topic": settings.input_topic, "partition": partition, "contact_hash": named})
        else:
            typer.echo(f"would send contact.erased to {settings.input_topic}[{partition}]; {DRY}")
        return
    done = asyncio.run(send_erasure(settings, name, wait_s=within if wait else 0.0))
    audit(
        settings, "contact_erasure_sent", topic=settings.input_topic, partition=done.partition, offset=done.offset,
        contact_hash=named, seen=done.seen,
    )  # fmt: skip
    if output is Output.json:
        echo_json({"is_dry": False, "topic": settings.input_topic, **done._asdict(), "contact_hash": named})
    else:
        typer.echo(_said(done, settings.input_topic, within if wait else 0.0))
    if wait and done.seen == "waiting":
        raise typer.Exit(FINDINGS)


def _said(done: Erasure, topic: str, waited_s: float) -> str:
    sent = f"contact.erased sent to {topic}[{done.partition}] at offset {done.offset}"
    if done.seen == "erased":
        return f"{sent}; its state is gone"
    if done.seen == "newer":
        return f"{sent}; what is newer than the erasure is kept"
    return f"{sent}; not carried out within {waited_s:g} s: is a worker running?" if waited_s else sent


@app.command()
def dump(
    out: Annotated[Path, typer.Option(help="Folder for scores.csv; one folder a model when several are loaded")],
    as_of: Annotated[
        str, typer.Option(help="END: the partition time every partition has reached; or an instant")
    ] = END,
) -> None:
    """Write the score of every contact, read from the changelog; the worker may be running."""
    from worker.contracts.instants import format_instant
    from worker.operations.dump import dump_scores
    from worker.reports.amounts import counted
    from worker.settings import load_settings

    as_of_ms = parse_as_of(as_of)
    dumped = asyncio.run(dump_scores(load_settings(os.environ), out, as_of_ms))
    typer.echo(f"{counted(dumped.contacts, 'contact')} as of {format_instant(dumped.as_of_ms)} in {out}", err=True)


def _named(contact_id: str) -> str:
    """Return the id that the argument means; raises a usage error when it cannot be one."""
    from worker.cases.standing import key_of_contact

    name = sys.stdin.readline().rstrip("\r\n") if contact_id == _STDIN else contact_id
    try:
        key_of_contact(name)
    except ValueError as error:
        raise typer.BadParameter(f"no contact has such an id: {error}", param_hint="CONTACT_ID") from None
    return name
