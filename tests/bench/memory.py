"""
How much memory a worker takes: `python -m tests.bench.memory --contacts 1000000`.

Everything of a worker runs in this process but the broker: partitions in rounds, the RocksDB store, settings by default. Each contact gets
one event, in random order, then as many again go to contacts at random; then the busy ones by Zipf's law. Prints the resident memory on
the way, and what decoded contacts really take beside what is counted for them.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from array import array
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import accumulate
from random import Random
from typing import NamedTuple, NoReturn

import orjson
import psutil

from tests.support.bench_events import event_of
from worker.contracts.instants import MS_PER_DAY, parse_instant
from worker.contracts.partitioner import partition_of
from worker.kafka.aiokafka_private import Progress
from worker.kafka.txn_offsets import Member
from worker.memory import calm_garbage_collector
from worker.metrics import Metrics
from worker.pipeline import Round
from worker.scoring.model_file import load_model
from worker.settings import Settings, load_settings
from worker.stores import ContactStore, open_store
from worker.stream.app import scoring_pipeline
from worker.stream.assignment import Assignment
from worker.stream.batches import Row, changelog_of, outputs_of
from worker.stream.observing import Observer
from worker.stream.rounds import OwnedPartition
from worker.stream.store_access import StoreAccess
from worker.stream.surroundings import RoundLimits, Surroundings

_START_MS = parse_instant("2026-03-02T08:00:00Z")
_SPAN_MS = 20 * MS_PER_DAY
_POLL_RECORDS = 4_000
"""Of one partition: about what the client fetches of it at once."""
_ZIPF = 1.1
_MIB = 1 << 20
_KINDS = (
    "page.viewed",
    "email.opened",
    "session.started",
    "email.clicked",
    "form.submitted",
    "asset.downloaded",
    "email.replied",
)
_WEIGHTS = (35, 20, 20, 10, 5, 5, 5)


class _Record(NamedTuple):
    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


class _Delivery:
    """Makes the rows of a round, as if to send them, and forgets them."""

    merges_by_fence = False

    def __init__(self) -> None:
        self._ends: dict[int, int] = {}
        self.rows = self.bytes = 0

    async def deliver(self, partition: int, round_: Round) -> int:
        rows = [*changelog_of(round_), *(row for rows in outputs_of(round_).values() for row in rows)]
        await asyncio.sleep(0.05)  # what a transaction takes; the next round is folded meanwhile
        self.rows += len(rows)
        self.bytes += sum(len(row.key or b"") + len(row.value or b"") for row in rows)
        end = self._ends.get(partition, 0) + len(rows)
        self._ends[partition] = end
        return end - 1

    def done(self, partition: int, next_offset: int) -> None: ...

    async def open(self, partitions: Sequence[int], member: Member) -> None: ...

    async def settle_restore(self, partition: int, changelog_end: int, lost: Sequence[Row]) -> int:
        return changelog_end - 1

    def committable(self) -> Mapping[int, int]:
        return {}

    async def close(self) -> None: ...


def _die(error: BaseException) -> NoReturn:
    raise error


class _Feed:
    """Records of contacts, by partition."""

    def __init__(self, contacts: int, partitions: int) -> None:
        self._random = Random(7)
        self._keys = [f"contact-{number:07}" for number in range(contacts)]
        self._random.shuffle(self._keys)
        self._partition = bytes(partition_of(key.encode(), partitions) for key in self._keys)
        self._weights = array("d", accumulate((rank + 1) ** -_ZIPF for rank in range(contacts)))
        self._next = [0] * partitions
        self._partitions = partitions

    def _chosen(self) -> Iterator[tuple[str, int]]:
        """Yield what each event is about: contact by contact, then anybody, then the busy ones."""
        count = len(self._keys)
        yield from (("each once", number) for number in range(count))
        yield from (("anybody", self._random.randrange(count)) for _ in range(count))
        for _ in range(0, count, 100_000):
            lot = self._random.choices(range(count), cum_weights=self._weights, k=min(count, 100_000))
            yield from (("busy ones", number) for number in lot)

    def polls(self) -> Iterator[tuple[str, list[list[_Record]]]]:
        """Yield the records of each poll by partition, and which part of the run it is of."""
        size = _POLL_RECORDS * self._partitions
        total = 3 * len(self._keys)
        found: list[list[_Record]] = [[] for _ in range(self._partitions)]
        phase = ""
        for place, (phase, number) in enumerate(self._chosen(), start=1):
            at_ms = _START_MS + _SPAN_MS * place // total
            key, partition = self._keys[number], self._partition[number]
            kind = self._random.choices(_KINDS, _WEIGHTS)[0]
            # A copy: orjson leaves room behind what it makes, several times its size, as no batch of a broker does.
            value = bytes(memoryview(orjson.dumps(event_of(self._random, key, kind, at_ms))))
            found[partition].append(_Record(self._next[partition], at_ms, key.encode(), value))
            self._next[partition] += 1
            if place % size == 0:
                yield phase, found
                found = [[] for _ in range(self._partitions)]
        yield phase, found


async def _measure(settings: Settings, contacts: int) -> None:
    process = psutil.Process()
    store = open_store(settings.store, app_id=settings.app_id, rocksdb_bytes=settings.rocksdb_bytes)
    models = (load_model("simple-100"),)
    calm_garbage_collector()
    print(f"started: {process.memory_info().rss / _MIB:.0f} MiB")
    delivery = _Delivery()
    assignment: Assignment
    surroundings = Surroundings(
        store=store,
        access=StoreAccess(),
        delivery=delivery,
        limits=RoundLimits.from_settings(settings),
        die=_die,
        count_busy=partial(len, range(settings.partitions)),
        observe=_hear_nothing,
    )
    pipeline = scoring_pipeline(settings, models)
    assignment = Assignment(settings, pipeline, surroundings, _no_consumer, Observer(Metrics(), settings))
    for number in range(settings.partitions):
        store.open(number)
        scoring = pipeline.make_partition(number, settings.partitions, None, partial(store.get_many, number))
        assignment.owned[number] = OwnedPartition(number, scoring, 0, None, surroundings)
    assignment.is_halted = False
    feed = _Feed(contacts, settings.partitions)
    own = process.memory_info().rss  # with what only this bench needs
    print(f"{own / _MIB:.0f} MiB with the contacts' names and places, which are not the worker's; without them:")
    print("| events | | resident MiB | in memory | counted for them MiB | store MiB |\n|---|---|---|---|---|---|")
    base = own - _names_bytes(feed)
    ends = [0] * settings.partitions
    folded = peak = 0
    shown = 0
    for phase, poll in feed.polls():
        for number, records in enumerate(poll):
            one = assignment.owned[number]
            before, ends[number] = ends[number], ends[number] + len(records)
            one.take(
                records, before, Progress(ends[number], ends[number] + 1_000_000, ends[number] + 1_000_000, 1 << 45)
            )
            folded += len(records)
        await assignment.work()
        peak = max(peak, process.memory_info().rss)
        if folded - shown >= contacts * 3 // 15:
            shown = folded
            _show(phase, folded, peak - own + base, assignment, store)
            peak = 0
    await asyncio.gather(*(one.settle() for one in assignment.owned.values()))
    _show("settled", folded, process.memory_info().rss - own + base, assignment, store)
    print(f"{delivery.rows:,} rows of {delivery.bytes / delivery.rows:.0f} B; CPU {sum(process.cpu_times()[:2]):.0f} s")


def _names_bytes(feed: _Feed) -> int:
    return sum(map(_size_of_text, feed._keys)) + 16 * len(feed._keys) + len(feed._partition)


def _size_of_text(text: str) -> int:
    return (text.__sizeof__() + 15) // 16 * 16


def _show(phase: str, folded: int, rss: int, assignment: Assignment, store: ContactStore) -> None:
    scorings = [one.scoring for one in assignment.owned.values()]
    cached = sum(getattr(one, "cached_contacts", 0) for one in scorings)
    counted = sum(getattr(one, "cached_bytes", 0) for one in scorings)
    stored = sum(store.size_bytes(number) for number in assignment.owned)
    print(
        f"| {folded:,} | {phase} | {rss / _MIB:.0f} | {cached:,} | {counted / _MIB:.0f} | {stored / _MIB:.0f} |",
        flush=True,
    )


def _hear_nothing(partition: int, round_: Round, commit_s: float, total_s: float) -> None: ...


def _no_consumer() -> None:
    raise AssertionError("nothing is restored here")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--partitions", type=int, default=4)
    parser.add_argument("--set", action="append", default=[], metavar="LEADSCORE_NAME=VALUE", help="a setting")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="leadscore-memory-", dir=os.environ.get("TMPDIR")) as directory:
        settings = load_settings(
            {
                "LEADSCORE_BROKERS": "none.invalid:9092",
                "LEADSCORE_PARTITIONS": str(given.partitions),
                "LEADSCORE_STORE": f"rocksdb://{directory}/state",
                **dict(one.split("=", 1) for one in given.set),
            }
        )
        asyncio.run(_measure(settings, given.contacts))


if __name__ == "__main__":
    main()
