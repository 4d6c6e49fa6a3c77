"""Traffic for acceptance runs: records in their order, at a pace, up to a gate that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, nullcontext, suppress
from itertools import islice
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from tests.support.kafka import Place, Sent, wait_until

_TICK_S = 0.02
_CHUNK = 2000
_BATCH_BYTES = 512 * 1024
NOWHERE = Place(-1, -1)
"""The place of a record of which the broker has not said that it took it."""


class Feed:
    """
    Produces *records* in their order, in batches, each partition's in that order too.

    Args:
        brokers: The broker.
        topic: Where to.
        records: What; their timestamps are the producer's clock.
        rate: Records a second; 0 for as fast as the broker takes them.
        forgives: Whether to go on, with a new producer, when the broker does not say that it took a batch. Its records then
            have NOWHERE for a place: they may be in the topic, or not. Otherwise the first such batch ends the run.
        patience_s: How long the producer itself tries before that.
    """

    def __init__(
        self,
        brokers: str,
        topic: str,
        records: Sequence[Sent],
        *,
        rate: float = 0.0,
        forgives: bool = False,
        patience_s: float = 40.0,
    ) -> None:
        self.records = records
        self.rate = rate
        self.gate = len(records)  # nothing beyond it is sent
        self.places: list[Place] = []  # of the records that are sent
        self.ends: dict[int, int] = {}  # the offset after the last acknowledged record, by partition
        self._brokers = brokers
        self.topic = topic
        self._forgives = forgives
        self._patience_s = patience_s

    @property
    def sent(self) -> int:
        """How many records were sent; the broker has acknowledged all of them, but those in `unknown`."""
        return len(self.places)

    @property
    def unknown(self) -> list[int]:
        """Numbers of the records of which the broker has not said that it took them."""
        return [number for number, place in enumerate(self.places) if place == NOWHERE]

    async def run(self) -> None:
        """Send everything; returns when the last record is acknowledged, or given up."""
        while self.sent < len(self.records):
            with suppress(KafkaError) if self._forgives else nullcontext():
                await self._run()

    async def _run(self) -> None:
        """Send until all is sent, or something is not acknowledged."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self._brokers,
            enable_idempotence=True,
            max_batch_size=_BATCH_BYTES,
            linger_ms=0,
            request_timeout_ms=int(self._patience_s * 1000),
        )
        try:
            await producer.start()
            while self.sent < len(self.records):
                quota = max(1, int(self.rate * _TICK_S)) if self.rate else _CHUNK
                until = min(self.gate, self.sent + quota)
                if until > self.sent:
                    await self._send(producer, until)
                if self.rate or until >= self.gate:
                    await asyncio.sleep(_TICK_S)
        finally:
            await producer.stop()

    async def _send(self, producer: AIOKafkaProducer, until: int) -> None:
        places, error = await send_chunk(producer, self.topic, self.records[self.sent : until])
        if error is not None and not self._forgives:
            raise error
        self.places += places
        for place in places:
            if place != NOWHERE:
                self.ends[place.partition] = max(self.ends.get(place.partition, 0), place.offset + 1)
        if error is not None:
            raise error

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


async def send_chunk(
    producer: AIOKafkaProducer, topic: str, records: Sequence[Sent]
) -> tuple[list[Place], KafkaError | None]:
    """Return where each of *records* went, and the first error; NOWHERE where the broker has not said that it took one."""
    places, failed = [NOWHERE] * len(records), None
    numbers: dict[int, list[int]] = {}
    for number, record in enumerate(records):
        numbers.setdefault(record.partition, []).append(number)
    sent: list[tuple[int, list[int], list[tuple[int, asyncio.Future[Any]]]]] = []
    try:
        for partition, its_numbers in numbers.items():
            batches = await _send_batches(producer, topic, partition, [records[n] for n in its_numbers])
            sent.append((partition, its_numbers, batches))
    except KafkaError as error:
        failed = error
    for partition, its_numbers, batches in sent:
        waiting = iter(its_numbers)
        for count, acknowledged in batches:
            try:
                first = (await acknowledged).offset
            except KafkaError as error:
                failed = failed or error
                first = None
            for offset, number in enumerate(islice(waiting, count)):
                if first is not None:
                    places[number] = Place(partition, first + offset)
    return places, failed


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
