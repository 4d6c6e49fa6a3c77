"""Faust's consumer, in terms of batches, offsets that are done, and partitions that are settled before they go."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.types import ServiceT

from worker.kafka.aiokafka_private import member_of
from worker.kafka.txn_offsets import Member
from worker.stream.faust_private.thread import BatchThread
from worker.stream.faust_private.transports import LOGGER


class BatchConsumer(driver.Consumer):
    """Faust's consumer, which hands batches to `drain`, asks `done_offsets` what to commit and settles before it gives up."""

    logger = LOGGER
    is_leaving = False  # what is assigned from now on is for others
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
        if self.is_leaving:
            return
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
