"""`leadscore contact`: what is known of contacts, read from the changelog."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from worker.cli.instants import END, parse_as_of

app = typer.Typer(no_args_is_help=True)


@app.callback()
def contact() -> None:
    """Look at contacts."""


@app.command()
def dump(
    out: Annotated[Path, typer.Option(help="Folder for scores.csv; one folder a model when several are loaded")],
    as_of: Annotated[
        str, typer.Option(help="END: the partition time every partition has reached; or an instant")
    ] = END,
) -> None:
    """Write the score of every contact, read from the changelog; the worker may be running."""
    import asyncio
    import os

    from worker.contracts.instants import format_instant
    from worker.reports.amounts import counted
    from worker.settings import load_settings
    from worker.stream.dump import dump_scores

    as_of_ms = parse_as_of(as_of)
    dumped = asyncio.run(dump_scores(load_settings(os.environ), out, as_of_ms))
    typer.echo(f"{counted(dumped.contacts, 'contact')} as of {format_instant(dumped.as_of_ms)} in {out}", err=True)
