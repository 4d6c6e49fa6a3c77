"""Traffic for acceptance runs: records in their order, at a pace, up to a gate that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaProducer

from tests.support.kafka import Place, Sent, wait_until

_TICK_S = 0.02
_CHUNK = 2000
_BATCH_BYTES = 512 * 1024


class Feed:
    """
    Produces *records* in their order, in batches, each partition's in that order too.

    Args:
        brokers: The broker.
        topic: Where to.
        records: What; their timestamps are the producer's clock.
        rate: Records a second; 0 for as fast as the broker takes them.
    """

    def __init__(self, brokers: str, topic: str, records: Sequence[Sent], *, rate: float = 0.0) -> None:
        self.records = records
        self.rate = rate
        self.gate = len(records)  # nothing beyond it is sent
        self.places: list[Place] = []  # of the records that are acknowledged
        self._brokers = brokers
        self._topic = topic

    @property
    def sent(self) -> int:
        """How many records the broker has acknowledged."""
        return len(self.places)

    async def run(self) -> None:
        """Send everything; returns when the last record is acknowledged."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._brokers, enable_idempotence=True, max_batch_size=_BATCH_BYTES, linger_ms=0
        )
        await producer.start()
        try:
            while self.sent < len(self.records):
                quota = max(1, int(self.rate * _TICK_S)) if self.rate else _CHUNK
                until = min(self.gate, self.sent + quota)
                if until > self.sent:
                    self.places += await _send(producer, self._topic, self.records[self.sent : until])
                if self.rate or until >= self.gate:
                    await asyncio.sleep(_TICK_S)
        finally:
            await producer.stop()

    async def reached(self, count: int, *, within_s: float = 120.0) -> None:
        """Return once *count* records are sent."""
        await wait_until(lambda: self.sent >= count, within_s=within_s, what=f"{count} records sent", every_s=0.01)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Run beside the body, and to the end after it."""
        task = asyncio.create_task(self.run())
        try:
            yield
            await task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def send_now(brokers: str, topic: str, records: Sequence[Sent]) -> list[Place]:
    """Send *records* and return where they went."""
    feed = Feed(brokers, topic, records)
    await feed.run()
    return feed.places


async def _send(producer: AIOKafkaProducer, topic: str, records: Sequence[Sent]) -> list[Place]:
    numbers: dict[int, list[int]] = {}
    for number, record in enumerate(records):
        numbers.setdefault(record.partition, []).append(number)
    sent = [
        (partition, its_numbers, await _send_batches(producer, topic, partition, [records[n] for n in its_numbers]))
        for partition, its_numbers in numbers.items()
    ]
    places = [Place(-1, -1)] * len(records)
    for partition, its_numbers, batches in sent:
        offsets: list[int] = []
        for count, acknowledged in batches:
            first = (await acknowledged).offset
            offsets += range(first, first + count)
        for number, offset in zip(its_numbers, offsets, strict=True):
            places[number] = Place(partition, offset)
    return places


async def _send_batches(
    producer: AIOKafkaProducer, topic: str, partition: int, records: Sequence[Sent]
) -> list[tuple[int, asyncio.Future[Any]]]:
    batches = [producer.create_batch()]
    for record in records:
        row = {"key": record.key, "value": record.value, "headers": list(record.headers), "timestamp": None}
        if batches[-1].append(**row) is None:
            batches.append(producer.create_batch())
            batches[-1].append(**row)  # the first one of a batch fits, whatever its size
    return [(batch.record_count(), await producer.send_batch(batch, topic, partition=partition)) for batch in batches]
