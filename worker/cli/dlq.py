"""`leadscore dlq`: what was put aside and why, and sending it again; contact data only with --reveal."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.audit import audit
from worker.cli.bounds import FromOption, ToOption, parse_bound, parse_place
from worker.cli.options import Output, OutputOption, YesOption
from worker.cli.pages import echo_json

if TYPE_CHECKING:
    from worker.operations.dead_letters import Selection

app = typer.Typer(no_args_is_help=True)


@app.callback()
def dlq() -> None:
    """List, show and replay dead letters."""


class Window(StrEnum):
    """What dead letters may be counted by."""

    hour = "hour"
    day = "day"


_Code = Annotated[
    list[str] | None, typer.Option("--code", help="only this code, like event.bad_time; repeat for several")
]
_Partition = Annotated[
    list[int] | None, typer.Option("--partition", min=0, help="only this partition; repeat for several")
]


def _selection(code: list[str] | None, partition: list[int] | None, start: str | None, stop: str | None) -> Selection:
    from worker.operations.dead_letters import Selection

    return Selection(
        frozenset(code or ()), frozenset(partition or ()), parse_bound(start, "--from"), parse_bound(stop, "--to")
    )


@app.command("list")
def list_letters(
    code: _Code = None,
    partition: _Partition = None,
    start: FromOption = None,
    stop: ToOption = None,
    by: Annotated[Window | None, typer.Option(help="count each hour or day (UTC) apart")] = None,
    limit: Annotated[int, typer.Option(min=0, help="newest letters that are listed; 0 for counts alone")] = 20,
    output: OutputOption = Output.text,
) -> None:
    """
    Count dead letters by code, partition and time, and list the newest; never a key or a value.

    Exits 0; 69 when no broker answers; 78 when there is no such topic.
    """
    from worker.cli.dlq_text import overview_document, print_overview
    from worker.cli.progress import reading
    from worker.operations.dead_letters import WINDOWS, overview, read_dead_letters
    from worker.settings import load_settings

    settings, selection = load_settings(os.environ), _selection(code, partition, start, stop)
    with reading("dead letters") as (total, progress):
        batches = read_dead_letters(settings, selection, total=total, progress=progress)
        found = overview(batches, limit, None if by is None else WINDOWS[by])
    if output is Output.json:
        echo_json(overview_document(found, settings.dlq_topic))
    else:
        print_overview(found, settings.dlq_topic)


@app.command()
def show(
    place: Annotated[
        str, typer.Argument(metavar="PARTITION:OFFSET", help="place in the dead-letter topic, from the list")
    ],
    reveal: Annotated[bool, typer.Option("--reveal", help="show key, value and all headers: contact data")] = False,
    output: OutputOption = Output.text,
) -> None:
    """
    Show one dead letter: what is wrong, where it lay, its headers; key and value only with --reveal.

    Exits 0; 69 when no broker answers; 78 when there is no such dead letter.
    """
    from worker.cli.dlq_text import insides, letter_document, print_letter
    from worker.operations.dead_letters import one_dead_letter
    from worker.settings import load_settings

    partition, offset = parse_place(place)
    settings = load_settings(os.environ)
    letter = one_dead_letter(settings, partition, offset)
    if reveal:
        audit(
            settings, "dead_letter_revealed", topic=settings.dlq_topic, partition=letter.partition, offset=letter.offset
        )
    document = letter_document(letter) | insides(letter, is_revealed=reveal)
    if output is Output.json:
        echo_json(document)
    else:
        print_letter(document)


@app.command()
def replay(
    code: _Code = None,
    partition: _Partition = None,
    start: FromOption = None,
    stop: ToOption = None,
    rate: Annotated[float, typer.Option(min=0, help="records a second; 0 is as fast as the broker takes them")] = 500,
    max_replays: Annotated[
        int, typer.Option(min=1, help="leave a letter that was refused again after so many replays")
    ] = 3,
    again: Annotated[bool, typer.Option("--again", help="send those too that were sent before")] = False,
    yes: YesOption = False,
    output: OutputOption = Output.text,
) -> None:
    """
    Send dead letters to the input topic again, bytes and key unchanged; what was sent before is left out.

    Without --yes it only counts. Exits 0; 69 when no broker answers; 78 when a topic is not there.
    """
    from worker.cli.dlq_text import outcome_lines
    from worker.cli.progress import reading
    from worker.operations.dead_letter_replay import Outcome, Terms, replay_dead_letters
    from worker.settings import load_settings

    settings, selection = load_settings(os.environ), _selection(code, partition, start, stop)
    outcome = Outcome()
    terms = Terms(max_replays, again, rate, is_dry=not yes)
    try:
        with reading("dead letters") as (total, progress):
            replay_dead_letters(settings, selection, terms, outcome, total=total, progress=progress)
    finally:
        if yes:  # after a failure too: what is acknowledged is sent
            audit(
                settings, "dead_letters_replayed", topic=settings.input_topic, sent=sum(outcome.sent.values()),
                codes=dict(outcome.sent), passed_over=sum(outcome.passed.values()), is_again=again,
            )  # fmt: skip
    if output is Output.json:
        echo_json({"is_dry": not yes, "sent": dict(outcome.sent), "passed_over": dict(outcome.passed)})
    else:
        for line in outcome_lines(outcome, settings, is_dry=not yes):
            typer.echo(line)
