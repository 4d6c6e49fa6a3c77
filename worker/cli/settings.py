"""`leadscore settings`: every setting, its value and where that came from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer
from rich.table import Table
from rich.text import Text

from worker.cli.options import Output, OutputOption
from worker.cli.pages import echo_json, page
from worker.errors import ConfigError
from worker.settings import load_settings

if TYPE_CHECKING:
    from worker.settings import Settings


def settings(
    output: OutputOption = Output.text,
) -> None:
    """Show every setting, its value and its origin; secrets stay hidden. Exits 78 when the variables cannot be used."""
    try:
        loaded = load_settings(os.environ)
    except ConfigError as exc:
        typer.echo(f"{exc.code}: {exc}", err=True)
        raise typer.Exit(exc.exit_code) from exc
    if output is Output.json:
        echo_json(_document(loaded))
    else:
        page().print(_table(loaded))


def _document(loaded: Settings) -> list[dict[str, str]]:
    return [{"name": one.name, "value": value, "origin": origin} for one, value, origin in loaded.shown()]


def _table(loaded: Settings) -> Table:
    table = Table("variable", "value", "origin", title="Settings")
    section = ""
    for one, value, origin in loaded.shown():
        if one.section != section:
            section = one.section
            table.add_section()
            table.add_row(Text(section, "bold"))
        # Text, since a value may look like markup.
        shown = Text(value) if value else Text("not set", "dim")
        table.add_row(one.name, shown, Text(origin, "dim" if origin == "default" else ""))
    return table
