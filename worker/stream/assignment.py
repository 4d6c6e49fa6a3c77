"""What this process owns in the group right now: got, restored, worked on, settled and given up together."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import aiokafka
from aiokafka.structs import TopicPartition

from worker.errors import RestartRequired, StateError, StoreUnavailable
from worker.kafka.aiokafka_private import high_watermarks, partition_count
from worker.kafka.txn_offsets import Member
from worker.logs import log_event
from worker.pipeline import PARTITION_KEY
from worker.stream.carry_over import carry_over
from worker.stream.restore import Restore
from worker.stream.rounds import OwnedPartition
from worker.stream.stopped import too_large_a_batch
from worker.stream.surroundings import Surroundings

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.stream.faust_private import Polled
    from worker.stream.observing import Observer
    from worker.stream.ports import PartitionLike, Pipeline

_log = logging.getLogger(__name__)


class Assignment:
    """
    The owned partitions of this process.

    Args:
        settings: Topics.
        pipeline: The pure half.
        surroundings: What all partitions share.
        restore_consumer: Makes the consumer that reads changelogs.
        observer: Hears of assignments and restores.
    """

    def __init__(
        self,
        settings: Settings,
        pipeline: Pipeline,
        surroundings: Surroundings,
        restore_consumer: Callable[[], aiokafka.AIOKafkaConsumer],
        observer: Observer,
    ) -> None:
        self._settings = settings
        self._pipeline = pipeline
        self._shared = surroundings
        self._restore_consumer = restore_consumer
        self._observer = observer
        self.owned: dict[int, OwnedPartition] = {}
        self.partitions = 0  # of the source topic, once known
        self.generation = 0  # counts our own assignments: what an older one still brings is dropped
        self.is_halted = True
        self.is_ready = False
        self.restore: Restore | None = None
        self.awaited: set[int] = set()  # ours, restored or not
        self._member = Member(-1, "", None)
        self._preparing: asyncio.Task[None] | None = None

    def begin(self, partitions: Collection[int], member: Member) -> None:
        """Note that *partitions* are ours as *member*; nothing is read before `prepare`."""
        self.generation += 1
        self._member = member
        self.awaited = set(partitions)
        self.restore = None
        self._observer.partitions_assigned()
        log_event(
            _log, logging.INFO, "partitions_assigned", generation=member.generation, partitions=sorted(partitions)
        )

    async def prepare(self, partitions: Collection[int]) -> bool:
        """
        Open, fence and restore *partitions*, and get ready to read. Errors end the process.

        Returns:
            False when it was cut short because the partitions were revoked.
        """
        await self._stop_preparing()
        task = self._preparing = asyncio.create_task(self._prepare_when_possible(sorted(partitions)), name="restore")
        try:
            await asyncio.wait({task})
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
        if task.cancelled():
            return False
        if (error := task.exception()) is not None:
            self._shared.die(error)
            return False
        return True

    async def give_up(self, deadline_s: float) -> None:
        """
        Settle every owned partition and let go of it.

        Not being able to within *deadline_s* ends the process: the partitions are about to be others'.
        """
        self.is_halted, self.is_ready = True, False
        self.awaited = set()
        for one in self.owned.values():
            one.is_settling = True
        await self._stop_preparing()
        try:
            await asyncio.wait_for(asyncio.gather(*(one.settle() for one in self.owned.values())), deadline_s)
        except TimeoutError:
            self._shared.die(
                RestartRequired(what="giving up partitions", problem=f"rounds did not end within {deadline_s:g} s")
            )

    def forget(self) -> None:
        """Close what `give_up` has settled."""
        if self.owned:
            log_event(_log, logging.INFO, "partitions_given_up", partitions=sorted(self.owned))
        for number, one in self.owned.items():
            if one.under_way is not None:  # its acknowledgement would come to nobody
                self._shared.die(RestartRequired(what=f"partition {number}", problem="given up with a round under way"))
            one.close()
            self._shared.store.close(number)
            self._observer.partition_given_up(number)
        self.owned.clear()

    def take(self, polled: Polled) -> None:
        """Take what a poll brought to the partitions it is for; raises RestartRequired when something was skipped."""
        for place, before in polled.before.items():
            if (one := self.owned.get(place.partition)) is not None:
                one.take(polled.records.get(place, ()), before, polled.progress.get(place))
        for batch in polled.too_large:
            one = self.owned.get(batch.partition)
            # One that lies behind us was left over by a poll that a rebalance has cut short.
            if one is not None and batch.last >= one.next_offset:
                one.stop(too_large_a_batch(batch))

    async def work(self) -> None:
        """Fold everything polled; rounds end and commit meanwhile. Returns early when the partitions are taken away."""
        generation = self.generation
        access = self._shared.access
        while waiting := [one for one in self.owned.values() if one.can_fold]:
            folded = False
            for one in waiting:
                try:
                    folded = one.fold_next() or folded
                except StoreUnavailable as error:
                    folded = True  # to look again, as soon as it may be back
                    await access.wait(error)
                else:
                    access.answered()
                await asyncio.sleep(0)
                if self.is_halted or generation != self.generation:
                    return
            if not folded:
                under_way = {one.under_way for one in waiting if one.under_way is not None}
                if under_way:
                    await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
        for one in self.owned.values():
            one.end_idle_round()

    def source_places(self) -> list[TopicPartition]:
        """Return the owned partitions of the source topic that are read: those that nothing has stopped."""
        return [
            TopicPartition(self._settings.input_topic, number)
            for number, one in self.owned.items()
            if one.stopped is None
        ]

    def start_offsets(self) -> Mapping[int, int]:
        """Return where to read on, by partition."""
        return {number: one.next_offset for number, one in self.owned.items()}

    def count_busy(self) -> int:
        """Return how many owned partitions have records waiting."""
        return sum(one.is_busy for one in self.owned.values())

    @property
    def is_catching_up(self) -> bool:
        """Whether any partition has more than a round's worth of records to read."""
        return any(one.is_catching_up for one in self.owned.values())

    async def _stop_preparing(self) -> None:
        task, self._preparing = self._preparing, None
        if task is not None and not task.done():
            task.cancel()
            with suppress(asyncio.CancelledError):
                await asyncio.wait({task})

    async def _prepare_when_possible(self, partitions: list[int]) -> None:
        """Prepare *partitions*, from the beginning whenever the store was away in between; a restore goes on where it was."""
        while True:
            try:
                await self._prepare(partitions)
            except StoreUnavailable as error:
                for partition in partitions:
                    self._shared.store.close(partition)
                await self._shared.access.wait(error)
            else:
                self._shared.access.answered()
                return

    async def _prepare(self, partitions: list[int]) -> None:
        shared = self._shared
        for one in self.owned.values():
            one.close()
        self.owned.clear()
        await shared.delivery.open(partitions, self._member)
        for partition in partitions:
            shared.store.open(partition)
        self.restore = Restore(
            self._settings, self._pipeline, shared.store, merges_by_fence=shared.delivery.merges_by_fence
        )
        try:
            owned = await self._restored(self.restore, partitions)
        except BaseException:
            for partition in partitions:  # they are about to be others'
                shared.store.close(partition)
            raise
        self.owned.update(owned)
        for one in owned.values():
            await carry_over(one, shared.store, shared.access)
        self.is_halted, self.is_ready = False, True
        log_event(_log, logging.INFO, "partitions_ready", offsets=dict(self.start_offsets()))

    async def _restored(self, restore: Restore, partitions: list[int]) -> dict[int, OwnedPartition]:
        """Bring the store of *partitions* up to the changelog, and return them ready to work."""
        consumer = self._restore_consumer()
        try:
            await consumer.start()
            self.partitions = await self._partition_count(consumer)
            await restore.run(consumer, partitions)
            self._observer.restore_complete(restore)
            places = {TopicPartition(self._settings.input_topic, partition): partition for partition in partitions}
            first = await consumer.beginning_offsets(list(places)) if places else {}
            end = await high_watermarks(consumer, places) if places else {}
        finally:
            await consumer.stop()
        return {
            partition: await self._own(restore, partition, first[place], end[place])
            for place, partition in places.items()
        }

    async def _partition_count(self, consumer: aiokafka.AIOKafkaConsumer) -> int:
        names = (self._settings.input_topic, self._settings.changelog_topic)
        source, changelog = [await partition_count(consumer, name) for name in names]
        if source != changelog:
            raise StateError(
                where=" and ".join(names),
                problem=f"they have {source} and {changelog} partitions; a contact's state would lie elsewhere than its events",
                fix="give all topics the same number of partitions; `leadscore topics check` lists them",
            )
        return source

    async def _own(self, restore: Restore, partition: int, first: int, end: int) -> OwnedPartition:
        shared = self._shared
        one = restore.partitions[partition]
        last = await shared.delivery.settle_restore(partition, one.position, restore.lost_rows(partition))
        if last >= 0 and last != one.stored:
            shared.store.write(partition, {}, [], [], one.stored, last)
            one.stored = last
        row = shared.store.get_many(partition, [PARTITION_KEY])[0]
        scoring = self._pipeline.make_partition(
            partition, self.partitions, row, partial(shared.store.get_many, partition)
        )
        start = self._start(scoring, partition, first, end)
        if not scoring.is_new:  # whoever had it before may have ended between its last round and telling the group
            shared.delivery.done(partition, start)
        return OwnedPartition(partition, scoring, start, one.stored, shared)

    def _start(self, scoring: PartitionLike, partition: int, first: int, end: int) -> int:
        """Return where to read on. The state decides; the group's committed offset is for monitoring only."""
        if scoring.is_new:
            return first
        if not first <= scoring.next_offset <= end:
            is_behind = scoring.next_offset < first
            at = f"{partition}:{scoring.next_offset}"
            pass_over = (
                f"to go on without them run `leadscore offsets skip {at} --through {first - 1}`; if it was made anew, "
            )
            raise StateError(
                where=f"{self._settings.input_topic}[{partition}]",
                problem=f"the state goes on at offset {scoring.next_offset}, but the topic holds {first} to {end}: "
                + (
                    "records were deleted before they were read"
                    if is_behind
                    else "it was made anew, or has lost records"
                ),
                fix=(pass_over if is_behind else "")
                + "run `leadscore topics epoch --raise`, which keeps all scores and reads the topic from its beginning",
            )
        return scoring.next_offset
