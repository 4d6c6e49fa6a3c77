"""
From the changelog to the store: raw batches, resumable, up to the high watermark, ended by position.

A changelog written by transactions ends in control records, so "the last row was read" is no end; and an open
transaction of the previous owner may still be committed, so the last stable offset is no target.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

import aiokafka
from aiokafka.structs import TopicPartition

from worker.clock import monotonic
from worker.errors import RestartRequired, StateError
from worker.kafka.aiokafka_private import Fetched, fetch, high_watermarks, progress_of
from worker.kafka.decompression import BatchTooLarge
from worker.kafka.security import client_options
from worker.logs import log_event
from worker.stream.batches import Row
from worker.stream.restore_progress import PartitionRestore, RestoreProgress
from worker.stream.restore_rows import RowsToStore

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.stores.base import ContactStore
    from worker.stream.ports import Pipeline

_log = logging.getLogger(__name__)

_WAIT_S = 0.2
_ROWS_AT_ONCE = 2_000
"""Stored before the event loop gets a turn: some 10 ms."""
_FETCH_BYTES = 4 << 20
_ALL_FETCH_BYTES = 16 << 20
"""One answer of a broker; up to three lie in memory: one being read, one waiting, one in the store's hands."""
_WARN_EVERY_S = 10.0
_LOOK_AFTER_S = 60.0
"""Without any row; a new leader needs some seconds until it knows the end of its log."""


def restore_consumer(settings: Settings) -> aiokafka.AIOKafkaConsumer:
    """Return a consumer outside of any group, read_committed, for one restore; not started."""
    return aiokafka.AIOKafkaConsumer(
        **client_options(settings),
        client_id=f"{settings.app_id}-restore",
        isolation_level="read_committed",
        enable_auto_commit=False,
        auto_offset_reset="none",  # an offset that is gone must not pass for an empty changelog
        fetch_max_wait_ms=100,
        fetch_max_bytes=_ALL_FETCH_BYTES,
        max_partition_fetch_bytes=_FETCH_BYTES,
    )


