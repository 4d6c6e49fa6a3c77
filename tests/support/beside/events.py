"""The backlog that every contender drains: seeded events, busy contacts by Zipf's law, one in a hundred sent twice."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from random import Random

import orjson

from tests.support.bench_events import PARTITIONS, START_MS, Sent, event_of, marked_contacts
from worker.contracts.partitioner import partition_of

FIRST, LAST = "first", "last"
"""How the contacts of the first and of the last event of each partition are named; these make a lead sales-ready at once."""
REPEATED_WITHIN_MS = 300_000
"""A repeat comes at most so much event time after its first copy: what a contender must remember."""

_SEED = 20_251_101
_ZIPF = 1.1
_EVENTS_A_CONTACT = 10
_REPEATED = 0.01
_REPEATED_WITHIN = 50  # events
_SPAN_S = 60 * 86_400
_LONGEST_STEP_S = 250  # so that the next event lies within REPEATED_WITHIN_MS
_SHORTEST_STEP_S = 1  # no two events of one instant, which only their ids could put in order
_KINDS = {
    "page.viewed": 45.0,  # one in nine of the pricing page
    "email.opened": 18.0,
    "session.started": 14.0,
    "email.clicked": 7.0,
    "asset.downloaded": 4.0,
    "form.submitted": 3.0,
    "newsletter.subscribed": 2.0,
    "webinar.attended": 2.0,
    "email.unsubscribed": 1.6,
    "email.replied": 1.4,
    "demo.requested": 0.6,
}


def span_s(count: int) -> int:
    """Return the event time, s, over which *count* events are spread: 60 days, or what keeps their steps within bounds."""
    return min(max(_SPAN_S, count * _SHORTEST_STEP_S), count * _LONGEST_STEP_S)


def stream(count: int) -> Iterator[Sent]:
    """
    Yield *count* events in order of event time, at whole seconds, of at most a tenth as many contacts.

    Raises:
        ValueError: *count* leaves nothing between the first and the last event of each partition.
    """
    if count <= 2 * PARTITIONS:
        raise ValueError(f"needs more than {2 * PARTITIONS} events, got {count}")
    random = Random(_SEED)
    for contact in marked_contacts(FIRST):
        yield _sent(random, contact, "demo.requested", START_MS)
    yield from _traffic(random, count - 2 * PARTITIONS, span_s(count))
    for contact in marked_contacts(LAST):
        yield _sent(random, contact, "demo.requested", START_MS + span_s(count) * 1000)


def _traffic(random: Random, count: int, seconds: int) -> Iterator[Sent]:
    contacts = max(1, count // _EVENTS_A_CONTACT)
    order = list(range(contacts))
    random.shuffle(order)  # so that busy contacts are not neighbours
    weights = list(accumulate((rank + 1) ** -_ZIPF for rank in range(contacts)))
    kinds, kind_weights = list(_KINDS), list(accumulate(_KINDS.values()))
    within = max(1, min(_REPEATED_WITHIN, REPEATED_WITHIN_MS // 1000 * count // seconds - 10))
    repeats: list[tuple[int, int, Sent]] = []  # (place at which it comes again, its instant, itself)
    for place in range(count):
        at_ms = START_MS + seconds * place // count * 1000
        while repeats and repeats[0][0] <= place:
            _, first_ms, again = repeats.pop(0)
            if at_ms - first_ms <= REPEATED_WITHIN_MS:
                yield again
                break
        else:
            contact = f"contact-{order[bisect(weights, random.random() * weights[-1])]:07}"
            kind = kinds[bisect(kind_weights, random.random() * kind_weights[-1])]
            sent = _sent(random, contact, kind, at_ms)
            if random.random() < _REPEATED:
                repeats.append((place + 1 + random.randrange(within), at_ms, sent))
                repeats.sort(key=lambda repeat: repeat[0])
            yield sent


def _sent(random: Random, contact: str, kind: str, at_ms: int) -> Sent:
    return Sent(contact, orjson.dumps(event_of(random, contact, kind, at_ms) | {"occurred_at": at_ms}))


def _closing(contact: str, at_ms: int) -> Sent:
    """Return an event that no rule scores and no inactivity counts: it only moves stream time to *at_ms*."""
    event = event_of(Random(contact), contact, "clock.moved", at_ms)
    return Sent(contact, orjson.dumps(event | {"occurred_at": at_ms, "machine": True}))


class Backlog:
    """
    Events in a file, one a line, and how they spread over partitions.

    Args:
        file: Where to write them.
        count: How many, the closing ones not counted.
        lateness_ms: How far the closing events move stream time past the last event: the longest lateness of a model that reads them.
    """

    def __init__(self, file: Path, count: int, lateness_ms: int) -> None:
        self.file = file
        self.count = count
        self.until_ms = START_MS + span_s(count) * 1000 + lateness_ms
        self.closing = [_closing(contact, self.until_ms) for contact in marked_contacts("closing")]
        self._partitions: dict[bytes, int] = {}
        self.ends = [0] * PARTITIONS  # records by partition, closing ones included
        size = 0
        with file.open("wb") as out:
            for contact, value in stream(count):
                self.ends[self._partition(contact.encode())] += 1
                size += len(value)
                out.write(value + b"\n")
        self.bytes_an_event = size / count
        self.contacts = len(self._partitions)
        for contact, _ in self.closing:
            self.ends[self._partition(contact.encode())] += 1

    def lines(self) -> Iterator[bytes]:
        """Yield every event but the closing ones."""
        with self.file.open("rb") as lines:
            for line in lines:
                yield line.rstrip(b"\n")

    def records(self) -> Iterator[tuple[int, bytes, bytes]]:
        """Yield (partition, key, value) of every event; the closing ones last."""
        for value in self.lines():
            key = orjson.loads(value)["contact_id"].encode()
            yield self._partition(key), key, value
        for contact, value in self.closing:
            yield self._partition(contact.encode()), contact.encode(), value

    def _partition(self, key: bytes) -> int:
        partition = self._partitions.get(key)
        if partition is None:
            partition = self._partitions[key] = partition_of(key, PARTITIONS)
        return partition
