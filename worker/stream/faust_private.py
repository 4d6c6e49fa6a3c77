"""
The one module that touches private names of Faust, checked at import; aiokafka's are in `aiokafka_private`.

Faust keeps assignment, rebalance callbacks, tables, changelog naming and timers. Replaced are: how records
are drained (in batches), what is committed, and how tables are restored. Each class here turns private hooks
into methods with plain names; what they do is written elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import aiokafka
import faust
from aiokafka.errors import CommitFailedError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.app import base as faust_app
from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.transport import drivers
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode import Service
from mode.types import ServiceT

from worker.kafka.aiokafka_private import Progress, member_of, positions_of, progress_of, too_large_batches
from worker.kafka.decompression import BatchTooLarge
from worker.kafka.txn_offsets import Member

EXPECTED = "0.15."

LOGGER = logging.getLogger("faust")
"""For every service here: what a service does by Faust's nature is no news to operators."""

_NAMES: tuple[tuple[object, tuple[str, ...]], ...] = (
    (faust_app.App, ("_create_directories", "_on_partitions_revoked", "_on_partitions_assigned")),
    (
        driver.Consumer,
        (
            *(
                "_drain_messages",
                "_filter_tps_with_pending_acks",
                "_new_offset",
                "_new_consumer_thread",
                "commit",
                "perform_seek",
            ),
            *(
                "on_partitions_revoked",
                "on_partitions_assigned",
                "stop_flow",
                "verify_event_path",
                "consumer_stopped_errors",
            ),
        ),
    ),
    (
        driver.AIOKafkaConsumerThread,
        ("_create_worker_consumer", "_commit", "_ensure_consumer", "_fetch_records", "call_thread", "seek_wait"),
    ),
    (driver.Producer, ("_settings_extra", "_settings_auth", "_ensure_producer", "_new_producer")),
    (
        Recovery,
        (
            "_build_highwaters",
            "_build_offsets",
            "_seek_offsets",
            "_wait",
            "_restart_recovery",
            "need_recovery",
            "stats_interval",
        ),
    ),
    (TableManager, ("recovery", "_recovery", "_update_channels")),
    (drivers, ("TRANSPORTS",)),
)


def check_names() -> None:
    """
    Check the version and every private name used here.

    Raises:
        RuntimeError: Faust is another version than this was written and tested for.
    """
    missing = [
        f"{getattr(owner, '__name__', owner)}.{name}"
        for owner, names in _NAMES
        for name in names
        if not hasattr(owner, name)
    ]
    if missing or not faust.__version__.startswith(EXPECTED):
        raise RuntimeError(
            f"faust-streaming {EXPECTED}x is expected, found {faust.__version__}"
            + (f" without {', '.join(missing)}" if missing else "")
            + "; install the pinned version"
        )


check_names()


def register_transport(scheme: str, target: str) -> None:
    """Let broker addresses that begin with *scheme* be served by *target* (``package.module:Class``)."""
    drivers.TRANSPORTS.aliases[scheme] = target


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


