"""Tables on a narrow terminal: numbers, instants and days stay whole; texts wrap, and what matters least goes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

_PADDING = 2  # one blank on each side of a cell
_HEAD = 1_000  # heads of numbers wrap after all texts have


class Column(NamedTuple):
    """A column, and what may become of it where there is no room."""

    head: str
    is_number: bool = False  # to the right
    least: int | None = None  # characters that a text is wrapped to at most; None: its cells stay whole
    yields: int = 0  # of several that wrap the lowest first
    ease: int = 0  # characters it keeps until all others have yielded
    may_go: bool = False  # left out where wrapping is not enough; of several the last first
    width: int = 0  # at least, where there is room


def print_table(console: Console, columns: Sequence[Column], rows: Sequence[Sequence[str]], title: str = "") -> None:
    """
    Print *rows* below *columns*, as wide as *console* is, or as wide as its rows are where no terminal shows them.

    Where even the cells that stay whole do not fit, the table is wider than the terminal, which then breaks its lines.
    """
    shown = list(range(len(columns)))
    widths = _widths(columns, rows, shown, console.width if console.is_terminal else None)
    while widths is None:
        going = [place for place in shown if columns[place].may_go]
        if going:
            shown.remove(going[-1])
        widths = _widths(columns, rows, shown, console.width, is_last=not going)
    table = Table(box=None, title=title or None, title_justify="left")
    for place, width in zip(shown, widths, strict=True):
        justify = "right" if columns[place].is_number else "left"
        table.add_column(columns[place].head, justify=justify, width=width, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*(row[place] for place in shown))
    before = console.size
    needed = sum(widths) + _PADDING * len(widths)
    if needed > before.width:
        console.size = before._replace(width=needed)
    console.print(table)
    if needed > before.width:
        console.size = before


def _widths(
    columns: Sequence[Column],
    rows: Sequence[Sequence[str]],
    shown: Sequence[int],
    page: int | None,
    *,
    is_last: bool = False,
) -> list[int] | None:
    """Return how wide each column of *shown* is on a *page*, None: any; None where they do not fit and something may go."""
    whole, least = {}, {}
    for place in shown:
        column = columns[place]
        cells = max((cell_len(row[place]) for row in rows), default=0)
        whole[place] = max(cells, cell_len(column.head), column.width)
        word = max((cell_len(one) for one in column.head.split()), default=0)
        least[place] = max(cells, word) if column.least is None else min(whole[place], column.least)
    excess = 0 if page is None else sum(whole.values()) + _PADDING * len(shown) - page
    in_order = sorted(shown, key=lambda place: _HEAD if columns[place].least is None else columns[place].yields)
    for keeps_ease in (True, False):
        for place in in_order:
            kept = max(least[place], columns[place].ease) if keeps_ease else least[place]
            cut = max(0, min(excess, whole[place] - kept))
            whole[place] -= cut
            excess -= cut
    return [whole[place] for place in shown] if excess <= 0 or is_last else None
