"""A changelog of real stored values, a few hundred of them under many keys, as several rounds of a worker would have left it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from struct import Struct
from typing import Any, NamedTuple

import orjson
from aiokafka import AIOKafkaProducer

from tests.support.bench_core import drain_core, records_of
from tests.support.bench_events import event_of
from tests.support.kafka import create_topics
from worker.contracts.instants import MS_PER_HOUR, parse_instant
from worker.contracts.partitioner import partition_of
from worker.pipeline import PARTITION_KEY
from worker.pipeline.rows import PartitionRow, encode_partition_row
from worker.scoring.model import Model

PARTITIONS = 4
_HEADER = Struct(">BqIqI")  # layout, fire instant, epoch, offset, revision
_START_MS = parse_instant("2026-03-02T08:00:00Z")
_KINDS = ("session.started", "page.viewed", "email.opened", "email.clicked", "form.submitted", "email.replied")
_EVENTS = 9
_DIFFERENT = 300
_BATCH_BYTES = 512 * 1024
_IN_FLIGHT = 40


class Changelog(NamedTuple):
    """What was written."""

    rows: int
    size: int  # bytes of keys and values
    newest: dict[int, dict[bytes, bytes]]  # by partition and key
    due: dict[int, dict[bytes, int]]


def stored_values(model: Model) -> Sequence[bytes]:
    """Return the stored values of contacts with nine events each, under *model*."""
    chance = Random(1)
    events = []
    for contact in range(_DIFFERENT):
        for number in range(_EVENTS):
            at_ms = _START_MS + number * 6 * MS_PER_HOUR + chance.randrange(1_000)
            events.append((f"c{contact}", orjson.dumps(event_of(chance, f"c{contact}", chance.choice(_KINDS), at_ms))))
    run = drain_core(model, list(records_of(events)), round_events=len(events))
    return [value for key, value in run.store.values.items() if key[0] > 1]


async def write_changelog(
    brokers: str, topic: str, model: Model, rows: int, contacts: int, *, is_made: bool = False
) -> Changelog:
    """
    Make *topic* and write *rows* rows for *contacts* contacts into it, and partition rows that say to go on at offset 0.

    Args:
        brokers: The broker.
        topic: A new topic, or an empty one.
        model: Whose states they are.
        rows: How many contacts' rows.
        contacts: Different keys; each is written rows / contacts times.
        is_made: Whether the topic is there already.
    """
    if not is_made:
        await create_topics(brokers, {topic: PARTITIONS}, config={"cleanup.policy": "compact"})
    values, chance = stored_values(model), Random(2)
    newest: dict[int, dict[bytes, bytes]] = {number: {} for number in range(PARTITIONS)}
    due: dict[int, dict[bytes, int]] = {number: {} for number in range(PARTITIONS)}
    written = _Batches(topic)
    await written.start(brokers)
    size = 0
    for number in range(rows):
        key = b"contact-%07d" % (number % contacts)
        body = values[(number * 7 + number // contacts) % len(values)][_HEADER.size :]
        fire_ms = 4_000_000_000_000 - chance.randrange(10**9)
        value = _HEADER.pack(1, fire_ms, 0, 0, number // contacts) + body
        partition = partition_of(key, PARTITIONS)
        newest[partition][key], due[partition][key] = value, fire_ms
        size += len(key) + len(value)
        await written.add(partition, key, value)
    for partition in range(PARTITIONS):
        value = encode_partition_row(
            PartitionRow(
                next_offset=0, epoch=0, newest_ms=_START_MS, time_ms=_START_MS, mode="stream",
                erasure_check=b"", revision=rows, models={model.name: (model.version, bytes.fromhex(model.digest[:16]))},
            )
        )  # fmt: skip
        newest[partition][PARTITION_KEY] = value
        await written.add(partition, PARTITION_KEY, value)
    await written.stop()
    return Changelog(rows + PARTITIONS, size, newest, due)


class _Batches:
    """One open batch a partition, sent when it is full."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self._open: dict[int, Any] = {}
        self._waiting: list[Any] = []

    async def start(self, brokers: str) -> None:
        self._producer = AIOKafkaProducer(
            bootstrap_servers=brokers, enable_idempotence=True, max_batch_size=_BATCH_BYTES
        )
        await self._producer.start()

    async def add(self, partition: int, key: bytes, value: bytes) -> None:
        batch = self._open.get(partition) or self._producer.create_batch()
        if batch.append(timestamp=None, key=key, value=value, headers=[]) is None:
            await self._send(partition, batch)
            batch = self._producer.create_batch()
            batch.append(timestamp=None, key=key, value=value, headers=[])
        self._open[partition] = batch

    async def _send(self, partition: int, batch: Any) -> None:
        self._waiting.append(await self._producer.send_batch(batch, self._topic, partition=partition))
        if len(self._waiting) >= _IN_FLIGHT:
            await asyncio.gather(*self._waiting)
            self._waiting = []

    async def stop(self) -> None:
        for partition, batch in self._open.items():
            await self._send(partition, batch)
        await asyncio.gather(*self._waiting)
        await self._producer.stop()
