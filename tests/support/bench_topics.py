"""The broker's side of a measurement: a backlog to drain, how far a group has come, what topics hold afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from tests.support.bench_events import PARTITIONS
from worker.clock import now_ms

_BATCH_BYTES = 256 * 1024


async def preload(brokers: str, topic: str, records: Iterable[tuple[int, bytes, bytes]]) -> None:
    """Produce (partition, key, value) in order, in large batches, and wait until all are acknowledged."""
    producer = AIOKafkaProducer(bootstrap_servers=brokers, max_batch_size=_BATCH_BYTES, acks="all")
    await producer.start()
    try:
        batches = [producer.create_batch() for _ in range(PARTITIONS)]
        waiting = []
        for partition, key, value in records:
            if batches[partition].append(key=key, value=value, timestamp=now_ms()) is None:
                waiting.append(await producer.send_batch(batches[partition], topic, partition=partition))
                batches[partition] = producer.create_batch()
                batches[partition].append(key=key, value=value, timestamp=now_ms())
        for partition, batch in enumerate(batches):
            if batch.record_count():
                waiting.append(await producer.send_batch(batch, topic, partition=partition))
        for sent in waiting:
            await sent
    finally:
        await producer.stop()


async def committed(admin: AIOKafkaAdminClient, group: str, topic: str) -> int:
    """Return how many records of *topic* the group has committed; 0 while nobody knows the group."""
    try:
        offsets = await admin.list_consumer_group_offsets(group)
    except KafkaError:
        return 0
    return sum(one.offset for place, one in offsets.items() if place.topic == topic and one.offset > 0)


async def has_its_partitions(admin: AIOKafkaAdminClient, group: str) -> bool:
    """Whether the group's members know what they own: from here on records are fetched."""
    try:
        (answer,) = await admin.describe_consumer_groups([group])
    except KafkaError:
        return False
    (described,) = answer.to_object()["groups"]
    return bool(described["state"] == "Stable" and described["members"])


async def read_committed(brokers: str, topic: str) -> AsyncIterator[ConsumerRecord[bytes, bytes]]:
    """Yield every record of *topic* that a read_committed consumer sees now."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=brokers,
        enable_auto_commit=False,
        isolation_level="read_committed",
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
    )
    await consumer.start()
    try:
        places = [TopicPartition(topic, number) for number in range(PARTITIONS)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        while any([await consumer.position(place) < ends[place] for place in places]):
            for batch in (await consumer.getmany(timeout_ms=200, max_records=5000)).values():
                for record in batch:
                    yield record
    finally:
        await consumer.stop()


class Size(NamedTuple):
    """What a topic holds."""

    rows: int
    bytes: int  # keys and values


async def size_of(brokers: str, topic: str) -> Size:
    """Return how many records *topic* holds and how large they are."""
    rows = size = 0
    async for record in read_committed(brokers, topic):
        rows += 1
        size += len(record.key or b"") + len(record.value or b"")
    return Size(rows, size)
