"""
The worker's pipeline over generated cases with every construct: in one piece, in rounds with restarts, by either clock.

Nothing here knows what a score is; it turns events into records, and what comes out into comparable values.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import accumulate
from typing import Any, Literal, NamedTuple

import orjson

from tests.support.engine import TOPICS, EngineRecord
from tests.support.frozen import frozen
from worker.contracts.instants import parse_instant
from worker.export import score_lines
from worker.pipeline import PARTITION_KEY, CacheBudget, Output, Partition, PipelineOptions
from worker.pipeline.told import status_name
from worker.scoring.codec import body_of, decode_contact, fire_of
from worker.scoring.contact import Contact, ModelState
from worker.scoring.matching import Matcher
from worker.scoring.model import Model
from worker.scoring.model_file import parse_model
from worker.scoring.qualification import is_held
from worker.stores.memory import MemoryStore

Json = dict[str, Any]
ERASURE_KEY = b"a key of thirty-two bytes, or so"
CLOCK = "zz-clock"
"""A contact that only makes time pass for the others."""
_STORED_PARTITION = 0


def model_of(content: Mapping[str, Any]) -> Model:
    """Return the model of *content*, read as a file would be: JSON is YAML."""
    return parse_model(json.dumps(content))


def options_for(
    time: Literal["wall", "stream"] = "stream",
    *,
    publish_tiers: bool = False,
    emit_since: int | None = None,
    budget: CacheBudget | None = None,
) -> PipelineOptions:
    """Return how a case is run."""
    return PipelineOptions(
        time=time,
        clamp=False,
        budget=budget or CacheBudget(),
        publish_tiers=publish_tiers,
        emit_since_ms=emit_since,
        erasure_key=ERASURE_KEY,
    )


def records_of(events: Iterable[Mapping[str, Any]]) -> list[EngineRecord]:
    """Return *events* as records: offset = place, record time = the newest event time so far."""
    events = list(events)
    times = accumulate((event["occurred_at"] for event in events), max)
    return [
        EngineRecord(offset, time, event["contact_id"].encode(), json.dumps(event).encode())
        for offset, (event, time) in enumerate(zip(events, times, strict=True))
    ]


def clock_record(offset: int, instant: int) -> EngineRecord:
    """Return a record that brings a partition's time forward and means nothing else to anybody but `CLOCK`."""
    event = {"id": "tick", "contact_id": CLOCK, "type": "clock.ticked", "occurred_at": instant, "machine": True}
    return EngineRecord(offset, instant, CLOCK.encode(), json.dumps(event).encode())


class FullReading(NamedTuple):
    """What a history came to."""

    rows: list[list[Json]]  # of each look
    statuses: dict[str, str]  # at the last look: the latch, or `held`
    told: list[Json]
    counts: Counter[str]  # without their labels


def told_of(outputs: Iterable[Output]) -> list[Json]:
    """Return the transitions among *outputs* as decoded, with `at` in ms and their epoch, in the order told."""
    decoded = [
        orjson.loads(one.value) for one in outputs if one.topic == TOPICS.qualifications and one.value is not None
    ]
    return [one | {"at": parse_instant(one["at"]), "epoch": one.get("epoch") or 0} for one in decoded]


def rows_of(contacts: Iterable[tuple[bytes, Contact]], model: Model, as_of: int) -> list[Json]:
    """Return the rows of `scores.csv`, but for `CLOCK`."""
    lines = score_lines(contacts, model, 0, as_of)
    return [line._asdict() | {"tier": line.tier or None} for line in lines if line.contact_id != CLOCK]


def read_history(
    model: Model,
    events: Iterable[Mapping[str, Any]],
    looks: Sequence[int],
    *,
    publish_tiers: bool = False,
    emit_since: int | None = None,
) -> FullReading:
    """Run *events* as one round that stays in memory, and read every score at each of *looks*, ascending, none before the end."""
    options = options_for(publish_tiers=publish_tiers, emit_since=emit_since)
    partition = Partition(topics=TOPICS, partition=0, partitions=1, models=[model], options=options, row=None)
    partition.fold(records_of(events), lambda keys: [None] * len(keys))
    rows = []
    for look in looks:
        partition.finish(look)
        rows.append(rows_of(partition.contacts(), model, look))
    outputs, counts = partition.take_told()
    return FullReading(rows, _statuses(partition, model, looks[-1]), told_of(outputs), _without_labels(counts))


def _statuses(partition: Partition, model: Model, at: int) -> dict[str, str]:
    statuses = {}
    for key, contact in partition.contacts():
        state = contact.models[0]
        if state is not None and state.history.newest_ms is not None:
            held = is_held(model, state.history.head_at(model, at), state.latch, at)
            statuses[key.decode()] = "held" if held else status_name(state.latch)
    return statuses


