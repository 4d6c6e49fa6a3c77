"""`leadscore topics`: what topics a worker needs, whether they are right, and their creation."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import orjson
import typer
from rich.table import Table

from worker.cli.pages import page
from worker.settings import load_settings

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.stream.topics import TopicSpec

app = typer.Typer(no_args_is_help=True)


class Output(StrEnum):
    """For people or for programs."""

    TEXT = "text"
    JSON = "json"


_Output = Annotated[Output, typer.Option(help="text for people, json for programs")]
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
    if output is Output.JSON:
        typer.echo(orjson.dumps(_document(specs), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
        return
    table = Table("topic", "for", "partitions", "replicas", "configuration")
    for spec in specs:
        configs = "\n".join(f"{name}={value}" for name, value in spec.created_with().items())
        table.add_row(spec.name, spec.role, str(spec.partitions), str(spec.replication), configs)
    page().print(table)


@app.command()
def plan(partitions: _Partitions = None, replication: _Replication = None, output: _Output = Output.TEXT) -> None:
    """Show the topics that the settings call for, without asking the cluster."""
    from worker.stream import topics

    _show(topics.plan(_settings(partitions, replication)), output)


@app.command()
def create(partitions: _Partitions = None, replication: _Replication = None, output: _Output = Output.TEXT) -> None:
    """Create the topics that are missing; those that exist stay as they are."""
    from worker.stream import topics

    created = asyncio.run(topics.create(_settings(partitions, replication)))
    if created or output is Output.JSON:
        _show(created, output)
    typer.echo(f"{len(created)} created", err=True)


@app.command()
def check(output: _Output = Output.TEXT) -> None:
    """List what keeps a worker from running on the cluster's topics; exit 1 if anything does."""
    from worker.stream import topics

    findings = asyncio.run(topics.check(load_settings(os.environ)))
    if output is Output.JSON:
        typer.echo(orjson.dumps([one._asdict() for one in findings], option=orjson.OPT_INDENT_2))
    else:
        for one in findings:
            typer.echo(f"{one.topic}: {one.problem}\n  fix: {one.fix}")
    typer.echo(f"{len(findings)} found", err=True)
    raise typer.Exit(1 if findings else 0)
