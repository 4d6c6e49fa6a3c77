"""What every contact store gives, in batches; a store knows bytes and instants, never scores or Kafka clients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from worker.pipeline.round import Due, DueChange

__all__ = ["ContactStore", "Due", "DueChange"]


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

    def due_before(self, partition: int, instant_ms: int, limit: int) -> list[Due]:
        """Return up to *limit* entries with ``at_ms <= instant_ms``, soonest first, ties by key."""

    def changelog_offset(self, partition: int) -> int | None:
        """Return the last changelog offset included, None when the partition is empty."""

    def iterate(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """Yield every key and value, in key order, as of the call."""

    def size_bytes(self, partition: int) -> int:
        """Return about how much *partition* takes up, in memory and on disk together; for metrics, not for every round."""

    def drop(self, partition: int) -> None:
        """Forget everything of *partition*, its files included; it may be opened again."""

    def close(self, partition: int) -> None:
        """Release *partition*; what was written stays. Closing what is not open changes nothing."""

    def close_all(self) -> None:
        """Release every open partition, and whatever keeps other processes out."""