class BatchConsumer(driver.Consumer):
    """Faust's consumer, which hands batches to `drain`, asks `done_offsets` what to commit and settles before it gives up."""

    logger = LOGGER
    _thread: BatchThread

    @abstractmethod
    def create_thread(self) -> BatchThread:
        """Return the thread that runs the client."""

    @abstractmethod
    async def drain(self, fetcher: ServiceT) -> None:
        """Read until *fetcher* or this consumer stops."""

    @abstractmethod
    def done_offsets(self) -> Mapping[TP, int]:
        """Return the offsets that Faust is to commit, by partition."""

    @abstractmethod
    async def give_up(self, revoked: set[TP]) -> None:
        """Make everything durable that is under way; after that nothing more is done for *revoked*."""

    @abstractmethod
    def start_offsets(self) -> Mapping[TP, int]:
        """Return where to read on in each source partition, once it is restored."""

    @abstractmethod
    async def begin(self, assigned: set[TP], member: Member) -> None:
        """Hear what is ours from now on. No input or output here: no heartbeat runs until this returns."""

    def _new_consumer_thread(self) -> BatchThread:
        return self.create_thread()

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        try:
            await self.drain(fetcher)
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise

    def _filter_tps_with_pending_acks(self, topics: Any = None) -> Iterator[TP]:
        return (tp for tp in list(self.done_offsets()) if topics is None or tp in topics or tp.topic in topics)

    def _new_offset(self, tp: TP) -> int | None:
        return self.done_offsets().get(tp)

    async def perform_seek(self) -> None:
        """Go to where the stored state ends, never to the group's committed offset, which may lag behind."""
        offsets = self.start_offsets()
        self._read_offset.update(offsets)
        self._committed_offset.update(dict.fromkeys(offsets))
        await self._thread.resume_at(offsets)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Settle first: Faust forgets what it could commit as soon as it is asked."""
        self.stop_flow()
        try:
            await self._thread.pause(revoked)
            await self.give_up(revoked)
        except Exception as error:  # noqa: BLE001 - aiokafka would log it and join again as if all were well
            self.app.die(error)  # type: ignore[attr-defined]
        await super().on_partitions_revoked(revoked)

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Note who we are in the group, then let Faust start its recovery task."""
        consumer = self._thread.consumer_now
        assert consumer is not None  # noqa: S101 - it is the caller
        try:
            await self._thread.pause(assigned)
            await self.begin(assigned, member_of(consumer))
        except Exception as error:  # noqa: BLE001 - as above
            self.app.die(error)  # type: ignore[attr-defined]
        await super().on_partitions_assigned(assigned, generation_id)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Say nothing: Faust's detector looks at acknowledgements that a batch consumer never makes."""


class RestoringRecovery(Recovery):
    """
    Faust's recovery task, with the restore left to `app.restore`.

    Faust would wait 90 s for it and then go on living without a recovery task; here only the next rebalance or
    the end of the worker cuts it short.
    """

    logger = LOGGER
    stats_interval = 86_400.0  # Faust's statistics speak of its own restore, which reads nothing

    async def _build_highwaters(self, consumer: Any, tps: set[TP], destination: Any, title: str) -> None:
        destination.clear()
        if title == "active" and not await self.app.restore(set(tps)):  # type: ignore[attr-defined]
            # Taken away while restoring: wait for the rebalance to cancel this. Ending would end the recovery task.
            await asyncio.Event().wait()
        for tp in tps:  # not `update`, which would add to what a Counter holds
            destination[tp] = -1

    async def _build_offsets(self, consumer: Any, tps: set[TP], destination: Any, title: str) -> None:
        for tp in tps:
            destination[tp] = -1

    async def _seek_offsets(self, consumer: Any, tps: set[TP], offsets: Any, title: str) -> None:
        """Stay: changelog partitions are paused and never read by this consumer."""

    async def _wait(self, coro: Any, timeout: Any = None) -> None:  # noqa: ASYNC109
        await super()._wait(coro)

    def need_recovery(self) -> bool:
        """Return False: what there was to restore has been restored before Faust asks."""
        return False

    @Service.task
    async def _restart_recovery(self) -> None:
        try:
            await Recovery._restart_recovery(self)
        except Exception as error:  # noqa: BLE001 - a task has no caller that could hear of it
            self.app.die(error)  # type: ignore[attr-defined]
        finally:
            if not self.should_stop:
                self.app.recovery_ended()  # type: ignore[attr-defined]


class RestoringTables(TableManager):
    """Faust's tables with that recovery task."""

    logger = LOGGER

    async def on_start(self) -> None:
        """Start without the second that Faust waits here for tables that agents may still declare."""
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()

    @property
    def recovery(self) -> Recovery:
        """The recovery task of all tables."""
        if self._recovery is None:
            self._recovery = RestoringRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