class Restore:
    """
    Restores the partitions of one assignment.

    Args:
        settings: The changelog's name.
        pipeline: Tells fences and fire instants of stored values, and which values are none.
        store: Where the rows go; the partitions are open.
        merges_by_fence: Whether the row with the highest fence wins instead of the last one.
    """

    def __init__(self, settings: Settings, pipeline: Pipeline, store: ContactStore, *, merges_by_fence: bool) -> None:
        self._topic = settings.changelog_topic
        self._store = store
        self._rows = RowsToStore(self._topic, pipeline, store, merges_by_fence=merges_by_fence)
        self.partitions: dict[int, PartitionRestore] = {}
        self.progress = RestoreProgress(self.partitions.values())

    @property
    def seconds(self) -> float:
        """How long it has taken so far, or took."""
        return self.progress.seconds

    async def run(self, consumer: aiokafka.AIOKafkaConsumer, partitions: Sequence[int]) -> None:
        """
        Bring the store up to the changelog's high watermark for each of *partitions*.

        An interrupted run leaves the store at some earlier changelog offset, from which the next one goes on.

        Raises:
            StateError: the store is ahead of the changelog, the changelog lacks its beginning, or holds what is no row.
            RestartRequired: the changelog has lost its end meanwhile.
            StoreUnavailable: the store is away; a restore of its own goes on where this one was.
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
        self.progress.begin()
        await self._read(consumer, places)
        self.progress.end()
        log_event(
            _log,
            logging.INFO,
            "restore_complete",
            partitions=len(places),
            rows=self.progress.rows,
            seconds=round(self.seconds, 3),
            rows_per_second=round(self.progress.rows / max(self.seconds, 0.001)),
        )

    def lost_rows(self, partition: int) -> list[Row]:
        """Return the rows of *partition* that have to be written again, since a later row with a lower fence hides them."""
        return [Row(key, value) for key, value in self.partitions[partition].lost.items()]

    def _begin(self, partition: int, first: int, end: int) -> PartitionRestore:
        stored = self._store.changelog_offset(partition)
        position = 0 if stored is None else stored + 1
        if stored is not None and stored >= end:
            raise StateError(
                where=f"partition {partition} of the local state",
                problem=f"it includes changelog offset {stored}, but {self._topic} ends at {end}: the topic was made anew or has lost data",
                fix="restore the topic; or, if the changelog is right, delete this partition's local state",
            )
        if first > position:
            raise StateError(
                where=f"{self._topic}[{partition}]",
                problem=f"it begins at offset {first}, the local state ends before {position}: rows were deleted before they were read",
                fix="set cleanup.policy to compact alone, and restore the topic; or score the source anew under another LEADSCORE_APP_ID",
            )
        return PartitionRestore(partition, position, position, end, stored)

    async def _read(self, consumer: aiokafka.AIOKafkaConsumer, places: dict[TopicPartition, int]) -> None:
        moved_at = warned_at = monotonic()
        await self._finish(consumer, places)
        while open_places := [
            place for place, partition in places.items() if not self.partitions[partition].is_complete
        ]:
            fetched = await fetch(consumer, open_places, _WAIT_S)
            for place in [one.place for one in fetched]:
                await self._apply(self.partitions[places[place]], fetched.pop(0))
                await self._finish(consumer, {place: places[place]})
                moved_at = monotonic()
            self.progress.tell()
            if monotonic() - moved_at > _LOOK_AFTER_S:
                self._check_ends(consumer, open_places)
            if monotonic() - max(moved_at, warned_at) > _WARN_EVERY_S:
                warned_at = monotonic()
                waiting = [places[place] for place in open_places]
                log_event(
                    _log, logging.WARNING, "restore_waits", partitions=waiting, why="an open transaction, or no answer"
                )

    def _check_ends(self, consumer: aiokafka.AIOKafkaConsumer, places: Sequence[TopicPartition]) -> None:
        """
        Raise RestartRequired where the log ends before what is waited for: nobody will ever write that.

        Where it ends is in each answer to *consumer*, which is not disturbed by a question of its own.
        """
        for place, seen in progress_of(consumer, places).items():
            target = self.partitions[place.partition].target
            if seen.highwater < target:
                raise RestartRequired(
                    what=f"{place.topic}[{place.partition}]",
                    problem=f"it ended at offset {target} when its restore began, and ends at {seen.highwater} now: the brokers have "
                    "lost its last rows, as an unclean leader election does (their logs tell); the next start goes on from the "
                    "rows that are left, and scores what came after them again",
                )

    async def _apply(self, one: PartitionRestore, fetched: Fetched) -> None:
        try:
            for records in _in_steps(fetched.batches()):
                self._rows.store(one, records)
                await asyncio.sleep(
                    0
                )  # for what the broker sends meanwhile, heartbeats of the process and its status page
        except BatchTooLarge as error:
            raise StateError(
                where=f"{self._topic}[{one.partition}]",
                problem=f"the batch at offset {error.first} unpacks to more than {error.limit_bytes} bytes: no worker writes such",
                fix="see who else may write to this topic; raise LEADSCORE_BATCH_BYTES only if it is yours",
            ) from None
        one.position = fetched.position

    async def _finish(self, consumer: aiokafka.AIOKafkaConsumer, places: dict[TopicPartition, int]) -> None:
        """End complete partitions: the store includes the control records at the end of the log too, and is whole."""
        for place, partition in places.items():
            one = self.partitions[partition]
            if one.is_complete:
                consumer.pause(place)
                with closing(self._rows.end(one)) as steps:
                    for _ in steps:
                        await asyncio.sleep(0)


def _in_steps(batches: Iterable[list[Any]]) -> Iterator[list[Any]]:
    """Yield the records of *batches*, some *_ROWS_AT_ONCE* together: a round may be a few rows or tens of thousands."""
    waiting: list[Any] = []
    for batch in batches:
        waiting = waiting + batch if waiting else batch
        while len(waiting) >= _ROWS_AT_ONCE:
            yield waiting[: 2 * _ROWS_AT_ONCE]
            waiting = waiting[2 * _ROWS_AT_ONCE :]
    if waiting:
        yield waiting
