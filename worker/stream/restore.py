"""
From the changelog to the store: raw rows in batches, resumable, up to the high watermark, ended by position.

A changelog written by transactions ends in control records, so "the last row was read" is no end; and an open
transaction of the previous owner may still be committed, so the last stable offset is no target.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiokafka
from aiokafka.structs import TopicPartition

from worker.clock import monotonic
from worker.errors import StateError
from worker.logs import log_event
from worker.stores.base import DueChange
from worker.stream.aiokafka_private import high_watermarks
from worker.stream.batches import Row
from worker.stream.ports import FIRST_CONTACT_BYTE
from worker.stream.security import client_options

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.stores.base import ContactStore
    from worker.stream.ports import Pipeline

_log = logging.getLogger(__name__)

_POLL_MS = 200
_ROWS_A_POLL = 20_000
_FETCH_BYTES = 4 << 20
_WARN_EVERY_S = 10.0

MakeConsumer = Callable[[], aiokafka.AIOKafkaConsumer]


@dataclass
class PartitionRestore:
    """How far the restore of one partition has come, in changelog offsets."""

    partition: int
    start: int
    position: int
    target: int  # the high watermark when the restore began
    stored: int | None  # last offset the store includes
    rows: int = 0  # read so far
    lost: dict[bytes, bytes] = field(default_factory=dict)  # values hidden by a later row with a lower fence
    first_lost: int | None = None  # offset of the first row that hid one

    @property
    def is_complete(self) -> bool:
        """Whether everything up to the target is in the store."""
        return self.position >= self.target


def restore_consumer(settings: Settings) -> aiokafka.AIOKafkaConsumer:
    """Return a consumer outside of any group, read_committed, for one restore; not started."""
    return aiokafka.AIOKafkaConsumer(
        **client_options(settings),
        client_id=f"{settings.app_id}-restore",
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="none",  # an offset that is gone must not pass for an empty changelog
        fetch_max_wait_ms=100,
        max_partition_fetch_bytes=_FETCH_BYTES,
    )


class Restore:
    """
    Restores the partitions of one assignment.

    Args:
        settings: The changelog's name.
        pipeline: Tells fences and fire instants of stored values.
        store: Where the rows go; the partitions are open.
        merges_by_fence: Whether the row with the highest fence wins instead of the last one.
    """

    def __init__(self, settings: Settings, pipeline: Pipeline, store: ContactStore, *, merges_by_fence: bool) -> None:
        self._topic = settings.changelog_topic
        self._pipeline = pipeline
        self._store = store
        self._merges = merges_by_fence
        self.partitions: dict[int, PartitionRestore] = {}
        self.seconds = 0.0

    async def run(self, consumer: aiokafka.AIOKafkaConsumer, partitions: Sequence[int]) -> None:
        """
        Bring the store up to the changelog's high watermark for each of *partitions*.

        An interrupted run leaves the store at some earlier changelog offset, from which the next one goes on.

        Raises:
            StateError: the store is ahead of the changelog.
        """
        places = {TopicPartition(self._topic, partition): partition for partition in partitions}
        if not places:
            return
        consumer.assign(list(places))
        targets = await high_watermarks(consumer, places)
        starts = await consumer.beginning_offsets(list(places))
        for place, partition in places.items():
            self.partitions[partition] = self._begin(partition, starts[place], targets[place])
            consumer.seek(place, self.partitions[partition].position)
        began = monotonic()
        await self._read(consumer, places)
        rows = sum(one.rows for one in self.partitions.values())
        self.seconds = monotonic() - began
        log_event(
            _log, logging.INFO, "restore_complete", partitions=len(places), rows=rows, seconds=round(self.seconds, 3)
        )

    def lost_rows(self, partition: int) -> list[Row]:
        """Return the rows of *partition* that have to be written again, since a later row with a lower fence hides them."""
        return [Row(key, value) for key, value in self.partitions[partition].lost.items()]

    def _begin(self, partition: int, first: int, end: int) -> PartitionRestore:
        stored = self._store.changelog_offset(partition)
        position = max(first, 0 if stored is None else stored + 1)
        if stored is not None and stored >= end:
            raise StateError(
                where=f"partition {partition} of the local state",
                problem=f"it includes changelog offset {stored}, but {self._topic} ends at {end}: the topic was made anew or has lost data",
                fix="restore the topic; or, if the changelog is right, delete this partition's local state",
            )
        return PartitionRestore(partition, position, position, end, stored)

    async def _read(self, consumer: aiokafka.AIOKafkaConsumer, places: dict[TopicPartition, int]) -> None:
        moved_at = monotonic()
        self._finish(consumer, places)
        while open_places := [
            place for place, partition in places.items() if not self.partitions[partition].is_complete
        ]:
            polled = await consumer.getmany(*open_places, timeout_ms=_POLL_MS, max_records=_ROWS_A_POLL)
            for place, rows in polled.items():
                await self._apply(self.partitions[places[place]], rows)
            moved = polled or False
            for place in open_places:
                one = self.partitions[places[place]]
                position = await consumer.position(place)
                moved = moved or position > one.position
                one.position = position
            self._finish(consumer, {place: places[place] for place in open_places})
            if moved:
                moved_at = monotonic()
            elif monotonic() - moved_at > _WARN_EVERY_S:
                moved_at = monotonic()
                waiting = [places[place] for place in open_places]
                log_event(
                    _log, logging.WARNING, "restore_waits", partitions=waiting, why="an open transaction, or no answer"
                )

    def _finish(self, consumer: aiokafka.AIOKafkaConsumer, places: dict[TopicPartition, int]) -> None:
        """Note in the store that complete partitions include the control records at the end of the log too."""
        for place, partition in places.items():
            one = self.partitions[partition]
            if one.is_complete:
                consumer.pause(place)
                end = one.position - 1
                if end >= 0 and end != one.stored and not one.lost:
                    self._store.write(partition, {}, [], [], one.stored, end)
                    one.stored = end

    async def _apply(self, one: PartitionRestore, rows: Sequence[Any]) -> None:
        keys = list({row.key for row in rows})
        old = dict(zip(keys, self._store.get_many(one.partition, keys), strict=True))
        new: dict[bytes, bytes | None]
        new = self._merged(one, rows, old) if self._merges else {row.key: row.value for row in rows}
        puts = {key: value for key, value in new.items() if value is not None}
        deletes = [key for key, value in new.items() if value is None]
        last = rows[-1].offset
        if one.first_lost is not None:  # until the losers are put again, a restore must begin before them
            last = max(-1 if one.stored is None else one.stored, one.first_lost - 1)
        self._store.write(one.partition, puts, deletes, self._due_changes(old, new), one.stored, last)
        one.stored = last
        one.rows += len(rows)
        await asyncio.sleep(0)  # between batches, for heartbeats of the process and its status page

    def _merged(
        self, one: PartitionRestore, rows: Iterable[Any], old: dict[bytes, bytes | None]
    ) -> dict[bytes, bytes | None]:
        """Return the winners by fence; of two rows with one fence, and with tombstones, the later one wins."""
        fence_of = self._pipeline.fence_of
        new: dict[bytes, bytes | None] = {}
        for row in rows:
            best = new[row.key] if row.key in new else old[row.key]
            if best is not None and row.value is not None and fence_of(row.value) < fence_of(best):
                one.lost[row.key] = best
                one.first_lost = row.offset if one.first_lost is None else one.first_lost
                continue
            new[row.key] = row.value
            one.lost.pop(row.key, None)
        return new

    def _due_changes(self, old: dict[bytes, bytes | None], new: dict[bytes, bytes | None]) -> list[DueChange]:
        fire_of = self._pipeline.fire_of
        changes = []
        for key, value in new.items():
            if key[0] >= FIRST_CONTACT_BYTE:
                before = old[key]
                old_ms = None if before is None else fire_of(before)
                new_ms = None if value is None else fire_of(value)
                if old_ms != new_ms:
                    changes.append(DueChange(key, old_ms, new_ms))
        return changes
