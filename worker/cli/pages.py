"""Where output goes: tables as wide as the terminal, or wide enough for whole rows where a file or a program reads; JSON."""

from __future__ import annotations

import typer
from rich.console import Console

_PAGE_WIDTH = 200


def page() -> Console:
    """Return the console for standard output; texts are printed as they are, never taken for markup."""
    console = Console(highlight=False, markup=False, emoji=False)
    return console if console.is_terminal else Console(width=_PAGE_WIDTH, highlight=False, markup=False, emoji=False)


def echo_json(content: object) -> None:
    """Print *content* for programs, as one indented document."""
    import orjson

    typer.echo(orjson.dumps(content, option=orjson.OPT_INDENT_2))
