"""
The committed records of a topic, or of a range of it, in one defined order: a history for `leadscore replay`.

Records of a partition keep their order; between partitions the one with the earlier Kafka timestamp goes first, at equal ones that
of the lower partition number. So the order depends on the records alone, not on how they were fetched.
"""

from __future__ import annotations

import asyncio
import difflib
from collections import deque
from heapq import heappop, heappush
from typing import TYPE_CHECKING, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaConnectionError

from worker.clock import Deadline
from worker.errors import ConfigError, DependencyError
from worker.kafka.aiokafka_private import partition_count
from worker.kafka.refusals import raise_refusal
from worker.kafka.security import client_options
from worker.replay import Line, Origin

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from aiokafka.structs import ConsumerRecord

    from worker.settings import Settings

_BATCH = 4_096
_PATIENCE_S = 60.0


class Offset(NamedTuple):
    """A place in every partition, by number."""

    number: int


class Instant(NamedTuple):
    """A place in every partition: its first record whose Kafka timestamp is at or after this, UTC ms."""

    at_ms: int


Bound = Offset | Instant


class TopicRange(NamedTuple):
    """Records of *topic* from *start* (its beginning when None) to before *stop* (what is committed now when None)."""

    topic: str
    start: Bound | None = None
    stop: Bound | None = None


def read_topic(
    settings: Settings,
    wanted: TopicRange,
    *,
    total: Callable[[int], None] | None = None,
    progress: Callable[[int], None] | None = None,
    patience_s: float = _PATIENCE_S,
) -> Generator[list[Line], None, None]:
    """
    Yield the records of *wanted* in pieces of a history. Whoever does not read to the end must close the generator.

    Args:
        settings: Name the brokers and how to speak to them; no group is joined, nothing is committed.
        wanted: What to read. It is fixed at the start: what is committed later is left out.
        total: Called once with the number of offsets in the range, those without a record included.
        progress: Called with the offsets passed since the last call.
        patience_s: How long to wait for brokers that do not answer.

    Raises:
        ConfigError: There is no such topic.
        DependencyError: The brokers do not answer.
    """
    with asyncio.Runner() as runner:
        reader = _Reader(settings, wanted, patience_s)
        try:
            runner.run(reader.start())
            if total is not None:
                total(reader.offsets_left())
            left = reader.offsets_left()
            while batch := runner.run(reader.next_batch()):
                yield batch
                if progress is not None:
                    left, before = reader.offsets_left(), left
                    progress(before - left)
            if progress is not None:
                progress(left)
        finally:
            runner.run(reader.stop())


