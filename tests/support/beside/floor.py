"""
The floor: what plain Python on aiokafka costs when it promises little. Run as a program by the benchmark.

States are live dicts, a contact touched in a poll is written to the changelog once, offsets are committed after the acks. There is no
rebalancing, no transaction, no store on disk, no timer; after a crash events may count twice. It bounds what Python can do.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterable
from typing import Any

import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from tests.support.bench_events import PARTITIONS
from tests.support.beside.rules import State, apply_event, new_state

_POLL_EVENTS = 4_000
_BATCH_BYTES = 256 * 1024


async def restored(brokers: str, changelog: str) -> dict[bytes, State]:
    """Return the newest state of each contact in *changelog*."""
    # By "earliest", not by seek_to_beginning(): that may lose a race against the reset that assign() begins.
    consumer = AIOKafkaConsumer(bootstrap_servers=brokers, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        places = [TopicPartition(changelog, number) for number in range(PARTITIONS)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        left = {place for place in places if ends[place]}
        newest: dict[bytes, bytes] = {}
        while left:
            for place, records in (await consumer.getmany(timeout_ms=200)).items():
                newest.update((record.key, record.value) for record in records)
                if records[-1].offset + 1 >= ends[place]:
                    left.discard(place)
    finally:
        await consumer.stop()
    return {key: orjson.loads(value) for key, value in newest.items()}


async def write(
    producer: AIOKafkaProducer, changelog: str, partition: int, rows: Iterable[tuple[bytes, State]]
) -> list[Any]:
    """Send *rows* in batches of our own; return their acks."""
    acks, batch = [], producer.create_batch()
    for key, state in rows:
        value = orjson.dumps(state)
        if batch.append(key=key, value=value, timestamp=None) is None:
            acks.append(await producer.send_batch(batch, changelog, partition=partition))
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None)
    acks.append(await producer.send_batch(batch, changelog, partition=partition))
    return acks


async def run(brokers: str, group: str, source: str, target: str, changelog: str) -> None:
    """Score until SIGTERM."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    states = await restored(brokers, changelog)
    consumer = AIOKafkaConsumer(
        source, bootstrap_servers=brokers, group_id=group, auto_offset_reset="earliest", enable_auto_commit=False
    )
    producer = AIOKafkaProducer(bootstrap_servers=brokers, acks="all", max_batch_size=_BATCH_BYTES)
    await producer.start()
    await consumer.start()
    while not stopping.is_set():
        acks, done = [], {}
        for place, records in (await consumer.getmany(timeout_ms=100, max_records=_POLL_EVENTS)).items():
            rows: dict[bytes, State] = {}
            for record in records:
                key, event = record.key, orjson.loads(record.value)
                state = states.get(key)
                if state is None:
                    state = states[key] = new_state()
                score = apply_event(state, event)
                if score is None:
                    continue
                rows[key] = state
                if score is not False:
                    told = {
                        "contact_id": event["contact_id"],
                        "event_id": event["id"],
                        "at": event["occurred_at"],
                        "score": score,
                    }
                    acks.append(await producer.send(target, orjson.dumps(told), key))
            if rows:
                acks += await write(producer, changelog, place.partition, rows.items())
            done[place] = records[-1].offset + 1
        for ack in acks:
            await ack
        if done:
            await consumer.commit(done)
    await consumer.stop()
    await producer.stop()


if __name__ == "__main__":
    asyncio.run(run(*(os.environ[f"BENCH_{name}"] for name in ("BROKERS", "GROUP", "SOURCE", "TARGET", "CHANGELOG"))))
