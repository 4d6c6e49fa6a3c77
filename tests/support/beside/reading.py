"""Reads what a contender publishes, while it does, as a consumer that sees committed records only."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, Self

from aiokafka import AIOKafkaConsumer, TopicPartition

from worker.clock import monotonic

_POLL_MS = 100


class Told(NamedTuple):
    """A record of the target topic."""

    key: bytes
    value: bytes
    at_ms: int  # when the broker appended it, or its producer made it: as the topic is set
    read_at: float  # monotonic seconds


class TargetReader:
    """
    Everything that *topic* holds, as it becomes readable; an async context manager.

    Args:
        brokers: The broker.
        topic: What to read, from its beginning.
        partitions: Of *topic*.
    """

    def __init__(self, brokers: str, topic: str, partitions: int) -> None:
        self.told: list[Told] = []
        self.keys: set[bytes] = set()
        self._places = [TopicPartition(topic, number) for number in range(partitions)]
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=brokers,
            enable_auto_commit=False,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            fetch_max_wait_ms=_POLL_MS,
        )
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self._consumer.start()
        self._consumer.assign(self._places)
        self._task = asyncio.create_task(self._read())
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stop_reading()
        await self._consumer.stop()

    async def _stop_reading(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None

    async def _read(self) -> None:
        while True:
            await self._poll()

    async def _poll(self) -> None:
        batches = await self._consumer.getmany(timeout_ms=_POLL_MS)
        now = monotonic()
        for records in batches.values():
            for record in records:
                key = record.key or b""
                self.keys.add(key)
                self.told.append(Told(key, record.value or b"", record.timestamp, now))

    def check(self) -> None:
        """Raise what ended the reading, if anything did."""
        if self._task is not None and self._task.done():
            self._task.result()

    async def finish(self) -> None:
        """Read on up to what the topic holds now, then stop."""
        await self._stop_reading()
        ends = await self._consumer.end_offsets(self._places)
        while any([await self._consumer.position(place) < ends[place] for place in self._places]):
            await self._poll()
