"""Faust's transport `leadkafka`: its driver for aiokafka with batches in place of single messages."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import aiokafka
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.types import ServiceT

from worker.clock import monotonic
from worker.errors import RestartRequired
from worker.stream import faust_private
from worker.stream.aiokafka_private import member_of
from worker.stream.batches import BATCH_BYTES
from worker.stream.security import client_options
from worker.stream.txn_offsets import Member

if TYPE_CHECKING:
    from worker.stream.app import WorkerApp
    from worker.stream.assignment import Assignment

SCHEME = "leadkafka"

_POLL_S = 1.0
_PACE_S = 0.020
"""Least time between polls: a poll costs two thread hops and a fetch, about 1 ms of CPU, whatever it brings."""
_FETCH_MAX_WAIT_MS = 100
_REBALANCE_TIMEOUT_MS = 30_000  # settling before a rebalance may take one session timeout
_JOIN_SLACK_MS = 10_000
_REQUEST_TIMEOUT_MS = 30_000


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
            auto_offset_reset="earliest",
            isolation_level="read_committed",
            fetch_max_wait_ms=_FETCH_MAX_WAIT_MS,
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
        polled = await self._thread.poll(self._owned.source_places(), _POLL_S) if self._owned.owned else None
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
            self._check_identity()
        await self._owned.give_up(self.app.settings.session_timeout_ms / 1000)
        if self.app.delivery.committable() and not await self.commit():
            await self.commit()  # the first one only waited for a commit that Faust had begun before
        self._owned.forget()
        await self.app.delivery.close()

    def _check_identity(self) -> None:
        """End a static member that the group no longer knows: two of one name would throw each other out for ever."""
        name = self.app.settings.instance_id
        if name and self.kafka is not None and not member_of(self.kafka).member_id:
            problem = f"the group knows {name} no longer: another process has this LEADSCORE_INSTANCE_ID, or this one stood still"
            self.app.die(RestartRequired(what="group membership", problem=problem))

    @property
    def kafka(self) -> aiokafka.AIOKafkaConsumer | None:
        """Aiokafka's consumer, None before the thread has started it."""
        return self._thread.consumer_now

    def start_offsets(self) -> Mapping[TP, int]:
        """Return where to read on."""
        topic = self.app.settings.input_topic
        return {TP(topic, partition): offset for partition, offset in self._owned.start_offsets().items()}

    async def begin(self, assigned: set[TP], member: Member) -> None:
        """Note what is ours."""
        self._owned.begin([tp.partition for tp in assigned if tp.topic == self.app.settings.input_topic], member)


class WorkerProducer(driver.Producer):
    """Faust's producer, idempotent; its client is shared by the transactional ones."""

    logger = faust_private.LOGGER
    app: WorkerApp

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
