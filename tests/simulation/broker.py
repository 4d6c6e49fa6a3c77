"""A simulated Kafka: requests take their time, arrive after their sender's death or not at all, and transactions fence."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiokafka.errors import CommitFailedError, KafkaError, ProducerFenced
from aiokafka.structs import TopicPartition

from tests.simulation.group import Group
from tests.simulation.log import Entry, PartitionLog, Share
from tests.simulation.loop import WALL_MS
from worker.kafka.txn_offsets import GroupFenced, Member
from worker.stream.batches import Row

if TYPE_CHECKING:
    from tests.simulation.loop import ProcessLoop
    from tests.simulation.world import World

AGAIN = object()
"""What an effect returns that cannot happen yet; it is asked for again in a moment."""

_AGAIN_S = 0.005
_LINGER_S = 3.0  # what a dead process had sent may still arrive so much later


class Refused(KafkaError):  # type: ignore[misc]
    """The broker will not take it."""


class Transaction:
    """The state of one transactional id."""

    def __init__(self) -> None:
        self.epoch = -1
        self.shares: dict[TopicPartition, Share] = {}
        self.offsets: dict[int, int] = {}
        self.is_deciding = False  # prepared; the control records are being written
        self.number = 0
        self.tag: Any = None

    @property
    def is_open(self) -> bool:
        return bool(self.shares or self.offsets)


class Broker:
    """Topics, transactions and the group of one history."""

    def __init__(self, world: World, topics: Sequence[str], partitions: int) -> None:
        self._world = world
        self.partitions = partitions
        self.logs = {TopicPartition(topic, number): PartitionLog() for topic in topics for number in range(partitions)}
        self.transactions: dict[str, Transaction] = {}
        self.group = Group(world, partitions)
        self.committed: dict[int, int] = {}
        self.commits: list[tuple[int, int]] = []
        self.held: set[str] = set()  # topics that take nothing for now
        self.in_flight = 0
        self.transaction_timeout_s = 15.0
        self._parked: list[tuple[Callable[[], None], set[TopicPartition]]] = []
        self.on_committed: Callable[[int, int], None] = lambda *_: None

    # ---- requests

    def request(
        self, loop: ProcessLoop, effect: Callable[..., Any], *args: Any, topic: str = ""
    ) -> asyncio.Future[Any]:
        """Send a request: *effect* happens here some time later, and its sender hears of it some time after that."""
        answer: asyncio.Future[Any] = asyncio.Future(loop=loop)
        self.in_flight += 1
        self._world.after(self._world.latency(), self._arrive, loop, answer, effect, args, topic)
        return answer

    def _arrive(
        self,
        loop: ProcessLoop,
        answer: asyncio.Future[Any],
        effect: Callable[..., Any],
        args: tuple[Any, ...],
        topic: str,
    ) -> None:
        world = self._world
        if loop.is_dead:
            chance = world.random()
            if chance < 0.5 or world.is_healed:
                self.in_flight -= 1
                return
            if chance < 0.6:
                world.after(world.random() * _LINGER_S, self._arrive, loop, answer, effect, args, topic)
                return
        if world.ambushes and not loop.is_dead and world.is_ambushed(loop, effect.__name__, topic, "before"):
            world.after(world.latency(), self._arrive, loop, answer, effect, args, topic)
            return
        if topic in self.held:
            world.after(0.2, self._arrive, loop, answer, effect, args, topic)
            return
        try:
            result, error = effect(*args), None
        except (KafkaError, GroupFenced) as refusal:
            result, error = None, refusal
        if result is AGAIN:
            world.after(_AGAIN_S, self._arrive, loop, answer, effect, args, topic)
            return
        if isinstance(result, asyncio.Future):  # to be answered by somebody else
            self.in_flight -= 1
            return
        world.after(world.latency(), self._reply, loop, answer, result, error)
        if world.ambushes and not loop.is_dead:
            world.is_ambushed(loop, effect.__name__, topic, "after")

    def _reply(self, loop: ProcessLoop, answer: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
        self.in_flight -= 1
        if loop.is_dead or answer.done():
            return
        if error is None:
            answer.set_result(result)
        else:
            answer.set_exception(error)

    # ---- plain produce

    @property
    def now_ms(self) -> int:
        return WALL_MS + round(self._world.clock.now * 1000)

    def produce(self, place: TopicPartition, rows: Sequence[Row]) -> int:
        """Append rows outside of any transaction; an idempotent producer's repeats are the same request."""
        return self._append(place, rows, None)

    def _append(self, place: TopicPartition, rows: Sequence[Row], share: Share | None) -> int:
        stamp = self._world.stamp_ms() if place.topic == self._world.source else self.now_ms
        first = self.logs[place].append(rows, stamp, share)
        self._wake(place)
        return first

    # ---- transactions

    def init_producer(self, name: str) -> Any:
        """Return a new epoch of *name*; whoever had it is fenced, and what was open is aborted."""
        one = self.transactions.setdefault(name, Transaction())
        if one.is_deciding:
            return AGAIN
        one.epoch += 1
        if one.is_open:
            self._decide(name, one, is_commit=False)
            return AGAIN
        return one.epoch

    def _fenced(self, name: str, epoch: int) -> Transaction:
        one = self.transactions.get(name)
        if one is None or one.epoch != epoch:
            raise ProducerFenced
        return one

    def produce_in(self, name: str, epoch: int, place: TopicPartition, rows: Sequence[Row]) -> Any:
        """Append rows in the open transaction of *name*, which begins by it."""
        one = self._fenced(name, epoch)
        if one.is_deciding:
            return AGAIN
        self._begin(name, one)
        share = one.shares.get(place)
        if share is None:
            share = one.shares[place] = self.logs[place].begin_share()
        return self._append(place, rows, share)

    def _begin(self, name: str, one: Transaction) -> None:
        if not one.is_open:
            one.number += 1
            self._world.after(self.transaction_timeout_s, self._time_out, name, one.number)

    def _time_out(self, name: str, number: int) -> None:
        one = self.transactions[name]
        if one.is_open and not one.is_deciding and one.number == number:
            one.epoch += 1
            self._decide(name, one, is_commit=False)

    def add_offsets(self, name: str, epoch: int, offsets: Mapping[int, int], member: Member) -> Any:
        """Take source offsets into the transaction; raises GroupFenced when the group has moved on."""
        one = self._fenced(name, epoch)
        if one.is_deciding:
            return AGAIN
        if not self.group.knows(member):
            raise GroupFenced("unknown member or generation")
        self._begin(name, one)
        one.offsets.update(offsets)
        return None

    def end_transaction(self, name: str, epoch: int, tag: Any) -> Any:
        """Commit; the control records come a moment later."""
        one = self._fenced(name, epoch)
        if one.is_deciding:
            return AGAIN
        one.tag = tag
        self._decide(name, one, is_commit=True)
        return None

    def _decide(self, name: str, one: Transaction, *, is_commit: bool) -> None:
        one.is_deciding = True
        if is_commit:
            self._world.round_committed(one.tag)
        for place, share in list(one.shares.items()):
            self._world.after(self._world.latency(), self._mark, one, place, share, is_commit)
        if not one.shares:
            self._world.after(self._world.latency(), self._finish, one, is_commit)

    def _mark(self, one: Transaction, place: TopicPartition, share: Share, is_commit: bool) -> None:
        self.logs[place].decide(share, "committed" if is_commit else "aborted")
        del one.shares[place]
        self._wake(place)
        if not one.shares:
            self._finish(one, is_commit)

    def _finish(self, one: Transaction, is_commit: bool) -> None:
        if is_commit:
            for partition, offset in one.offsets.items():
                self._commit_offset(partition, offset)
        one.offsets = {}
        one.tag = None
        one.is_deciding = False

    # ---- offsets

    def commit_offsets(self, member: Member, offsets: Mapping[int, int]) -> None:
        """Commit as a consumer does; raises CommitFailedError when the group has moved on."""
        if not self.group.knows(member):
            raise CommitFailedError("moved on")
        for partition, offset in offsets.items():
            self._commit_offset(partition, offset)

    def _commit_offset(self, partition: int, offset: int) -> None:
        self.on_committed(partition, offset)
        self.commits.append((partition, offset))
        self.committed[partition] = offset

    # ---- reading

    def fetch(
        self, positions: Mapping[TopicPartition, int], limit: int
    ) -> dict[TopicPartition, tuple[list[Entry], int, int, int]]:
        """Return records, position after them, high watermark and last stable offset of each partition."""
        found = {}
        for place, position in positions.items():
            log = self.logs[place]
            if position < log.first:
                raise Refused("offset out of range")
            records, after = log.read(position, limit)
            found[place] = records, after, log.end, log.stable
        return found

    def park(self, wake: Callable[[], None], places: set[TopicPartition]) -> None:
        """Call *wake* at the next change of any of *places*."""
        self._parked.append((wake, places))

    def _wake(self, place: TopicPartition) -> None:
        if not self._parked:
            return
        still = []
        for wake, places in self._parked:
            if place in places:
                wake()
            else:
                still.append((wake, places))
        self._parked = still
