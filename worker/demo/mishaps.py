"""What happens to events on their way to Kafka: repeats, late deliveries, broken records, the wrong partition. Pure and seeded."""

from __future__ import annotations

import heapq
from random import Random
from typing import TYPE_CHECKING, Literal, NamedTuple

import orjson

from worker.contracts.instants import MS_PER_DAY, MS_PER_HOUR, MS_PER_MINUTE
from worker.contracts.partitioner import partition_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from worker.demo.traffic import Event

Fate = Literal["sent", "repeated", "late", "malformed", "misplaced"]


class Mishaps(NamedTuple):
    """How many of 1,000 events meet each fate; beside these everything arrives at once, whole, where it belongs."""

    repeated: int = 10  # the producer was not sure, and sent it again with the same id
    late: int = 5  # kept back by a phone without a network, for hours up to days
    malformed: int = 2  # a broken record beside the event, which arrives as well
    misplaced: int = 5  # by a producer whose partitioner is another one


class Arrival(NamedTuple):
    """A record as it reaches the broker."""

    at_ms: int  # simulated
    fate: Fate
    partition: int
    key: bytes
    value: bytes
    leaves_trace: bool = True  # False: of the types that no shipped model looks at, so that a repeat cannot be noticed


_BROKEN = (
    b'{"id": "cut off in the mid',
    b"not json at all",
    b"[1, 2, 3]",
    b'{"id": "broken-1", "type": "page.viewed", "occurred_at": "2026-01-01T00:00:00Z"}',
    b'{"id": "broken-2", "contact_id": "x", "type": "page.viewed", "occurred_at": "yesterday"}',
)


def arrivals(
    events: Iterable[tuple[int, Event]], *, seed: int, partitions: int, mishaps: Mishaps, end_ms: int
) -> Iterator[Arrival]:
    """
    Yield the records of *events* in the order of their arrival; nothing arrives after *end_ms*, late or not.

    Args:
        events: ``(occurred_at in ms, event)`` in time order.
        seed: Decides who meets which fate.
        partitions: Of the input topic.
        mishaps: How often.
        end_ms: Simulated UTC ms by which the last record has arrived.
    """
    random = Random(seed)
    queue: list[tuple[int, int, Arrival]] = []
    count = 0
    for at, event in events:
        for arrival in _records(random, at, event, partitions, mishaps):
            count += 1
            due = min(arrival.at_ms, end_ms)
            heapq.heappush(queue, (due, count, arrival._replace(at_ms=due)))
        while queue and queue[0][0] <= at:
            yield heapq.heappop(queue)[2]
    while queue:
        yield heapq.heappop(queue)[2]


def _records(random: Random, at: int, event: Event, partitions: int, mishaps: Mishaps) -> Iterator[Arrival]:
    key, value = event["contact_id"].encode(), orjson.dumps(event)
    home = partition_of(key, partitions)
    leaves_trace = event["type"] != "email.delivered" and not event.get("machine", False)
    fates: tuple[Fate, ...] = ("repeated", "late", "malformed", "misplaced")
    odds = (mishaps.repeated, mishaps.late, mishaps.malformed, mishaps.misplaced)
    fate = random.choices((*fates, "sent"), weights=(*odds, max(0, 1000 - sum(odds))))[0]
    match fate:
        case "late":
            delay = random.randint(MS_PER_HOUR, 5 * MS_PER_DAY)
            yield Arrival(at + delay, "late", home, key, value)
        case "misplaced" if partitions > 1:
            elsewhere = (home + random.randrange(1, partitions)) % partitions
            yield Arrival(at, "misplaced", elsewhere, key, value)
        case _:
            yield Arrival(at, "sent", home, key, value)
    if fate == "repeated":
        yield Arrival(at + random.randint(1, 30) * MS_PER_MINUTE, "repeated", home, key, value, leaves_trace)
    if fate == "malformed":
        yield Arrival(at, "malformed", home, key, random.choice(_BROKEN))
