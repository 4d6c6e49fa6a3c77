"""Contacts in memory: for tests and small demos; a restart restores everything from the changelog."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence

from worker.stores.base import Due, DueChange, DueOf
from worker.stores.checks import check_expected, not_open


class _Partition:
    """One partition's rows, due entries and changelog offset."""

    __slots__ = ("changelog_offset", "due", "rows", "sorted_due")

    def __init__(self) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.due: set[Due] = set()
        self.sorted_due: list[Due] | None = []  # None: to be sorted when next read
        self.changelog_offset: int | None = None


class MemoryStore:
    """A ContactStore of dictionaries. Closing a partition forgets it, as the end of the process would."""

    def __init__(self) -> None:
        self._partitions: dict[int, _Partition] = {}

    def claim(self) -> None:
        """Do nothing: memory is this process's own."""

    def open(self, partition: int) -> None:
        """Make *partition* usable, empty when new; opening twice changes nothing."""
        self._partitions.setdefault(partition, _Partition())

    def get_many(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of *keys* in their order, None for each that is absent."""
        return list(map(self._opened(partition).rows.get, keys))

    def write(
        self,
        partition: int,
        puts: Mapping[bytes, bytes],
        deletes: Iterable[bytes],
        due: Iterable[DueChange],
        expected_changelog_offset: int | None,
        changelog_offset: int,
    ) -> None:
        """Write all or nothing; see ContactStore. A key in both *puts* and *deletes* is deleted."""
        kept = self._opened(partition)
        check_expected(partition, kept.changelog_offset, expected_changelog_offset)
        deletes, due = list(deletes), list(due)  # an iterable that raises must leave the store as it was
        kept.rows.update(puts)
        for key in deletes:
            kept.rows.pop(key, None)
        for key, old_ms, new_ms in due:
            if old_ms is not None:
                kept.due.discard(Due(old_ms, key))
            if new_ms is not None:
                kept.due.add(Due(new_ms, key))
        if due:
            kept.sorted_due = None
        kept.changelog_offset = changelog_offset

    def load(
        self,
        partition: int,
        rows: Mapping[bytes, bytes | None],
        due_of: DueOf,
        expected_changelog_offset: int | None,
        changelog_offset: int,
    ) -> None:
        """Write *rows* of a restore; see ContactStore."""
        before = self._opened(partition).rows
        due = [
            DueChange(
                key,
                due_of(key, before[key]) if key in before else None,
                None if value is None else due_of(key, value),
            )
            for key, value in rows.items()
        ]
        puts = {key: value for key, value in rows.items() if value is not None}
        deletes = [key for key, value in rows.items() if value is None]
        self.write(partition, puts, deletes, due, expected_changelog_offset, changelog_offset)

    def is_loading(self, partition: int) -> bool:
        """Return False: what was loaded is as if it had been written."""
        self._opened(partition)
        return False

    def end_load(self, partition: int, due_of: DueOf) -> Generator[None, None, None]:
        """Do nothing: what was loaded is as if it had been written."""
        yield from ()

    def due_before(self, partition: int, instant_ms: int, limit: int) -> list[Due]:
        """Return up to *limit* entries with ``at_ms <= instant_ms``, soonest first, ties by key."""
        kept = self._opened(partition)
        if kept.sorted_due is None:
            kept.sorted_due = sorted(kept.due)
        end = bisect_right(kept.sorted_due, instant_ms, key=lambda entry: entry.at_ms)
        return kept.sorted_due[: min(end, limit)]

    def changelog_offset(self, partition: int) -> int | None:
        """Return the last changelog offset included, None when nothing was written yet."""
        return self._opened(partition).changelog_offset

    def iterate(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """Return an iterator over every key and value, in key order, as of the call."""
        return iter(sorted(self._opened(partition).rows.items()))

    def size_bytes(self, partition: int) -> int:
        """Return the bytes of all keys and values; walks over all of them."""
        return sum(len(key) + len(value) for key, value in self._opened(partition).rows.items())

    def tidy(self, partition: int) -> None:
        """Do nothing: there is no disk."""
        self._opened(partition)

    def drop(self, partition: int) -> None:
        """Forget everything of *partition*; it may be opened again."""
        self._partitions.pop(partition, None)

    def close(self, partition: int) -> None:
        """Forget *partition*: nothing outlives the process here. Closing what is not open changes nothing."""
        self._partitions.pop(partition, None)

    def close_all(self) -> None:
        """Forget every partition."""
        self._partitions.clear()

    def _opened(self, partition: int) -> _Partition:
        try:
            return self._partitions[partition]
        except KeyError:
            raise not_open(partition) from None
