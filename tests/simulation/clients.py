"""Kafka's clients as the worker sees them, on the simulated broker: what it calls of aiokafka, and no more."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType, SimpleNamespace
from typing import TYPE_CHECKING, Any

from aiokafka.structs import TopicPartition

import worker.stream.assignment
import worker.stream.restore
import worker.stream.transport
from tests.simulation.broker import Refused
from worker.contracts.headers import Headers
from worker.kafka.aiokafka_private import Progress
from worker.kafka.txn_offsets import Member
from worker.stream.batches import Row
from worker.stream.faust_private import NOTHING, Polled

if TYPE_CHECKING:
    from tests.simulation.process import Process

_READ_UNCOMMITTED = 0


class Batch:
    """What `create_batch` gives; full after *capacity* rows."""

    def __init__(self, capacity: int) -> None:
        self.rows: list[Row] = []
        self._capacity = capacity

    def append(
        self, *, timestamp: int | None, key: bytes | None, value: bytes | None, headers: Headers
    ) -> object | None:
        if len(self.rows) >= self._capacity:
            return None
        self.rows.append(Row(key, value, list(headers)))
        return self

    def record_count(self) -> int:
        return len(self.rows)


class Producer:
    """The idempotent producer: the batches of one partition go one after the other."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._queues: dict[TopicPartition, deque[tuple[Batch, asyncio.Future[Any]]]] = {}

    def create_batch(self) -> Batch:
        return Batch(self._process.world.batch_rows)

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> Any:
        self._process.check_alive()
        place = TopicPartition(topic, partition)
        acknowledged: asyncio.Future[Any] = asyncio.Future(loop=self._process.loop)
        queue = self._queues.setdefault(place, deque())
        queue.append((batch, acknowledged))
        if len(queue) == 1:
            self._send_next(place)
        return acknowledged

    def _send_next(self, place: TopicPartition) -> None:
        batch, acknowledged = self._queues[place][0]
        process = self._process
        if process.loop.is_dead:
            return
        answer = process.broker.request(process.loop, self._take, place, batch.rows, topic=place.topic)
        answer.add_done_callback(lambda answer: self._acknowledge(place, acknowledged, answer))

    def _take(self, place: TopicPartition, rows: list[Row]) -> Any:
        refusals = self._process.world.refusals
        if refusals and refusals[0] == "before":
            refusals.pop(0)
            raise Refused("not now")
        first = self._produce(place, rows)
        if refusals and isinstance(first, int):
            refusals.pop(0)
            raise Refused("no answer")
        return first

    def _produce(self, place: TopicPartition, rows: list[Row]) -> Any:
        return self._process.broker.produce(place, rows)

    def _acknowledge(
        self, place: TopicPartition, acknowledged: asyncio.Future[Any], answer: asyncio.Future[Any]
    ) -> None:
        queue = self._queues[place]
        queue.popleft()
        if (error := answer.exception()) is not None:
            if not acknowledged.done():
                acknowledged.set_exception(error)
                acknowledged.exception()  # whoever sent several batches waits for one after the other
        elif not acknowledged.done():
            acknowledged.set_result(SimpleNamespace(offset=answer.result()))
        if queue:
            self._send_next(place)


class TransactionalProducer(Producer):
    """The producer of one source partition."""

    def __init__(self, process: Process, name: str, member: Member) -> None:
        super().__init__(process)
        self._name = name
        self._member = member
        self._epoch = -1

    async def start(self) -> None:
        process = self._process
        process.check_alive()
        self._epoch = await process.broker.request(process.loop, process.broker.init_producer, self._name)

    async def stop(self) -> None: ...

    def cause_of(self, error: Exception) -> BaseException:
        return error

    async def begin_transaction(self) -> None:
        self._process.check_alive()

    def _produce(self, place: TopicPartition, rows: list[Row]) -> Any:
        return self._process.broker.produce_in(self._name, self._epoch, place, rows)

    async def send_offsets_to_transaction(self, offsets: Mapping[TopicPartition, Any], group: str) -> None:
        process = self._process
        process.check_alive()
        wanted = {place.partition: offset.offset for place, offset in offsets.items()}
        await process.broker.request(
            process.loop, process.broker.add_offsets, self._name, self._epoch, wanted, self._member
        )

    async def commit_transaction(self) -> None:
        process = self._process
        process.check_alive()
        tag = process.round_under_way.get(self._name)
        await process.broker.request(process.loop, process.broker.end_transaction, self._name, self._epoch, tag)


