"""`leadscore offsets`: where partitions stand, and passing over records that stop one."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer

from worker.cli.audit import audit
from worker.cli.bounds import parse_place
from worker.cli.options import DRY, Output, OutputOption, YesOption
from worker.cli.pages import echo_json, page
from worker.cli.tables import Column, print_table

if TYPE_CHECKING:
    from worker.operations.position_change import Change, Decide, Standing
    from worker.settings import Settings

app = typer.Typer(no_args_is_help=True)


@app.callback()
def offsets() -> None:
    """Show where partitions of the input topic stand, and pass over records."""


@app.command()
def show(output: OutputOption = Output.text) -> None:
    """
    Show where each partition stands, as the changelog says: the truth of which the group's offset is a copy.

    Exits 0; 69 when no broker answers; 78 when there is no such topic.
    """
    from worker.operations.position_change import look
    from worker.settings import load_settings

    standings = asyncio.run(look(load_settings(os.environ)))
    if output is Output.json:
        echo_json([_document(one) for one in standings])
        return
    columns = [Column(head, is_number=True) for head in ("partition", "next offset", "epoch", "first", "end")]
    rows = [
        (
            str(one.partition),
            str(one.next_offset),
            "-" if one.row is None else str(one.row.epoch),
            str(one.first),
            str(one.end),
            _state(one),
        )
        for one in standings
    ]
    print_table(page(), [*columns, Column("state", least=20)], rows)


@app.command()
def skip(
    place: Annotated[str, typer.Argument(metavar="PARTITION:OFFSET", help="the next record of a partition")],
    through: Annotated[int | None, typer.Option(min=0, help="last offset to pass over; else OFFSET alone")] = None,
    yes: YesOption = False,
    output: OutputOption = Output.text,
) -> None:
    """
    Pass over records at which a partition stands still; they stay in the topic, and are never scored.

    The worker that owns the partition restarts by itself. Exits 0; 69 when no broker answers; 78 when the partition stands
    elsewhere, or the records are not there.
    """
    from worker.operations.position_change import skip as pass_over
    from worker.settings import load_settings

    partition, offset = parse_place(place)
    last = offset if through is None else through
    changes = change(
        load_settings(os.environ),
        [partition],
        pass_over(offset, last),
        f"offsets skip {place} --through {last}",
        yes=yes,
    )
    show_changes(changes, output, done=yes)


def change(settings: Settings, partitions: list[int] | None, decide: Decide, note: str, *, yes: bool) -> list[Change]:
    """Decide for each of *partitions* (None: all), and carry it out with *yes*, each with an audit line."""
    from worker.clock import now_ms
    from worker.contracts.instants import format_instant
    from worker.operations.position_change import carry_out, look

    standings = asyncio.run(look(settings, partitions))
    planned = [one for one in map(decide, standings) if one is not None]
    if not yes:
        return planned
    done = []
    for one in planned:
        carried = asyncio.run(carry_out(settings, one.partition, decide, f"{note} at {format_instant(now_ms())}"))
        if carried is not None:
            audit(settings, "position_changed", command=note, **carried._asdict())
            done.append(carried)
    return done


def show_changes(changes: list[Change], output: Output, *, done: bool) -> None:
    """Print *changes*, which are *done* or only planned."""
    if output is Output.json:
        echo_json({"done": done, "changes": [one._asdict() for one in changes]})
        return
    for one in changes:
        ahead = f", {one.passed_over[0]} ahead will be passed over" if one.passed_over else ""
        typer.echo(f"partition {one.partition}: offset {one.from_offset} -> {one.to_offset}, epoch {one.epoch}{ahead}")
    if not changes:
        typer.echo("nothing to change")
    elif not done:
        typer.echo(DRY)


def _state(one: Standing) -> str:
    if one.row is None:
        return "nothing handled yet"
    if not one.first <= one.next_offset <= one.end:
        return "does not fit the topic"
    return "stopped by a flood of refused records" if one.row.stopped_limit is not None else ""


def _document(one: Standing) -> dict[str, Any]:
    return {
        "partition": one.partition,
        "next_offset": one.next_offset,
        "epoch": None if one.row is None else one.row.epoch,
        "first": one.first,
        "end": one.end,
        "state": _state(one),
    }
