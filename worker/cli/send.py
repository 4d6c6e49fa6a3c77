"""`leadscore send`: put events on the input topic, one or a file of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from collections.abc import Iterable


def send(
    file: Annotated[
        Path | None, typer.Argument(exists=True, dir_okay=False, help="JSON lines, plain, .gz or .zst")
    ] = None,
    contact: Annotated[str | None, typer.Option(help="Contact id of the one event to send")] = None,
    type: Annotated[str | None, typer.Option("--type", help="Its type, like page.viewed")] = None,  # noqa: A002 - its name
    prop: Annotated[list[str] | None, typer.Option("--prop", help="name=value; repeat for several")] = None,
    at: Annotated[str | None, typer.Option(help="When it happened, like 2026-03-01T12:00:00Z; default now")] = None,
    event_id: Annotated[str | None, typer.Option("--id", help="Its id; default a new one")] = None,
    rate: Annotated[float, typer.Option(min=0, help="Events a second; 0 is as fast as the broker takes them")] = 0,
    raw: Annotated[
        bool, typer.Option("--raw", help="Send lines that hold no event too, to see them dead-lettered")
    ] = False,
) -> None:
    """Send one event (--contact, --type) or a file of events to the input topic; keys are contact ids."""
    import asyncio
    import os

    from worker.operations.send import count_lines, event_line, send_lines
    from worker.settings import load_settings

    if (file is None) == (contact is None or type is None):
        raise typer.BadParameter("name a FILE, or both --contact and --type")
    settings = load_settings(os.environ)
    if file is None:
        lines: Iterable[bytes] = [event_line(str(contact), str(type), prop or [], at, event_id)]
        total = 1
    else:
        from worker.lines import read_lines

        lines = read_lines(file)
        total = count_lines(file)
    columns = ("events", BarColumn(), MofNCompleteColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=total == 1) as progress:
        task = progress.add_task("send", total=total)
        sent = asyncio.run(
            send_lines(settings, lines, rate=rate, is_raw=raw, progress=lambda n: progress.advance(task, n))
        )
    typer.echo(f"{sent:,} sent to {settings.input_topic}", err=True)
