"""Everything that one round causes; all of it becomes visible together."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from worker.contracts.headers import Headers

Count = tuple[str, str]
"""What was counted, and the model, code or kind it was counted for ('' for the partition)."""


class Due(NamedTuple):
    """One entry of the due index: a hint, checked against the stored value by whoever reads it."""

    at_ms: int
    key: bytes


class DueChange(NamedTuple):
    """A contact's place in the due index moves from *old_ms* to *new_ms*; None means no place."""

    key: bytes
    old_ms: int | None
    new_ms: int | None


class Output(NamedTuple):
    """One record to produce, to a partition that is already decided."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes | None
    headers: Headers


@dataclass
class Round:
    """The effects of the records and timers of one partition since the round before."""

    next_offset: int  # source offset to commit
    puts: dict[bytes, bytes] = field(default_factory=dict)  # in changelog order; the partition row is the last
    deletes: list[bytes] = field(default_factory=list)  # tombstones in the changelog, deletes in the store
    due: list[DueChange] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    counts: Counter[Count] = field(default_factory=Counter)
    events: int = 0  # records folded
