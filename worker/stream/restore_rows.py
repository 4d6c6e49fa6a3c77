"""What a restore does with the rows it has read: which of them win, what is due, and what is no row of ours."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

from worker.errors import StateError
from worker.pipeline.newest import is_older
from worker.pipeline.rows import GRAVES_KEY
from worker.stores.base import DueChange

if TYPE_CHECKING:
    from worker.stores.base import ContactStore
    from worker.stream.ports import Pipeline
    from worker.stream.restore_progress import PartitionRestore


Rows = dict[bytes, bytes | None]
"""Values by key; None: there is none, or a tombstone."""


class RowsToStore:
    """
    Brings rows into the store.

    An empty partition is loaded: without a look at what is stored, since the due index is made at the end. One that stands at
    some offset is written to, its due index moved row by row.

    Args:
        topic: The changelog, for messages.
        pipeline: Tells fences and fire instants of stored values, and which values are none.
        store: Where the rows go.
        merges_by_fence: Whether the row with the highest fence wins instead of the last one.
    """

    def __init__(self, topic: str, pipeline: Pipeline, store: ContactStore, *, merges_by_fence: bool) -> None:
        self._topic = topic
        self._pipeline = pipeline
        self._store = store
        self._merges = merges_by_fence

    def store(self, one: PartitionRestore, records: Sequence[Any]) -> None:
        """
        Store *records* of a partition, which follow on each other.

        Raises:
            StateError: one of them is no row; nothing of *records* is stored then.
        """
        if not records:
            return
        new: Rows = {record.key: record.value for record in records}
        is_load = self._is_load(one)
        old: Rows = {}
        if self._merges or not is_load:
            keys = list(new)
            old = dict(zip(keys, self._store.get_many(one.partition, keys), strict=True))
        if self._merges:
            new = self._merged(one, records, old)
        last = records[-1].offset
        if one.first_lost is not None:  # until the losers are put again, a restore must begin before them
            last = max(-1 if one.stored is None else one.stored, one.first_lost - 1)
        try:
            self._put(one, new, old, last, is_load=is_load)
        except StateError:
            raise self._unreadable(one, records) from None
        one.stored = last
        one.rows += len(records)

    def end(self, one: PartitionRestore) -> Generator[None, None, None]:
        """Note that everything is read; yields every few milliseconds until the store is whole."""
        partition, end = one.partition, one.position - 1
        is_load = self._store.is_loading(partition)
        if end >= 0 and end != one.stored and not one.lost:
            if is_load:
                self._store.load(partition, {}, self._pipeline.due_of, one.stored, end)
            else:
                self._store.write(partition, {}, [], [], one.stored, end)
            one.stored = end
        if is_load:
            yield from self._store.end_load(partition, self._pipeline.due_of)

    def _is_load(self, one: PartitionRestore) -> bool:
        return one.stored is None or self._store.is_loading(one.partition)

    def _put(self, one: PartitionRestore, new: Rows, old: Rows, changelog_offset: int, *, is_load: bool) -> None:
        if is_load:
            self._store.load(one.partition, new, self._pipeline.due_of, one.stored, changelog_offset)
            return
        due = self._due_changes(old, new)
        puts = {key: value for key, value in new.items() if value is not None}
        deletes = [key for key, value in new.items() if value is None]
        self._store.write(one.partition, puts, deletes, due, one.stored, changelog_offset)

    def _merged(self, one: PartitionRestore, records: Sequence[Any], old: Rows) -> Rows:
        """Return the winners by fence; of two rows with one fence the later one wins."""
        new: Rows = {}
        graves = self._graves(one.partition, records)
        for record in records:
            key, value = record.key, record.value
            best = new[key] if key in new else old[key]
            grave = None
            if (grave_key := graves and self._pipeline.grave_key_of(key)) and not (grave := new.get(grave_key)):
                grave = graves[grave_key]
            if is_older(value, best, grave, self._pipeline.fence_of):
                one.lost[key] = best
                one.first_lost = record.offset if one.first_lost is None else one.first_lost
                continue
            new[key] = value
            if one.lost:
                one.lost.pop(key, None)
        return new

    def _graves(self, partition: int, records: Sequence[Any]) -> Rows:
        """Return the stored gravestones, by their keys, of all contacts in *records*; nothing where nobody was ever erased."""
        if (
            all(record.key != GRAVES_KEY for record in records)
            and self._store.get_many(partition, [GRAVES_KEY])[0] is None
        ):
            return {}
        keys = list({key for record in records if (key := self._pipeline.grave_key_of(record.key)) is not None})
        return dict(zip(keys, self._store.get_many(partition, keys), strict=True)) if keys else {}

    def _due_changes(self, old: Rows, new: Rows) -> list[DueChange]:
        due_of = self._pipeline.due_of
        changes = []
        for key, value in new.items():
            before = old[key]
            old_ms = None if before is None else due_of(key, before)
            new_ms = None if value is None else due_of(key, value)
            if old_ms != new_ms:
                changes.append(DueChange(key, old_ms, new_ms))
        return changes

    def _unreadable(self, one: PartitionRestore, records: Sequence[Any]) -> StateError:
        """Return the error that names the place of the first of *records* that is no row; its key may be anybody's, and is not told."""
        for record in records:
            try:
                if record.value is not None or not record.key:
                    self._pipeline.due_of(record.key, record.value)
            except StateError as error:
                return StateError(
                    **error.fields | {"where": f"{self._topic}[{one.partition}] at offset {record.offset}"}
                )
        return StateError(
            where=f"{self._topic}[{one.partition}] before offset {records[-1].offset}",
            problem="a value in the local state cannot be read",
            fix="delete this partition's local state; it is restored from the changelog",
        )
