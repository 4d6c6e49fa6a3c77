"""How far a long reading has come, on a terminal; to a file or a program nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn

Hear = Callable[[int], None]


@contextmanager
def reading(what: str) -> Iterator[tuple[Hear, Hear]]:
    """Yield two functions: one takes how much more there is to read, the other how much of it was read since its last call."""
    columns = (SpinnerColumn(), TextColumn(what), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(what, total=None)
        known = 0

        def add_total(more: int) -> None:
            nonlocal known
            known += more
            progress.update(task, total=known)

        yield add_total, lambda passed: progress.advance(task, passed)