class RestoreConsumer:
    """A consumer outside of any group, read_committed, as a restore uses one."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._fetcher = SimpleNamespace(_isolation_level=1)

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def _ask(self, effect: Any, *args: Any) -> Any:
        self._process.check_alive()
        return await self._process.broker.request(self._process.loop, effect, *args)

    async def partition_count(self) -> int:
        self._process.check_alive()
        return self._process.broker.partitions

    def assign(self, places: Collection[TopicPartition]) -> None:
        self._positions = dict.fromkeys(places, 0)
        self._paused = set()

    def assignment(self) -> set[TopicPartition]:
        return set(self._positions)

    def seek(self, place: TopicPartition, offset: int) -> None:
        self._positions[place] = offset

    def pause(self, *places: TopicPartition) -> None:
        self._paused |= set(places)

    def resume(self, *places: TopicPartition) -> None:
        self._paused -= set(places)

    async def position(self, place: TopicPartition) -> int:
        return self._positions[place]

    async def end_offsets(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        logs = self._process.broker.logs
        is_real = self._fetcher._isolation_level == _READ_UNCOMMITTED
        return await self._ask(lambda: {one: logs[one].end if is_real else logs[one].stable for one in places})  # type: ignore[no-any-return]

    async def beginning_offsets(self, places: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        logs = self._process.broker.logs
        return await self._ask(lambda: {one: logs[one].first for one in places})  # type: ignore[no-any-return]

    async def fetch(self, places: Collection[TopicPartition], wait_s: float) -> list[Fetched]:
        """Return what there is of *places*; empty after *wait_s* without any."""
        wanted = {place: self._positions[place] for place in places if place not in self._paused}
        found = await self._ask(self._process.broker.fetch, wanted, self._process.world.restore_rows)
        fetched = []
        for place, (records, after, _, _) in found.items():
            if self._positions.get(place) == wanted[place] and after > wanted[place]:
                self._positions[place] = after
                fetched.append(Fetched(place, records, after))
        if not fetched:
            await asyncio.sleep(wait_s)
        return fetched


class Fetched:
    """What one answer held of one partition."""

    def __init__(self, place: TopicPartition, records: list[Any], position: int) -> None:
        self.place = place
        self.position = position
        self._records = records

    def batches(self) -> Iterator[list[Any]]:
        yield self._records


async def fetch(consumer: RestoreConsumer, places: Collection[TopicPartition], wait_s: float) -> list[Fetched]:
    """Stand for the function of the same name in `aiokafka_private`."""
    return await consumer.fetch(places, wait_s)


async def partition_count(consumer: RestoreConsumer, _: str) -> int:
    """Stand for the function of the same name in `aiokafka_private`."""
    return await consumer.partition_count()


async def has_lost_its_name(*_: object) -> bool:
    """Say that nobody has taken a name: of one name there is never a second process here."""
    return False


def tell_heartbeats(kafka: SimpleNamespace, renew: Callable[[float], None]) -> None:
    """Let *renew* hear of each answered heartbeat."""
    kafka.process.renew_lease = renew


SUBSTITUTES: tuple[tuple[ModuleType, str, object], ...] = (
    (worker.stream.restore, "fetch", fetch),
    (worker.stream.assignment, "partition_count", partition_count),
    (worker.stream.transport, "has_lost_its_name", has_lost_its_name),
    (worker.stream.transport, "tell_heartbeats", tell_heartbeats),
)
"""What of the worker's access to private parts of aiokafka is stood in for, by the module that uses it."""


@contextmanager
def clients_substituted() -> Iterator[None]:
    """Let the worker's own modules use the stand-ins of this one."""
    real = [(module, name, getattr(module, name)) for module, name, _ in SUBSTITUTES]
    for module, name, stand_in in SUBSTITUTES:
        setattr(module, name, stand_in)
    try:
        yield
    finally:
        for module, name, one in real:
            setattr(module, name, one)


class SourceThread:
    """The thread of the source topic's consumer: polls that wait, positions, pause and resume."""

    def __init__(self, process: Process) -> None:
        self._process = process
        self._positions: dict[TopicPartition, int] = {}
        self._buffer: dict[TopicPartition, tuple[list[Any], int, int, int, int]] = {}
        self.is_paused = True
        self._waiting: asyncio.Future[None] | None = None

    def pause(self) -> None:
        self.is_paused = True
        self._wake()

    def resume_at(self, offsets: Mapping[TopicPartition, int]) -> None:
        self._positions = dict(offsets)
        self._buffer = {}
        self.is_paused = False

    async def call_thread(self, function: Callable[..., Any], *args: Any) -> Any:
        """Run *function*, as in the thread."""
        return await function(*args)

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    async def poll(self, places: Collection[TopicPartition], timeout_s: float) -> Polled:
        """Return what has been fetched, at most a few records of it; else fetch, and wait for something to come."""
        process, broker = self._process, self._process.broker
        process.check_alive()
        if self.is_paused:
            return NOTHING
        before = {place: self._positions[place] for place in places}
        if not any(place in self._buffer for place in places):
            positions = self._positions
            fetched = await broker.request(process.loop, broker.fetch, before, process.world.fetch_rows)
            if self._has_moved(positions):
                return NOTHING
            if not any(records for records, *_ in fetched.values()) and all(
                after == before[place] for place, (_, after, _, _) in fetched.items()
            ):
                await self._wait(set(places), timeout_s)
                if self._has_moved(positions):
                    return NOTHING
                fetched = await broker.request(process.loop, broker.fetch, before, process.world.fetch_rows)
                if self._has_moved(positions):
                    return NOTHING
            polled_ms = process.wall_ms()
            for place, (records, after, end, stable) in fetched.items():
                self._buffer[place] = records, after, end, stable, polled_ms
        return self._drained(before)

    def _has_moved(self, positions: object) -> bool:
        return self.is_paused or self._positions is not positions

    async def _wait(self, places: set[TopicPartition], timeout_s: float) -> None:
        waiting = self._waiting = asyncio.Future(loop=self._process.loop)
        self._process.broker.park(self._wake, places)
        timer = self._process.loop.call_later(timeout_s, self._wake)
        await waiting
        timer.cancel()

    def _drained(self, before: dict[TopicPartition, int]) -> Polled:
        found: dict[TopicPartition, list[Any]] = {}
        progress: dict[TopicPartition, Progress] = {}
        limit = self._process.world.poll_rows
        for place in before:
            if place not in self._buffer:
                continue
            records, after, end, stable, polled_ms = self._buffer[place]
            taken, left = records[:limit], records[limit:]
            if left:
                self._buffer[place] = left, after, end, stable, polled_ms
                after = taken[-1].offset + 1
            else:
                del self._buffer[place]
            if taken:
                found[place] = taken
            self._positions[place] = after
            progress[place] = Progress(after, end, stable, polled_ms)
        return Polled(found, before, progress)
