"""One contact in memory: for each model its history, its latch, and what was last evaluated; plus the fence of its value."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

from worker.scoring.history import History
from worker.scoring.latch import Latch

if TYPE_CHECKING:
    from collections.abc import Mapping

    import msgspec

UNKNOWN_MS = -1
"""A due instant that has to be computed anew; no event is that old."""


TYPICAL_BYTES = 300
"""Of the stored value of a contact with a few events and no attributes."""


class Fence(NamedTuple):
    """What a stored value includes: compares as (epoch, offset, revision)."""

    epoch: int  # of the source topic; raised when it was made anew
    offset: int  # the last source offset applied
    revision: int  # writes at that offset, timers' too


NO_FENCE = Fence(0, -1, 0)
_NO_OTHERS: Mapping[str, msgspec.Raw] = {}
"""Shared by all contacts that have none, which are most."""


class ModelState:
    """A contact under one model."""

    __slots__ = ("ceiling", "due_ms", "evaluated_ms", "floor_ms", "history", "latch", "row_hash")

    def __init__(self) -> None:
        self.history = History()
        self.latch = Latch()
        self.evaluated_ms: int | None = None  # instant of the last evaluation, at an event or a due instant
        self.due_ms: int | None = UNKNOWN_MS  # next due instant, None when there is none
        self.ceiling = inf  # no less than the sum of points above 0 at the last evaluation
        self.floor_ms = UNKNOWN_MS  # nothing is due before this instant
        self.row_hash = 0  # of what was last published in the scores topic, but as_of


class Contact:
    """All that is known of one contact."""

    __slots__ = (
        "carried",
        "epoch",
        "erased_ms",
        "is_buried",
        "is_dirty",
        "memory_bytes",
        "models",
        "offset",
        "others",
        "revision",
        "size_bytes",
        "stored_fire_ms",
    )

    def __init__(self, models: int) -> None:
        self.models: list[ModelState | None] = [None] * models
        self.others = _NO_OTHERS  # states of models that are not loaded, as they were; replaced, never changed in place
        self.epoch, self.offset, self.revision = NO_FENCE
        self.stored_fire_ms: int | None = None  # its place in the due index as last written
        self.is_dirty = False
        self.size_bytes = TYPICAL_BYTES  # of its value as last stored
        self.memory_bytes = 0  # what is counted for it in memory
        self.carried: tuple[int, ...] = ()  # models whose state was written by an earlier version of theirs
        self.erased_ms: int | None = None  # event time of its last erasure: what is not newer has no effect
        self.is_buried = False  # the open round has erased it

    @property
    def fence(self) -> Fence:
        """What its value includes."""
        return Fence(self.epoch, self.offset, self.revision)

    @fence.setter
    def fence(self, fence: Fence) -> None:
        self.epoch, self.offset, self.revision = fence

    @property
    def is_empty(self) -> bool:
        """Whether nothing is known of it, an erasure apart."""
        return not self.others and all(state is None for state in self.models)
