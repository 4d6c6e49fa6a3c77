"""A history named on the command line: files, standard input or a range of a topic, as lines in arrival order."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from worker.cli.bounds import parse_bound

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from worker.replay import Line
    from worker.settings import Settings

STDIN = "-"
TOPIC = "topic:"


class History(NamedTuple):
    """What to replay."""

    files: tuple[str, ...]  # paths, or `-`
    topic: str | None
    start: str | None  # where in the topic
    stop: str | None
    settings: Settings | None  # of the topic

    @property
    def names(self) -> list[str]:
        """What the sources are called, without their folders."""
        if self.topic is not None:
            return [f"{TOPIC}{self.topic}"]
        return ["standard input" if name == STDIN else Path(name).name for name in self.files]

    @property
    def max_skew_ms(self) -> int | None:
        """How far an event may lie after its record; None in files, whose lines have no timestamp."""
        return None if self.settings is None else self.settings.max_skew_ms


def parse_history(names: Sequence[str], start: str | None, stop: str | None, brokers: str | None) -> History:
    """
    Return what *names*, the arguments of a command, ask for.

    Raises a usage error when they cannot be read together, and ConfigError when the settings of a topic cannot be used.
    """
    topics = [name.removeprefix(TOPIC) for name in names if name.startswith(TOPIC)]
    if not topics:
        if start is not None or stop is not None or brokers is not None:
            raise typer.BadParameter("--from, --to and --brokers belong to a topic; name topic:NAME")
        for name in names:
            if name != STDIN and not Path(name).is_file():
                raise typer.BadParameter(f"there is no file {name}")
        if list(names).count(STDIN) > 1:
            raise typer.BadParameter("standard input can be read once only")
        return History(tuple(names), None, None, None, None)
    if len(names) > 1 or not topics[0]:
        raise typer.BadParameter("name one topic alone, as topic:NAME, or files")
    for text, option in ((start, "--from"), (stop, "--to")):
        parse_bound(text, option)
    from worker.settings import load_settings

    environ = dict(os.environ) if brokers is None else {**os.environ, "LEADSCORE_BROKERS": brokers}
    return History((), topics[0], start, stop, load_settings(environ))


@contextmanager
def shown_history(history: History) -> Iterator[Iterable[Sequence[Line]]]:
    """Give *history* in pieces, and show on a terminal how far it has been read."""
    with Progress(
        SpinnerColumn(),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[lines]:,.0f} lines"),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
    ) as progress:
        task = progress.add_task("replay", total=_bytes_of(history), lines=0)
        batches = _topic_batches(history, progress, task) if history.topic else _file_batches(history, progress, task)
        yield _counted(batches, progress, task)


def _counted(batches: Iterable[Sequence[Line]], progress: Progress, task: TaskID) -> Iterator[Sequence[Line]]:
    lines = 0
    for batch in batches:
        yield batch
        lines += len(batch)
        progress.update(task, lines=lines)


def _bytes_of(history: History) -> int | None:
    """Return what there is to read; None where only reading tells."""
    if history.topic is not None or STDIN in history.files:
        return None
    return sum(Path(name).stat().st_size for name in history.files)


def _file_batches(history: History, progress: Progress, task: TaskID) -> Iterator[Sequence[Line]]:
    from worker.lines import read_lines, read_stream
    from worker.replay import batches_of

    def advance(read: int) -> None:
        progress.advance(task, read)

    names = [name if name != STDIN else "standard input" for name in history.files]
    sources = [
        read_stream(sys.stdin.buffer, "standard input") if path == STDIN else read_lines(Path(path), advance)
        for path in history.files
    ]
    yield from batches_of(list(zip(names, sources, strict=True)))


def _topic_batches(history: History, progress: Progress, task: TaskID) -> Iterator[Sequence[Line]]:
    from worker.operations.topic_lines import TopicRange, read_topic

    if history.settings is None or history.topic is None:
        raise ValueError("no topic")
    wanted = TopicRange(history.topic, parse_bound(history.start, "--from"), parse_bound(history.stop, "--to"))
    yield from read_topic(
        history.settings,
        wanted,
        total=lambda total: progress.update(task, total=total),
        progress=lambda passed: progress.advance(task, passed),
    )
