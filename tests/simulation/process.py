"""One worker process: the real assignment, rounds, restore, delivery and timers, with simulated clients around them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiokafka.errors import CommitFailedError, KafkaError
from aiokafka.structs import TopicPartition

from tests.simulation.clients import Producer, RestoreConsumer, SourceThread, TransactionalProducer
from tests.simulation.disks import DiskStore, ServerStore
from tests.simulation.group import HEARTBEAT_S
from tests.simulation.loop import WALL_MS, ProcessExit, ProcessLoop
from tests.simulation.scoring import settings_for
from worker.errors import RestartRequired, StoreUnavailable
from worker.kafka.txn_offsets import GroupFenced, Member
from worker.pipeline import Round
from worker.stream.assignment import Assignment
from worker.stream.delivery_at_least_once import AtLeastOnce
from worker.stream.delivery_exactly_once import ExactlyOnce
from worker.stream.lease import Lease, LeasedDelivery
from worker.stream.standstill import Standstill
from worker.stream.store_access import StoreAccess
from worker.stream.surroundings import RoundLimits, Surroundings
from worker.stream.timers import Timers
from worker.stream.transport import WorkerConsumer

if TYPE_CHECKING:
    from tests.simulation.world import World

_COMMIT_S = 1.0
_EXPECTED = (RestartRequired, KafkaError, GroupFenced, StoreUnavailable)
"""What may end a process under the faults of a history; everything else is an error of ours."""


class Gone(BaseException):
    """A dead process wanted something of the outside world."""


class SimulatedExactlyOnce(ExactlyOnce):
    """The real delivery over the simulated producer."""

    def __init__(self, process: Process) -> None:
        super().__init__(process.world.settings, lambda: None)
        self._process = process

    def _producer(self, partition: int, member: Member) -> Any:
        return TransactionalProducer(self._process, f"{self._settings.app_id}-{partition}", member)

    async def deliver(self, partition: int, round_: Round) -> int:
        self._process.note_round(partition, round_)
        return await super().deliver(partition, round_)


class SimulatedAtLeastOnce(AtLeastOnce):
    """The real delivery; its rounds are noted."""

    def __init__(self, process: Process) -> None:
        super().__init__(process.world.settings, lambda: process.producer)
        self._process = process

    async def deliver(self, partition: int, round_: Round) -> int:
        self._process.note_round(partition, round_)
        return await super().deliver(partition, round_)


class Observer:
    """Hears of everything and tells nobody."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_, **__: None


class SourceConsumer:
    """The worker's own steps of a consumer, without Faust around them."""

    _owned = WorkerConsumer._owned
    _turn = WorkerConsumer._turn
    _check_membership = WorkerConsumer._check_membership
    begin = WorkerConsumer.begin
    done_offsets = WorkerConsumer.done_offsets
    give_up = WorkerConsumer.give_up
    start_offsets = WorkerConsumer.start_offsets

    def __init__(self, process: Process) -> None:
        self._process = process
        self._thread = process.thread
        self.app = process.app
        self.flow_active = False
        self._member: Member | None = None
        self.committed: dict[Any, int] = {}
        self._committing: asyncio.Task[bool] | None = None

    @property
    def kafka(self) -> Any:
        process = self._process
        coordinator = SimpleNamespace(
            generation=process.generation, member_id=process.member_id, _group_instance_id=process.instance_id or None
        )
        return SimpleNamespace(_coordinator=coordinator, process=process)

    async def commit(self) -> bool:
        """Commit what is done, as Faust does: one at a time, and who comes second only waits for the first."""
        if self._committing is not None:
            await asyncio.wait({self._committing})
            return False
        committing = self._committing = self._process.loop.create_task(self._commit())
        try:
            done: bool = await committing
            return done
        finally:
            self._committing = None

    async def _commit(self) -> bool:
        process = self._process
        process.check_alive()
        wanted = {tp: offset for tp, offset in self.done_offsets().items() if offset > self.committed.get(tp, -1)}  # type: ignore[misc]
        if not wanted:
            return False
        offsets = {tp.partition: offset for tp, offset in wanted.items()}
        member = Member(process.generation, process.member_id, process.instance_id or None)
        try:
            await process.broker.request(process.loop, process.broker.commit_offsets, member, offsets)
        except CommitFailedError:
            return False
        finally:
            self.committed.update(wanted)
        return True


