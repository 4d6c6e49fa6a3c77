"""Where tables are printed: as wide as the terminal, or wide enough for whole rows where a file or a program reads."""

from __future__ import annotations

from rich.console import Console

_PAGE_WIDTH = 200


def page() -> Console:
    """Return the console for standard output; texts are printed as they are, never taken for markup."""
    console = Console(highlight=False, markup=False, emoji=False)
    return console if console.is_terminal else Console(width=_PAGE_WIDTH, highlight=False, markup=False, emoji=False)