class _Reader:
    """Merges the partitions of a range; holds no more of each than one fetch."""

    def __init__(self, settings: Settings, wanted: TopicRange, patience_s: float) -> None:
        self._settings = settings
        self._wanted = wanted
        self._patience_s = patience_s
        self._consumer: AIOKafkaConsumer | None = None
        self._ends: dict[TopicPartition, int] = {}
        self._positions: dict[TopicPartition, int] = {}
        self._waiting: dict[
            TopicPartition, deque[ConsumerRecord[bytes, bytes]]
        ] = {}  # of partitions not read to their end
        self._heads: list[
            tuple[int, int]
        ] = []  # (timestamp, partition) of the first record that waits of each partition
        self._place = 0

    async def start(self) -> None:
        """Connect, and find where the range begins and ends in each partition."""
        topic = self._wanted.topic
        consumer = self._consumer = AIOKafkaConsumer(
            **client_options(self._settings),
            isolation_level="read_committed",
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=1 << 20,
        )
        try:
            await consumer.start()
        except KafkaConnectionError as exc:
            await raise_refusal(self._settings)
            raise self._silent() from exc
        # Asked first: for a single topic that is not there, the client would ask again and again for 40 s.
        topics = await consumer.topics()
        if topic not in topics:
            near = difflib.get_close_matches(topic, topics, n=1)
            hint = (
                f"did you mean {near[0]}?"
                if near
                else "check its name, and LEADSCORE_BROKERS, or --brokers where it was given"
            )
            raise ConfigError(where=topic, problem="there is no such topic, or this user may not see it", fix=hint)
        partitions = [TopicPartition(topic, number) for number in range(await partition_count(consumer, topic))]
        firsts = await consumer.beginning_offsets(partitions)
        ends = await consumer.end_offsets(partitions)
        starts = await self._offsets(consumer, self._wanted.start, firsts, ends, default=firsts)
        stops = await self._offsets(consumer, self._wanted.stop, firsts, ends, default=ends)
        filled = [partition for partition in partitions if starts[partition] < stops[partition]]
        consumer.assign(filled)
        for partition in filled:
            consumer.seek(partition, starts[partition])
            self._positions[partition], self._ends[partition] = starts[partition], stops[partition]
            self._waiting[partition] = deque()

    @staticmethod
    async def _offsets(
        consumer: AIOKafkaConsumer,
        bound: Bound | None,
        firsts: dict[TopicPartition, int],
        ends: dict[TopicPartition, int],
        *,
        default: dict[TopicPartition, int],
    ) -> dict[TopicPartition, int]:
        """Return where *bound* lies in each partition, within what there is of it."""
        if bound is None:
            return default
        if isinstance(bound, Offset):
            found = dict.fromkeys(firsts, bound.number)
        else:
            asked = await consumer.offsets_for_times(dict.fromkeys(firsts, bound.at_ms))
            found = {
                partition: ends[partition] if (place := asked.get(partition)) is None else place.offset
                for partition in firsts
            }
        return {partition: min(max(offset, firsts[partition]), ends[partition]) for partition, offset in found.items()}

    def offsets_left(self) -> int:
        """Return how many offsets of the range were not fetched yet."""
        return sum(self._ends[partition] - position for partition, position in self._positions.items())

    async def next_batch(self) -> list[Line]:
        """Return the next records in order; none when the range has been read."""
        batch: list[Line] = []
        topic = self._wanted.topic
        await self._fill()
        while self._heads and len(batch) < _BATCH:
            _, number = heappop(self._heads)
            waiting = self._waiting[TopicPartition(topic, number)]
            record = waiting.popleft()
            if waiting:
                heappush(self._heads, (waiting[0].timestamp, number))
            else:
                await self._fill()
            origin = Origin(topic, number, record.offset, is_record=True)
            batch.append(Line(self._place, record.value, record.timestamp, record.key, tuple(record.headers), origin))
            self._place += 1
        return batch

    async def _fill(self) -> None:
        """Wait until a record of each partition that is not read to its end is there: which is first is only known then."""
        deadline = None
        while lacking := [partition for partition, waiting in self._waiting.items() if not waiting]:
            for partition in lacking:
                if self._positions[partition] >= self._ends[partition]:
                    del self._waiting[partition]
            if not (lacking := [partition for partition in lacking if partition in self._waiting]):
                return
            deadline = deadline or Deadline(self._patience_s)
            if not await self._fetch(lacking) and deadline.has_passed:
                raise self._silent()

    async def _fetch(self, lacking: list[TopicPartition]) -> bool:
        """Take what has come of *lacking*; whether that moved any of them."""
        consumer = self._consumer
        if consumer is None:
            return False
        for partition, records in (await consumer.getmany(*lacking, timeout_ms=200)).items():
            kept = deque(record for record in records if record.offset < self._ends[partition])
            if kept:
                self._waiting[partition] = kept
                heappush(self._heads, (kept[0].timestamp, partition.partition))
        has_moved = False
        for partition in lacking:
            # Beyond the last record, where transactions end in markers or were aborted.
            position = min(await consumer.position(partition), self._ends[partition])
            has_moved |= position > self._positions[partition]
            self._positions[partition] = position
            if position >= self._ends[partition]:
                consumer.pause(partition)
        return has_moved

    async def stop(self) -> None:
        """Disconnect."""
        if self._consumer is not None:
            await self._consumer.stop()

    def _silent(self) -> DependencyError:
        return DependencyError(
            what="Kafka",
            problem=f"no answer from {', '.join(self._settings.brokers)}",
            fix="check LEADSCORE_BROKERS, or --brokers where it was given",
        )
