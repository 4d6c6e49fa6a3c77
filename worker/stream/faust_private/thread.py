"""Faust's consumer thread, which polls batches for a consumer of our own making."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import aiokafka
from aiokafka.errors import CommitFailedError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from worker.kafka.aiokafka_private import Progress, positions_of, progress_of, too_large_batches
from worker.kafka.decompression import BatchTooLarge
from worker.stream.faust_private.transports import LOGGER


class Polled(NamedTuple):
    """What one poll brought: records by partition, and where the consumer stands after it."""

    records: Mapping[TopicPartition, list[Any]]
    before: Mapping[TopicPartition, int]  # positions when it began
    progress: Mapping[TopicPartition, Progress]
    too_large: Sequence[BatchTooLarge] = ()  # batches that were not unpacked


NOTHING = Polled({}, {}, {})


class BatchThread(driver.AIOKafkaConsumerThread):
    """Faust's consumer thread with a consumer of our own making."""

    logger = LOGGER

    _is_paused = True  # until the first seek
    _polling: asyncio.Task[Polled] | None = None

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        # Faust's assignor keeps source and changelog partitions together.
        self._assignor = self.app.assignor
        return self.create_consumer([self._assignor])

    @abstractmethod
    def create_consumer(self, assignors: list[Any]) -> aiokafka.AIOKafkaConsumer:
        """Return the consumer, not started."""

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        owned = self.assignment()
        wanted = {
            TopicPartition(tp.topic, tp.partition): OffsetAndMetadata(offset, "")
            for tp, offset in offsets.items()
            if tp in owned
        }
        try:
            await self._ensure_consumer().commit(wanted)
        except CommitFailedError:
            # The group has moved on. The stored partition row says where to go on, so nothing is lost.
            return False
        except Exception as exc:  # noqa: BLE001 - a thread has no caller that could hear of it
            await self.crash(exc)
            return False
        return True

    async def poll(self, partitions: Collection[TopicPartition], timeout_s: float) -> Polled:
        """Return what has arrived for *partitions*, after at most *timeout_s* nothing."""
        polled: Polled = await self.call_thread(self._poll, set(partitions), timeout_s)
        return polled

    async def _poll(self, partitions: set[TopicPartition], timeout_s: float) -> Polled:
        if self._is_paused:
            return NOTHING
        polling = self._polling = asyncio.create_task(self._fetch(partitions, timeout_s))
        await asyncio.wait({polling})
        return NOTHING if polling.cancelled() else polling.result()

    async def _fetch(self, partitions: set[TopicPartition], timeout_s: float) -> Polled:
        consumer = self._ensure_consumer()
        before = positions_of(consumer, partitions)
        records = await self._fetch_records(consumer, partitions, timeout=timeout_s)
        # No await between the two: the positions must be those after exactly these records.
        return Polled(records, before, progress_of(consumer, partitions), too_large_batches(partitions))

    async def pause(self, partitions: Iterable[TP]) -> None:
        """Do not fetch *partitions*, which Faust's own pausing does not prevent."""
        await self.call_thread(self._pause, {TopicPartition(*tp) for tp in partitions})

    async def _pause(self, partitions: set[TopicPartition]) -> None:
        # A poll that is left waiting would outlive the rebalance, and take records that were seeked to for nobody. It waits
        # nowhere between taking records and returning them, so cancelling it loses none.
        self._is_paused = True
        if self._polling is not None and not self._polling.done():
            self._polling.cancel()
            await asyncio.wait({self._polling})
        consumer = self._ensure_consumer()
        consumer.pause(*(partitions & consumer.assignment()))

    async def resume_at(self, offsets: Mapping[TP, int]) -> None:
        """Seek each partition to its offset and fetch from there."""
        await self.seek_wait(offsets)
        await self.call_thread(self._resume, {TopicPartition(*tp) for tp in offsets})

    async def _resume(self, partitions: set[TopicPartition]) -> None:
        consumer = self._ensure_consumer()
        consumer.resume(*(partitions & consumer.assignment()))
        self._is_paused = False

    async def on_thread_stop(self) -> None:
        """
        Stop the client, to the end also when aiokafka cancels a fetch in the middle of its back-off.

        That cancellation comes out of `stop` as if this thread were meant; Faust would then wait for the thread for ever.
        """
        with suppress(asyncio.CancelledError):
            await super().on_thread_stop()

    @property
    def consumer_now(self) -> aiokafka.AIOKafkaConsumer | None:
        """The consumer, None before the thread has started."""
        return self._consumer