def _without_labels(counts: Mapping[tuple[str, str], int]) -> Counter[str]:
    summed: Counter[str] = Counter()
    for (what, _), number in counts.items():
        summed[what] += number
    return summed


class StoredPartition:
    """A partition over a store in memory, which can be restarted after any round with nothing kept but what is stored."""

    def __init__(self, models: Sequence[Model], options: PipelineOptions, *, partitions: int = 1) -> None:
        self.models = list(models)
        self.options = options
        self.partitions = partitions
        self.store = MemoryStore()
        self.store.open(_STORED_PARTITION)
        self.outputs: list[Output] = []
        self.counts: Counter[tuple[str, str]] = Counter()
        self._changelog_offset: int | None = None
        self._partition = self._started()

    def _started(self) -> Partition:
        (row,) = self._get_many([PARTITION_KEY])
        return Partition(
            topics=TOPICS,
            partition=0,
            partitions=self.partitions,
            models=self.models,
            options=self.options,
            row=row,
            get_many=self._get_many,
        )

    def restart(self) -> None:
        """End the process and start another."""
        self._partition = self._started()

    def change_models(self, models: Sequence[Model]) -> None:
        """Start another process with other versions of the models, and carry everything over, a round for each few contacts."""
        self.models = list(models)
        self.restart()
        after = self._partition.carries_over_from
        if after is None:
            return
        keys = [key for key in sorted(self.values()) if key > after]
        for first in range(0, max(len(keys), 1), 2):
            some = keys[first : first + 2]
            self._partition.carry_over(some, self._get_many, is_last=first + 2 >= len(keys))
            self._close()

    def forget_position(self) -> None:
        """Restart without the partition row, as if an older one had been restored; contacts stay as they are."""
        offset = self._changelog_offset or 0
        self.store.write(_STORED_PARTITION, {}, [PARTITION_KEY], [], self._changelog_offset, offset)
        self.restart()

    def take(self, records: Sequence[EngineRecord]) -> None:
        """Handle one round."""
        partition = self._partition
        partition.fold([one for one in records if one.offset >= partition.next_offset], self._get_many)
        self._close()

    def advance_wall(self, now: int) -> None:
        """Everything is read, and it is *now*."""
        self._partition.advance_wall(now)

    def fire(self) -> None:
        """Handle every entry of the due index up to the partition's time, a round for each few of them."""
        limit = self._partition.due_until()
        while limit is not None and (entries := self.store.due_before(_STORED_PARTITION, limit, 2)):
            self._partition.fire(entries, self._get_many)
            self._close()

    def _get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return self.store.get_many(_STORED_PARTITION, keys)

    def _close(self) -> None:
        closed = self._partition.drain()
        if closed is None:
            return
        last = (self._changelog_offset or 0) + len(closed.puts)
        self.store.write(_STORED_PARTITION, closed.puts, closed.deletes, closed.due, self._changelog_offset, last)
        self._changelog_offset = last
        self.outputs += closed.outputs
        self.counts += closed.counts
        self._partition.settled()

    # ---- what is stored

    def values(self) -> dict[bytes, bytes]:
        """Return the stored value of each contact."""
        return {key: value for key, value in self.store.iterate(_STORED_PARTITION) if key[0] > 1}

    def contacts(self) -> Iterator[tuple[bytes, Contact]]:
        """Yield each contact as stored."""
        matchers = [Matcher(model) for model in self.models]
        for key, value in self.values().items():
            yield key, decode_contact(value, self.models, matchers)

    def states(self) -> Iterator[tuple[bytes, Model, ModelState]]:
        """Yield what is stored of each contact under each model."""
        for key, contact in self.contacts():
            for model, state in zip(self.models, contact.models, strict=True):
                if state is not None:
                    yield key, model, state

    def folds(self) -> dict[tuple[bytes, str], str]:
        """Return what is kept of the fold of each contact: no latch, no last evaluation, they follow processing order."""
        return {(key, model.name): frozen(state.history) for key, model, state in self.states()}

    def stored(self) -> dict[bytes, tuple[bytes, int | None]]:
        """Return everything stored but fences and the partition's own row: bytes, and the place in the due index."""
        kept = {key: value for key, value in self.store.iterate(_STORED_PARTITION) if not key.startswith(b"\x00")}
        return {key: (bytes(body_of(value)), fire_of(value)) for key, value in kept.items()}

    def told(self) -> Counter[tuple[bytes, bytes]]:
        """Return everything told, as published, whatever its order among contacts."""
        return Counter(
            (one.key or b"", one.value)
            for one in self.outputs
            if one.topic == TOPICS.qualifications and one.value is not None
        )
