"""From produce to readable: how long a lead that becomes sales-ready stays unknown, at a steady thousand events a second."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from random import Random

import orjson
from aiokafka import AIOKafkaProducer

from tests.support.bench_events import PARTITIONS, event_of
from tests.support.beside.contenders import Place, Program
from tests.support.beside.measuring import BenchBroker, Moment, Refused, has_begun, make_topics, started
from tests.support.beside.reading import TargetReader
from tests.support.kafka import create_topics
from worker.clock import Deadline, monotonic, now_ms
from worker.contracts.partitioner import partition_of

EVENTS_S = 1_000
_SOURCE_PARTITIONS = 2 * PARTITIONS  # half of them idle
_TICK_S = 0.01
_READY_EVERY = 20  # events: fifty leads a second
_CONTACTS = 2_000
_WARM_UP_S = 10.0
_ANSWER_WITHIN_S = 60.0


@dataclass(frozen=True)
class Latency:
    """Milliseconds from `send` to the moment at which a consumer of committed records has the transition in its hands."""

    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float
    samples: int
    cores: float
    foreign: float


async def latency_of(program: Program, place: Place, broker: BenchBroker, *, seconds: float) -> Latency:
    """
    Feed *program* for *seconds*, after a warm-up that does not count.

    Raises:
        Refused: It ended by itself, or left a lead untold.
    """
    by_broker = {"message.timestamp.type": "LogAppendTime"}
    await create_topics(place.brokers, {place.source: _SOURCE_PARTITIONS}, config=by_broker)
    await make_topics(program, place, partitions=_SOURCE_PARTITIONS)
    try:
        with started(program, place, broker) as process:
            async with TargetReader(place.brokers, place.target, _SOURCE_PARTITIONS) as reader:
                await has_begun(process, place, Deadline(_ANSWER_WITHIN_S))
                await _answered(reader, await _feed(place, _WARM_UP_S))
                began = Moment.of(process.sample())
                sent = await _feed(place, seconds)
                ended = Moment.of(process.sample())
                await _answered(reader, sent)
                await asyncio.to_thread(process.stop)
    except (RuntimeError, TimeoutError) as error:
        raise Refused(str(error)) from error
    took = sorted((one.read_at - sent[one.key]) * 1000 for one in reader.told if one.key in sent)
    if len(took) != len(sent):
        raise Refused(f"told {len(took)} times of {len(sent)} leads")
    span_ms = ended.at_ms - began.at_ms
    return Latency(
        p50_ms=took[len(took) // 2],
        p90_ms=took[len(took) * 90 // 100],
        p99_ms=took[len(took) * 99 // 100],
        max_ms=took[-1],
        samples=len(took),
        cores=(ended.contender_s - began.contender_s) / span_ms * 1000,
        foreign=began.foreign_cores(ended),
    )


async def _answered(reader: TargetReader, sent: dict[bytes, float]) -> None:
    deadline = Deadline(_ANSWER_WITHIN_S)
    while not reader.keys >= sent.keys():
        reader.check()
        if deadline.has_passed:
            raise TimeoutError(
                f"{len(sent.keys() - reader.keys)} of {len(sent)} leads untold after {_ANSWER_WITHIN_S:g} s"
            )
        await asyncio.sleep(_TICK_S)


async def _feed(place: Place, seconds: float) -> dict[bytes, float]:
    """Produce for *seconds*; return when the event was sent that makes a contact sales-ready, by contact."""
    producer = AIOKafkaProducer(bootstrap_servers=place.brokers, acks="all", linger_ms=0)
    await producer.start()
    ready: dict[bytes, float] = {}
    events = _events(Random(place.group), uuid.uuid4().hex[:8])
    began, sent = monotonic(), 0
    acks = []
    try:
        while (passed := monotonic() - began) < seconds:
            while sent < passed * EVENTS_S:
                key, value, makes_ready = next(events)
                if makes_ready:
                    ready[key] = monotonic()
                acks.append(
                    await producer.send(place.source, value, key, partition=partition_of(key, _SOURCE_PARTITIONS))
                )
                sent += 1
            await asyncio.sleep(_TICK_S)
        await asyncio.gather(*acks)
    finally:
        await producer.stop()
    return ready


def _events(random: Random, run: str) -> Iterator[tuple[bytes, bytes, bool]]:
    """Yield (key, value, whether it makes its contact sales-ready) without end; the second half of the partitions gets none."""
    busy = [name for name in (f"busy-{number}" for number in range(2 * _CONTACTS)) if _is_used(name)]
    fresh = (name for name in (f"lead-{run}-{number}" for number in count()) if _is_used(name))
    kinds = ("page.viewed", "email.opened", "session.started", "email.clicked")
    for number in count():
        makes_ready = number % _READY_EVERY == 0
        contact = next(fresh) if makes_ready else random.choice(busy)
        kind = "demo.requested" if makes_ready else random.choice(kinds)
        at_ms = now_ms()
        event = event_of(random, contact, kind, at_ms) | {"occurred_at": at_ms}
        yield contact.encode(), orjson.dumps(event), makes_ready


def _is_used(contact: str) -> bool:
    return partition_of(contact.encode(), _SOURCE_PARTITIONS) < PARTITIONS
