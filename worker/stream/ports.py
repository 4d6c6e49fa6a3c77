"""What the stream asks of the scoring pipeline, so that a test can put a countable stand-in in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from worker.stores.base import Due, DueChange

GetMany = Callable[[Sequence[bytes]], list[bytes | None]]
"""Stored values of keys, in their order; None for each that is absent."""

Fence = tuple[int, int, int]
"""Epoch, last applied source offset, revision: of two values of one key the higher is the newer."""

FIRST_CONTACT_BYTE = 2
"""Keys that begin with a smaller byte belong to the worker (partition row, gravestones) and are never due."""


class RecordLike(Protocol):
    """A record as it was received; aiokafka's ConsumerRecord is one."""

    @property
    def offset(self) -> int: ...
    @property
    def timestamp(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class OutputLike(Protocol):
    """A record to produce."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes]]: ...


class RoundLike(Protocol):
    """Everything that one round causes; it becomes visible together."""

    @property
    def outputs(self) -> Sequence[OutputLike]: ...
    @property
    def puts(self) -> Mapping[bytes, bytes]: ...
    @property
    def deletes(self) -> Sequence[bytes]: ...
    @property
    def due(self) -> Sequence[DueChange]: ...
    @property
    def next_offset(self) -> int: ...
    @property
    def counts(self) -> Mapping[tuple[str, str], int]: ...


class PartitionLike(Protocol):
    """The pure half of one owned partition: folds records, fires timers, closes rounds."""

    @property
    def next_offset(self) -> int: ...
    @property
    def is_new(self) -> bool: ...
    @property
    def newest_ms(self) -> int | None: ...
    @property
    def pending(self) -> int: ...
    @property
    def dirty_bytes(self) -> int: ...
    @property
    def has_transitions(self) -> bool: ...
    def fold(self, records: Sequence[Any], get_many: GetMany) -> None:
        """Take *records* into the open round."""

    def advance_wall(self, now_ms: int) -> None:
        """Nothing older than *now_ms* is still unread."""

    def due_until(self) -> int | None:
        """Return the instant up to which contacts are due; None: nothing yet."""

    def fire(self, entries: Sequence[Due], get_many: GetMany) -> None:
        """Advance the contacts of *entries* into the open round."""

    def drain(self, position: int | None = None) -> RoundLike | None:
        """Close the open round; None: there is nothing to write."""

    def settled(self) -> None:
        """Hear that the last drained round is durable and in the store."""


class MakePartition(Protocol):
    """Makes the pure half of *partition* from its stored partition row (None: it is new)."""

    def __call__(self, partition: int, partitions: int, row: bytes | None) -> PartitionLike: ...


@dataclass(frozen=True)
class Pipeline:
    """
    The scoring pipeline as the stream uses it.

    Args:
        make_partition: Makes the pure half of one owned partition.
        fence_of: The fence of a stored value, also of the partition row; raises StateError.
        fire_of: The instant at which a contact's stored value is due, None when it never is; raises StateError.
    """

    make_partition: MakePartition
    fence_of: Callable[[bytes], Fence]
    fire_of: Callable[[bytes], int | None]
