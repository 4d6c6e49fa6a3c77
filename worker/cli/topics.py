"""`leadscore topics`: what topics a worker needs, whether they are right, and their creation."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from worker.cli.options import FINDINGS, Output, OutputOption, YesOption
from worker.cli.pages import echo_json, page
from worker.settings import load_settings

if TYPE_CHECKING:
    from worker.kafka.topic_plan import TopicSpec
    from worker.settings import Settings

app = typer.Typer(no_args_is_help=True)


_Partitions = Annotated[int | None, typer.Option(min=1, help="partitions of new topics; else LEADSCORE_PARTITIONS")]
_Replication = Annotated[int | None, typer.Option(min=1, help="replicas of new topics; else LEADSCORE_REPLICATION")]


def _settings(partitions: int | None, replication: int | None) -> Settings:
    loaded = load_settings(os.environ)
    return replace(loaded, partitions=partitions or loaded.partitions, replication=replication or loaded.replication)


def _document(specs: list[TopicSpec]) -> list[dict[str, Any]]:
    return [
        {
            "topic": spec.name,
            "role": spec.role,
            "partitions": spec.partitions,
            "replication": spec.replication,
            "configs": spec.created_with(),
        }
        for spec in specs
    ]


def _show(specs: list[TopicSpec], output: Output) -> None:
    if output is Output.json:
        echo_json(_document(specs))
        return
    table = Table("topic", "for", "partitions", "replicas", "configuration")
    for spec in specs:
        configs = "\n".join(f"{name}={value}" for name, value in spec.created_with().items())
        table.add_row(spec.name, spec.role, str(spec.partitions), str(spec.replication), configs)
    page().print(table)


@app.command()
def plan(partitions: _Partitions = None, replication: _Replication = None, output: OutputOption = Output.text) -> None:
    """Show the topics that the settings call for, without asking the cluster."""
    from worker.kafka import topic_plan

    _show(topic_plan.plan(_settings(partitions, replication)), output)


@app.command()
def acls(
    principal: Annotated[str, typer.Option(help="whom to allow it")] = "User:leadscore",
    command: Annotated[
        list[str] | None, typer.Option(help="a command of leadscore, such as run; repeatable; else all")
    ] = None,
    output: OutputOption = Output.text,
) -> None:
    """Show what a user of Kafka must be allowed to do, and the commands that allow it, without asking the cluster."""
    from worker.kafka.acls import COMMANDS, acl_lines, grants

    loaded = load_settings(os.environ)
    if unknown := [one for one in command or () if one not in COMMANDS]:
        raise typer.BadParameter(f"{unknown[0]!r} does not talk to Kafka; one of: {', '.join(COMMANDS)}")
    wanted = {one: grants(loaded, one) for one in command or COMMANDS}
    if output is Output.json:
        echo_json({one: [grant._asdict() for grant in of_it] for one, of_it in wanted.items()})
        return
    for one, of_it in wanted.items():
        typer.echo(f"# {one}")
        for line in acl_lines(of_it, principal, ",".join(loaded.brokers)):
            typer.echo(line)


@app.command()
def create(
    partitions: _Partitions = None, replication: _Replication = None, output: OutputOption = Output.text
) -> None:
    """Create the topics that are missing; those that exist stay as they are."""
    from worker.kafka import topics

    created = asyncio.run(topics.create(_settings(partitions, replication)))
    if created or output is Output.json:
        _show(created, output)
    typer.echo(f"{len(created)} created", err=True)


@app.command()
def check(output: OutputOption = Output.text) -> None:
    """List what keeps a worker from running on the cluster's topics, exit 1 if anything does; and what is better changed."""
    from worker.kafka import topics

    findings, advice = asyncio.run(topics.examine(load_settings(os.environ)))
    if output is Output.json:
        levels = {"error": findings, "warning": advice}
        echo_json([one._asdict() | {"level": level} for level, ones in levels.items() for one in ones])
    else:
        for one in findings:
            typer.echo(f"{one.topic}: {one.problem}\n  fix: {one.fix}")
        for one in advice:
            typer.echo(f"{one.topic}: warning: {one.problem}\n  fix: {one.fix}")
    typer.echo(f"{len(findings)} found, {len(advice)} warnings" if advice else f"{len(findings)} found", err=True)
    raise typer.Exit(FINDINGS if findings else 0)


@app.command()
def epoch(
    raise_: Annotated[bool, typer.Option("--raise", help="the input topic was made anew: read it from its beginning")],
    yes: YesOption = False,
    output: OutputOption = Output.text,
) -> None:
    """
    Begin a new epoch of the input topic, after it was deleted and created again: scores are kept, offsets begin anew.

    Of a topic that was not made anew this counts every record again. A worker that runs restarts by itself when it next writes.
    Without --yes it only says what it would do. Exits 0; 69 when no broker answers; 78 when there is no such topic.
    """
    from worker.cli import offsets
    from worker.operations.position_change import raise_epoch

    if not raise_:
        raise typer.BadParameter("say --raise to begin a new epoch; `leadscore offsets show` tells the present one")
    changes = offsets.change(load_settings(os.environ), None, raise_epoch, "topics epoch --raise", yes=yes)
    offsets.show_changes(changes, output, done=yes)
    if changes and not yes:
        typer.echo(
            "only for a topic that was deleted and created again: of any other, every record counts again", err=True
        )
