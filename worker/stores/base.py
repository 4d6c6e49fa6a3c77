"""What every contact store gives, in batches; a store knows bytes and instants, never scores or Kafka clients."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from typing import Protocol, runtime_checkable

from worker.pipeline.round import Due, DueChange

__all__ = ["ContactStore", "Due", "DueChange", "DueOf", "StepwiseKeys"]

DueOf = Callable[[bytes, bytes], int | None]
"""Tells of a key and its value when it is due; None: never, as every key that is no contact's."""


class ContactStore(Protocol):
    """One store of all the partitions this process owns. Keys and values are opaque bytes."""

    def claim(self) -> None:
        """Take the store for this process before any partition is ours; raises ConfigError when another process holds it."""

    def open(self, partition: int) -> None:
        """Open (create when absent) *partition*; raises ConfigError when another process holds it."""

    def get_many(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of *keys* in their order, None for each that is absent."""

    def write(
        self,
        partition: int,
        puts: Mapping[bytes, bytes],
        deletes: Iterable[bytes],
        due: Iterable[DueChange],
        expected_changelog_offset: int | None,
        changelog_offset: int,
    ) -> None:
        """
        Write all or nothing, and remember *changelog_offset* as the last changelog offset included.

        Raises RestartRequired when the remembered offset is not *expected_changelog_offset*
        (None = nothing remembered yet): somebody else wrote.
        """

    def load(
        self,
        partition: int,
        rows: Mapping[bytes, bytes | None],
        due_of: DueOf,
        expected_changelog_offset: int | None,
        changelog_offset: int,
    ) -> None:
        """
        Write *rows* (None: delete the key) of a restore, all or nothing, as fast as the store can.

        As `write`, but: only for a partition that was empty when its load began; until `end_load` a crash may bring back an
        earlier offset with the rows of that offset, and `due_before` is not to be asked. Nothing else is written meanwhile.
        *due_of* is asked of every row with a value before anything is written: it raises for what is no row.

        Raises:
            RestartRequired: the remembered offset is not *expected_changelog_offset*.
            StoreUnavailable: not now; the same call again is right.
        """

    def is_loading(self, partition: int) -> bool:
        """Whether a load has begun and not ended, by this process or an earlier one: `load` goes on, then `end_load`."""

    def end_load(self, partition: int, due_of: DueOf) -> Generator[None, None, None]:
        """
        Make what was loaded durable and known to `due_before`; done when the iterator ends, harmless when nothing was loaded.

        It yields every few milliseconds, so that the caller can do something else. Close one that is given up, so that it lets
        go of the partition; the next one begins anew.
        """

    def due_before(self, partition: int, instant_ms: int, limit: int) -> list[Due]:
        """Return up to *limit* entries with ``at_ms <= instant_ms``, soonest first, ties by key."""

    def changelog_offset(self, partition: int) -> int | None:
        """Return the last changelog offset included, None when the partition is empty."""

    def iterate(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """
        Yield every key and value, in key order: each key that is there from the call to the end exactly once.

        What is written or deleted meanwhile may be seen as it was or as it became; a store may keep the keys in memory.
        """

    def size_bytes(self, partition: int) -> int:
        """Return about how much *partition* takes up, in memory and on disk together; for metrics, not for every round."""

    def tidy(self, partition: int) -> None:
        """Do a little of what makes deleted and replaced values leave the disk; call it every second or so, for each partition."""

    def drop(self, partition: int) -> None:
        """Forget everything of *partition*, its files included; it may be opened again."""

    def close(self, partition: int) -> None:
        """Release *partition*; what was written stays. Closing what is not open changes nothing."""

    def close_all(self) -> None:
        """Release every open partition, and whatever keeps other processes out."""


@runtime_checkable
class StepwiseKeys(Protocol):
    """What a store has besides that keeps no order by key: `iterate` would read all of its keys before the first."""

    def keys_in_steps(self, partition: int, first: bytes) -> Iterator[list[bytes]]:
        """
        Yield every key from *first* on, in key order, some at a time; each step takes some milliseconds, and may find none yet.

        Keys that come or go meanwhile may be among them. A step that raised StoreUnavailable was the last one: begin anew.
        """
