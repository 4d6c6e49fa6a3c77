"""Dead letters as operators look at them: what is wrong, where they came from, how large; bytes only when asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from worker.contracts.instants import MS_PER_DAY, MS_PER_HOUR
from worker.errors import ConfigError
from worker.operations.topic_lines import Offset, TopicRange, read_topic

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from worker.operations.topic_lines import Bound
    from worker.replay import Line
    from worker.settings import Settings

REPLAYED_HEADER = "leadscore.replayed"
"""On a record that was sent again from the dead letters: how often, in decimal digits."""
OUR_HEADERS = ("__connect.errors.", "leadscore.error.")
"""Beginnings of the names of headers that say what is wrong with a dead letter."""

WINDOWS = {"hour": MS_PER_HOUR, "day": MS_PER_DAY}
"""Spans of time that dead letters may be counted by, in ms."""

_MAX_DIGITS = 18  # more are none of ours, and slow to convert


class DeadLetter(NamedTuple):
    """One record of the dead-letter topic."""

    partition: int  # with the offset: its place in the dead-letter topic
    offset: int
    at_ms: int  # when it was put aside
    code: str  # empty: the record does not say, so this worker did not write it
    path: str
    message: str
    topic: str  # with source_partition and source_offset: where it lay
    source_partition: int
    source_offset: int
    replays: int  # how often it had been sent again before it was refused this time
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]

    @property
    def size_bytes(self) -> int:
        """Key and value."""
        return len(self.key or b"") + len(self.value or b"")

    @property
    def place(self) -> str:
        """PARTITION:OFFSET."""
        return f"{self.partition}:{self.offset}"


@dataclass(frozen=True)
class Selection:
    """
    Which dead letters. Nothing said: all.

    Args:
        codes: Of these codes.
        partitions: Of these partitions; the same number as in the input topic.
        start: From this offset, or instant of being put aside, in each partition.
        stop: Up to before this.
    """

    codes: frozenset[str] = frozenset()
    partitions: frozenset[int] = frozenset()
    start: Bound | None = None
    stop: Bound | None = None

    def takes(self, letter: DeadLetter) -> bool:
        """Whether *letter*, which lies between the bounds, is one of them."""
        return (not self.codes or letter.code in self.codes) and (
            not self.partitions or letter.partition in self.partitions
        )


class Kind(NamedTuple):
    """What dead letters are counted by."""

    code: str
    partition: int
    since_ms: int | None  # begin of the window they were put aside in, None when not counted by time


@dataclass
class Tally:
    """Dead letters of one kind."""

    letters: int = 0
    size_bytes: int = 0
    replayed: int = 0  # of these: refused again after they had been sent again
    first_ms: int = 0
    last_ms: int = 0

    def add(self, letter: DeadLetter) -> None:
        """Count *letter*."""
        self.first_ms = min(self.first_ms, letter.at_ms) if self.letters else letter.at_ms
        self.last_ms = max(self.last_ms, letter.at_ms)
        self.letters += 1
        self.size_bytes += letter.size_bytes
        self.replayed += letter.replays > 0


@dataclass
class Overview:
    """Counts by kind, and the newest dead letters, newest first."""

    tallies: dict[Kind, Tally] = field(default_factory=dict)
    newest: list[DeadLetter] = field(default_factory=list)

    @property
    def letters(self) -> int:
        """All of them."""
        return sum(one.letters for one in self.tallies.values())


def letter_of(line: Line) -> DeadLetter:
    """Return the dead letter that *line* of the topic is; of a header that is there twice the last holds."""
    if line.origin is None:
        raise ValueError("no record of a topic")
    said = {
        name: (value or b"").decode("utf-8", "replace")
        for name, value in line.headers
        if name == REPLAYED_HEADER or name.startswith(OUR_HEADERS)
    }
    return DeadLetter(
        partition=line.origin.partition,
        offset=line.origin.offset,
        at_ms=line.timestamp,
        code=said.get("leadscore.error.code", ""),
        path=said.get("leadscore.error.path", ""),
        message=said.get("__connect.errors.exception.message", ""),
        topic=said.get("__connect.errors.topic", ""),
        source_partition=_whole(said.get("__connect.errors.partition", ""), -1),
        source_offset=_whole(said.get("__connect.errors.offset", ""), -1),
        replays=_whole(said.get(REPLAYED_HEADER, ""), 0),
        key=line.key,
        value=line.value,
        headers=line.headers,
    )


def _whole(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS else otherwise


def read_dead_letters(
    settings: Settings,
    selection: Selection,
    *,
    total: Callable[[int], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[list[DeadLetter]]:
    """
    Yield the dead letters of *selection* in pieces, oldest first; see `read_topic`.

    Raises:
        ConfigError: There is no dead-letter topic.
        DependencyError: The brokers do not answer.
    """
    wanted = TopicRange(settings.dlq_topic, selection.start, selection.stop)
    for batch in read_topic(settings, wanted, total=total, progress=progress):
        yield [letter for line in batch if selection.takes(letter := letter_of(line))]


def overview(batches: Iterable[Sequence[DeadLetter]], newest: int, window_ms: int | None = None) -> Overview:
    """Return counts of *batches*, by time too when *window_ms* is given, and the *newest* so many of them."""
    found = Overview()
    kept: list[DeadLetter] = []
    for batch in batches:
        for letter in batch:
            since_ms = None if window_ms is None else letter.at_ms - letter.at_ms % window_ms
            found.tallies.setdefault(Kind(letter.code, letter.partition, since_ms), Tally()).add(letter)
        kept = (
            sorted([*kept, *batch], key=lambda one: (one.at_ms, one.partition, one.offset))[-newest:] if newest else []
        )
    found.newest = kept[::-1]
    return found


def one_dead_letter(settings: Settings, partition: int, offset: int) -> DeadLetter:
    """
    Return the dead letter at *offset* of *partition*.

    Raises:
        ConfigError: There is none.
    """
    selection = Selection(partitions=frozenset({partition}), start=Offset(offset), stop=Offset(offset + 1))
    for batch in read_dead_letters(settings, selection):
        for letter in batch:
            return letter
    raise ConfigError(
        where=f"{settings.dlq_topic}[{partition}]",
        problem=f"there is no dead letter at offset {offset}",
        fix="`leadscore dlq list` shows partitions and offsets; retention may have taken it",
    )