class Process:
    """
    One life of one worker.

    Args:
        world: Where it lives.
        name: Of the worker; its disk bears the same.
    """

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.broker = world.broker
        self.loop = ProcessLoop(world)  # type: ignore[abstract]
        self.loop.skew_ms = world.skews.get(name, 0)
        self.member_id = ""
        self.instance_id = name if world.plan.is_static else ""
        self.generation = -1
        self.is_leaving = False
        self.round_under_way: dict[str, tuple[int, Round]] = {}
        self._rebalance: asyncio.Future[None] | None = None
        self._flow: asyncio.Future[None] | None = None
        self._must_rejoin = False
        self.producer = Producer(self)
        self.thread = SourceThread(self)
        self.store = ServerStore(world.server) if world.plan.is_shared else DiskStore(world.disks[name])
        is_exact = world.plan.guarantee == "exactly_once"
        self.lease = Lease(world.settings.session_timeout_ms / 1000)
        self.renew_lease: Callable[[float], None] | None = None
        self.delivery = LeasedDelivery(
            SimulatedExactlyOnce(self) if is_exact else SimulatedAtLeastOnce(self), self.lease
        )
        access = StoreAccess()
        self.surroundings = Surroundings(
            store=self.store,
            access=access,
            delivery=self.delivery,
            limits=RoundLimits(world.plan.round_events, 3 * world.plan.round_events, 1 << 20, world.plan.low_latency),
            die=self.die,
            count_busy=lambda: self.assignment.count_busy(),  # noqa: PLW0108 - made below
            observe=lambda *_: None,
        )
        self.assignment = Assignment(
            world.settings,
            world.pipeline,
            self.surroundings,
            lambda: RestoreConsumer(self),
            Observer(),  # type: ignore[arg-type]
        )
        self.timers = Timers(self.store, access, self.assignment.owned.values, is_wall=world.plan.time == "wall")
        self._standstill = Standstill(world.settings, self.assignment.owned.values, self._ask_ends)
        self.app = SimpleNamespace(
            settings=settings_for(world.plan, self.instance_id),
            assignment=self.assignment,
            delivery=self.delivery,
            lease=self.lease,
            die=self.die,
        )
        self.consumer = SourceConsumer(self)
        world.after(world.random() * HEARTBEAT_S, self._heartbeat)
        self.loop.spawn(self._main())

    # ---- the process and its end

    def check_alive(self) -> None:
        if self.loop.is_dead:
            raise Gone

    def wall_ms(self) -> int:
        return WALL_MS + round(self.world.clock.now * 1000) + self.loop.skew_ms

    def die(self, error: BaseException) -> None:
        """End at once, as the real one does: nothing that comes after this line happens."""
        if not self.loop.is_dead:
            self.loop.is_dead = True
            self.world.note(f"{self.name} ends: {error!r}")
            self.world.deaths += 1
            if not isinstance(error, _EXPECTED):
                self.world.fail(f"{self.name} ended by {type(error).__name__}: {error}", error)
        raise ProcessExit

    def note_round(self, partition: int, round_: Round) -> None:
        self.world.check_books(partition, round_)
        self.round_under_way[f"{self.world.settings.app_id}-{partition}"] = (partition, round_)

    def look_at_idle_partitions(self) -> None:
        """Do now what the real one does each minute."""
        self.loop.spawn(self._guarded(partial(self._standstill.look, with_idle=True)))

    async def _ask_ends(self, places: list[TopicPartition]) -> Mapping[TopicPartition, int]:
        return {place: self.broker.logs[place].end for place in places}

    # ---- what its tasks do

    async def _main(self) -> None:
        for work in (self.timers.run, self._drain, self._commit):
            self.loop.spawn(self._guarded(work))
        await self._guarded(self._membership)

    async def _guarded(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except Exception as error:  # noqa: BLE001 - whatever it is, the process must not go on
            self.die(error)

    async def _drain(self) -> None:
        while True:
            if not self.consumer.flow_active:  # the real one looks every 20 ms
                self._flow = asyncio.Future(loop=self.loop)
                await self._flow
            await self.consumer._turn()  # type: ignore[misc]

    async def _commit(self) -> None:
        if self.world.plan.guarantee == "exactly_once":
            return
        while True:
            await asyncio.sleep(_COMMIT_S)
            await self.consumer.commit()

    async def _membership(self) -> None:
        while True:
            answer: asyncio.Future[Any] = asyncio.Future(loop=self.loop)
            self._must_rejoin = False
            self.broker.request(self.loop, self.broker.group.join, self, answer)
            self.generation, partitions = await answer
            member = Member(self.generation, self.member_id, self.instance_id or None)
            places = {TopicPartition(self.world.source, number) for number in partitions}
            self.world.note(f"{self.name} gets {sorted(partitions)} in generation {self.generation}")
            await self.consumer.begin(places, member)  # type: ignore[misc]
            recovery = self.loop.create_task(self._guarded(partial(self._recover, partitions)))
            await self._until_rebalance()
            self.consumer.flow_active = False
            self.thread.pause()
            await self.consumer.give_up(places)  # type: ignore[misc]
            if not recovery.done():
                recovery.cancel()
                await asyncio.wait({recovery})
            if self.is_leaving:
                self.broker.request(self.loop, self.broker.group.leave, self)
                self.world.after(0.05, self.world.process_left, self)
                await asyncio.Event().wait()

    async def _until_rebalance(self) -> None:
        if not (self._must_rejoin or self.is_leaving):
            self._rebalance = asyncio.Future(loop=self.loop)
            await self._rebalance

    async def _recover(self, partitions: Sequence[int]) -> None:
        if await self.assignment.prepare(partitions):
            self.consumer.committed.clear()
            self.thread.resume_at(self._start_offsets())
            self.consumer.flow_active = True
            if self._flow is not None and not self._flow.done():
                self._flow.set_result(None)

    def _start_offsets(self) -> Mapping[TopicPartition, int]:
        return {TopicPartition(self.world.source, number): at for number, at in self.assignment.start_offsets().items()}

    # ---- what it hears of the group

    def _heartbeat(self) -> None:
        """Ask the group, from the client's own thread; now and then the question or the answer is lost."""
        if self.loop.is_dead:
            return
        world = self.world
        if not self.loop.is_frozen and self.member_id and (world.is_healed or world.random() < 0.8):
            if self.member_id not in self.broker.group.members:
                self.hear_of_expulsion(self.member_id)
            elif self.renew_lease is not None:
                self.renew_lease(world.clock.now)
        world.after(HEARTBEAT_S, self._heartbeat)

    def hear_of_rebalance(self) -> None:
        """Join again."""
        self._must_rejoin = True
        if not self.loop.is_dead and self._rebalance is not None and not self._rebalance.done():
            self._rebalance.set_result(None)

    def hear_of_expulsion(self, member_id: str) -> None:
        """Be told that the group knows *member_id* no longer."""
        if self.member_id == member_id:
            self.member_id = ""
            self.hear_of_rebalance()

    def leave(self) -> None:
        """Stop in good order."""
        self.is_leaving = True
        self.hear_of_rebalance()
