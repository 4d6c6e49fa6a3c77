"""What the stream asks of scoring, so that a test can put a countable stand-in in its place."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from worker.pipeline import Round
from worker.stores.base import Due, DueOf

GetMany = Callable[[Sequence[bytes]], list[bytes | None]]
"""Stored values of keys, in their order; None for each that is absent."""

Fence = tuple[int, int, int]
"""Epoch, last applied source offset, revision: of two values of one key the higher is the newer."""


class PartitionLike(Protocol):
    """The pure half of one owned partition, as `worker.pipeline.Partition` is."""

    @property
    def next_offset(self) -> int:
        """Where reading goes on; without meaning when it is new."""

    @property
    def is_new(self) -> bool:
        """Whether there was no partition row."""

    @property
    def pending(self) -> int:
        """Records folded since the last drain."""

    @property
    def dirty_bytes(self) -> int:
        """Estimate of what the open round will write."""

    @property
    def is_short_of_memory(self) -> bool:
        """Whether the open round had better end, so that what it holds may leave memory."""

    @property
    def has_transitions(self) -> bool:
        """Whether a transition waits in the open round."""

    @property
    def stopped_at(self) -> int | None:
        """Offset of the first record that is not taken, since too many before it were refused; None: all are."""

    @property
    def failed_at(self) -> int | None:
        """Offset of the record at which `fold` raised what nobody foresaw; None: not known."""

    def fold(self, records: Sequence[Any], get_many: GetMany) -> None:
        """Take *records* into the open round."""

    def note_present(self, now_ms: int) -> None:
        """Hear what time it is: no record's time beyond it is to be believed."""

    def advance_wall(self, now_ms: int) -> None:
        """Nothing older than *now_ms* is still unread."""

    def due_until(self) -> int | None:
        """Return the instant up to which contacts are due; None: nothing yet."""

    def fire(self, entries: Sequence[Due], get_many: GetMany) -> None:
        """Advance the contacts of *entries* into the open round."""

    @property
    def carries_over_from(self) -> bytes | None:
        """Return the key after which stored contacts have still to be carried over to a new model; None: there is nothing to do."""

    def carry_over(self, keys: Sequence[bytes], get_many: GetMany, *, is_last: bool) -> None:
        """Carry the contacts of *keys* over, into the open round; *is_last*: they are the last."""

    def drain(self, position: int | None = None) -> Round | None:
        """Close the open round; None: there is nothing to write."""

    def settled(self) -> None:
        """Hear that the last drained round is durable and in the store."""

    def close(self) -> None:
        """Let go of everything in memory."""


MakePartition = Callable[[int, int, bytes | None, GetMany], PartitionLike]
"""Makes the pure half of a partition: its number, how many there are, its stored row (None: it is new), what else is stored."""


def _no_graves(_: bytes) -> bytes | None:
    return None


@dataclass(frozen=True)
class Pipeline:
    """
    Scoring as the stream uses it.

    Args:
        make_partition: Makes the pure half of one owned partition.
        fence_of: The fence of a stored value, also of the partition row; raises StateError.
        due_of: The instant at which a key with its stored value is due; None: never, and for what is no contact. Raises
            StateError for what is no row of ours.
        grave_key_of: The key of the gravestone that a contact's tombstone comes with; None: there is none.
    """

    make_partition: MakePartition
    fence_of: Callable[[bytes], Fence]
    due_of: DueOf
    grave_key_of: Callable[[bytes], bytes | None] = _no_graves
