"""Faust's transport `leadkafka`: its driver for aiokafka with batches in place of single messages."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import aiokafka
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.types import ServiceT

from worker.clock import monotonic
from worker.errors import RestartRequired
from worker.kafka.aiokafka_private import (
    end_coordination,
    has_lost_its_name,
    keep_batches,
    member_of,
    tell_heartbeats,
)
from worker.kafka.security import client_options
from worker.kafka.txn_offsets import Member
from worker.logs import log_event
from worker.stream import faust_private
from worker.stream.batches import BATCH_BYTES
from worker.stream.identity import name_taken

if TYPE_CHECKING:
    from worker.stream.app import WorkerApp
    from worker.stream.assignment import Assignment

_log = logging.getLogger(__name__)

SCHEME = "leadkafka"

_POLL_S = 1.0
_PACE_S = 0.020
"""Least time between polls: a poll costs two thread hops and a fetch, about 1 ms of CPU, whatever it brings."""
_FETCH_MAX_WAIT_MS = 100
_PARTITION_FETCH_BYTES = 1 << 20
_REBALANCE_TIMEOUT_MS = 30_000  # settling before a rebalance may take one session timeout
_JOIN_SLACK_MS = 10_000
_REQUEST_TIMEOUT_MS = 30_000
_METADATA_MAX_AGE_MS = 5_000
"""
A broker that elects leaders may know none of our topics for a moment. A group that rebalances then hands out nothing, and hands out
anew only when the one who led it looks again, by aiokafka's default within five minutes.
"""
_ASK_WITHIN_S = 2.0


class WorkerThread(faust_private.BatchThread):
    """The thread that runs the client: fetching and heartbeats go on while the main thread scores."""

    logger = faust_private.LOGGER
    app: WorkerApp

    def create_consumer(self, assignors: list[Any]) -> aiokafka.AIOKafkaConsumer:
        """Return the consumer of the source topic; read_committed, so that aborted events are never scored."""
        settings = self.app.settings
        session_ms = settings.session_timeout_ms
        rebalance_ms = max(_REBALANCE_TIMEOUT_MS, 2 * session_ms)
        return aiokafka.AIOKafkaConsumer(
            **client_options(settings),
            client_id=settings.app_id,
            group_id=settings.app_id,
            group_instance_id=settings.instance_id or None,
            partition_assignment_strategy=assignors,
            enable_auto_commit=False,
            # The state says where to begin. A reset by itself, in the middle of a poll, would pass over records in silence.
            auto_offset_reset="none",
            isolation_level="read_committed",
            fetch_max_wait_ms=_FETCH_MAX_WAIT_MS,
            metadata_max_age_ms=_METADATA_MAX_AGE_MS,
            fetch_max_bytes=settings.fetch_bytes,
            max_partition_fetch_bytes=min(_PARTITION_FETCH_BYTES, settings.fetch_bytes),
            session_timeout_ms=session_ms,
            heartbeat_interval_ms=session_ms * 3 // 10,
            rebalance_timeout_ms=rebalance_ms,
            max_poll_interval_ms=0x7FFF_FFFF,  # the watchdog judges progress, with more knowledge than a poll interval
            request_timeout_ms=rebalance_ms + _JOIN_SLACK_MS,  # a join is answered when all members have settled
        )


class WorkerConsumer(faust_private.BatchConsumer):
    """Polls, lets the assignment work, and settles it before partitions go."""

    logger = faust_private.LOGGER
    app: WorkerApp
    _member: Member | None = None  # as of the last assignment

    @property
    def _owned(self) -> Assignment:
        return self.app.assignment

    def create_thread(self) -> WorkerThread:
        """Return the thread that runs the client."""
        return WorkerThread(self, loop=self.loop, beacon=self.beacon)

    async def drain(self, fetcher: ServiceT) -> None:
        """Read until *fetcher* or this consumer stops; any error ends the process."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                await self._turn()
        except self.consumer_stopped_errors:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it is, going on could lose or double events
            self.app.die(error)

    async def _turn(self) -> None:
        began = monotonic()
        if not self.flow_active or self._owned.is_halted:
            await asyncio.sleep(_PACE_S)
            return
        generation = self._owned.generation
        # Without a partition to read, the client would be asked for all it has.
        polled = await self._thread.poll(places, _POLL_S) if (places := self._owned.source_places()) else None
        if generation != self._owned.generation or self._owned.is_halted:
            return
        if polled is None:
            await asyncio.sleep(_POLL_S)
            return
        self._owned.take(polled)
        await self._owned.work()
        if not self._owned.is_catching_up:
            await asyncio.sleep(max(0.0, _PACE_S - (monotonic() - began)))

    def done_offsets(self) -> Mapping[TP, int]:
        """Return what the guarantee leaves to Faust to commit."""
        topic = self.app.settings.input_topic
        return {TP(topic, partition): offset for partition, offset in self.app.delivery.committable().items()}

    async def give_up(self, revoked: set[TP]) -> None:
        """Settle, commit what Faust is to commit while it still may, and close. Rebalances are eager: they take everything."""
        if revoked:
            await self._check_membership()
        await self._owned.give_up(self.app.settings.session_timeout_ms / 1000)
        if self.app.delivery.committable() and not await self.commit():
            await self.commit()  # the first one only waited for a commit that Faust had begun before
        self._owned.forget()
        await self.app.delivery.close()

    async def join_no_more(self) -> None:
        """Take part in no more rebalances: a join that waits for others would hold up our end, and come to nobody."""
        if self.kafka is not None:
            await self._thread.call_thread(end_coordination, self.kafka)

    async def _check_membership(self) -> None:
        """
        End a process that the group has gone on without, when it has work in hand or another one has its name.

        What it has in hand is others' by now, and must not be written. Without work it joins again as if it were new.
        """
        kafka, member = self.kafka, self._member
        if kafka is None or member is None or member_of(kafka).member_id:
            return
        self._owned.is_halted = True  # nothing is folded while we ask
        if await self._thread.call_thread(has_lost_its_name, kafka, member):
            self.app.die(name_taken(self.app.settings.instance_id))
        silent_s = round(self.app.lease.silent_s, 1)
        if any(one.scoring.pending or one.under_way is not None for one in self._owned.owned.values()):
            problem = (
                f"the group has gone on without us, after {silent_s:g} s without a heartbeat; open rounds are dropped"
            )
            self.app.die(RestartRequired(what="group membership", problem=problem))
        log_event(_log, logging.WARNING, "membership_lost", group_silent_seconds=silent_s)

    def has_lost_its_name(self) -> bool:
        """Ask the group, from outside of the client's thread, whether another process has our name; False without an answer."""
        kafka, member, loop = self.kafka, self._member, self._thread.thread_loop
        if kafka is None or member is None or not loop.is_running() or _is_running_in(loop):
            return False
        asking = asyncio.run_coroutine_threadsafe(has_lost_its_name(kafka, member), loop)  # noqa: TID251 - Faust's thread
        try:
            return asking.result(_ASK_WITHIN_S)
        except Exception:  # noqa: BLE001 - we are about to end; not knowing why the group is silent changes nothing
            return False

    @property
    def kafka(self) -> aiokafka.AIOKafkaConsumer | None:
        """Aiokafka's consumer, None before the thread has started it."""
        return self._thread.consumer_now

    def start_offsets(self) -> Mapping[TP, int]:
        """Return where to read on."""
        topic = self.app.settings.input_topic
        return {TP(topic, partition): offset for partition, offset in self._owned.start_offsets().items()}

    async def begin(self, assigned: set[TP], member: Member) -> None:
        """Note what is ours, and hear from now on when the group says that we are a member."""
        assert self.kafka is not None  # noqa: S101 - it is the caller
        self._member = member
        tell_heartbeats(self.kafka, self.app.lease.renew)
        self.app.lease.renew(monotonic())
        self._owned.begin([tp.partition for tp in assigned if tp.topic == self.app.settings.input_topic], member)


def _is_running_in(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


class WorkerProducer(driver.Producer):
    """Faust's producer, idempotent; its client is shared by the transactional ones."""

    logger = faust_private.LOGGER
    app: WorkerApp

    def _new_producer(self, transactional_id: str | None = None) -> aiokafka.AIOKafkaProducer:
        producer = super()._new_producer(transactional_id)
        keep_batches(producer)
        return producer

    def _settings_auth(self) -> Mapping[str, Any]:
        return client_options(self.app.settings)

    def _settings_extra(self) -> Mapping[str, Any]:
        return {
            "acks": "all",
            "enable_idempotence": True,
            "max_batch_size": BATCH_BYTES,
            "request_timeout_ms": _REQUEST_TIMEOUT_MS,
            "retry_backoff_ms": 20,
        }

    @property
    def kafka(self) -> aiokafka.AIOKafkaProducer:
        """Aiokafka's producer; raises NotReady before it has started."""
        return self._ensure_producer()


class Transport(driver.Transport):
    """The transport as Faust loads it."""

    Consumer: ClassVar[Any] = WorkerConsumer
    Producer: ClassVar[Any] = WorkerProducer
