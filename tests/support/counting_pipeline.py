"""A pipeline with an answer in closed form: it counts records per key and publishes every tenth count."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

from worker.pipeline import PARTITION_KEY, Output, Round
from worker.stores.base import Due, DueChange
from worker.stream.ports import Fence, GetMany, Pipeline

EVERY = 10
_VALUE = struct.Struct(">qqqq")  # offset, revision, count, fire instant (-1: none)


class Counted(NamedTuple):
    """What is stored for a key. Its next offset lies in the partition row, in the place of the count."""

    offset: int
    revision: int
    total: int
    fire_ms: int


def decode(value: bytes) -> Counted:
    return Counted(*_VALUE.unpack(value))


def fence_of(value: bytes) -> Fence:
    counted = decode(value)
    return 0, counted.offset, counted.revision


def due_of(key: bytes, value: bytes) -> int | None:
    fire_ms = decode(value).fire_ms
    return None if fire_ms < 0 or key == PARTITION_KEY else fire_ms


class CountingPartition:
    """
    Counts; at every *EVERY*th record of a key it publishes `key:count` and becomes due at the record's time.

    A timer publishes `key:count:due` once for it, so that timers can be counted as exactly as records.
    """

    def __init__(self, partition: int, row: bytes | None, output_topic: str, *, has_timers: bool) -> None:
        self.partition = partition
        self.is_new = row is None
        self.next_offset = 0 if row is None else decode(row).total
        self.newest_ms: int | None = None
        self.pending = 0
        self.has_transitions = False
        self.memory_is_short = False
        self.carries_over_from: bytes | None = None  # counting has no versions
        self._output_topic = output_topic
        self._has_timers = has_timers
        self._revision = 0 if row is None else decode(row).revision
        self._states: dict[bytes, Counted] = {}
        self._stored_fire: dict[bytes, int] = {}
        self._dirty: dict[bytes, None] = {}
        self._in_flight: dict[bytes, None] = {}
        self._outputs: list[Output] = []
        self._counts: Counter[tuple[str, str]] = Counter()
        self._stale: list[DueChange] = []

    @property
    def dirty_bytes(self) -> int:
        return 300 * len(self._dirty)

    stopped_at: int | None = None
    failed_at: int | None = None

    def fold(self, records: Sequence[Any], get_many: GetMany) -> None:
        self._load([record.key for record in records], get_many)
        states = self._states
        for record in records:
            state = states[record.key]
            self.newest_ms = max(self.newest_ms or 0, record.timestamp)
            if record.offset <= state.offset:
                self._counts["replayed", ""] += 1
                continue
            count = state.total + 1
            fire_ms = state.fire_ms
            if count % EVERY == 0:
                self._publish(record.key, b"%s:%d" % (record.key, count))
                if self._has_timers:
                    fire_ms = record.timestamp
            states[record.key] = Counted(record.offset, 0, count, fire_ms)
            self._dirty[record.key] = None
        self.pending += len(records)
        self.next_offset = records[-1].offset + 1
        self._counts["received", ""] += len(records)

    def note_present(self, now_ms: int) -> None:
        """Counting has no time."""

    def advance_wall(self, now_ms: int) -> None:
        self.newest_ms = max(self.newest_ms or 0, now_ms)

    def due_until(self) -> int | None:
        return self.newest_ms if self._has_timers else None

    def fire(self, entries: Sequence[Due], get_many: GetMany) -> None:
        self._load([entry.key for entry in entries], get_many)
        for at_ms, key in entries:
            state = self._states[key]
            if state.fire_ms != at_ms:
                if self._stored_fire.get(key, -1) != at_ms:
                    self._stale.append(DueChange(key, at_ms, None))
                continue
            self._publish(key, b"%s:%d:due" % (key, state.total))
            self._counts["fired", "counting"] += 1
            self._states[key] = state._replace(fire_ms=-1, revision=state.revision + 1)
            self._dirty[key] = None

    def carry_over(self, keys: Sequence[bytes], get_many: GetMany, *, is_last: bool) -> None:
        raise AssertionError("there is nothing to carry over")

    def drain(self, position: int | None = None) -> Round | None:
        moved = position is not None and position > self.next_offset
        if not (self.pending or self._dirty or self._outputs or self._stale or moved):
            return None
        assert not self._in_flight, "drained twice without being settled"
        if moved and position is not None:
            self.next_offset = position
        self._revision += 1
        due = self._stale
        puts: dict[bytes, bytes] = {}
        for key in self._dirty:
            state = self._states[key]
            before = self._stored_fire.get(key, -1)
            if before != state.fire_ms:
                due.append(DueChange(key, None if before < 0 else before, None if state.fire_ms < 0 else state.fire_ms))
                self._stored_fire[key] = state.fire_ms
            puts[key] = _VALUE.pack(*state)
        puts[PARTITION_KEY] = _VALUE.pack(self.next_offset, self._revision, self.next_offset, -1)
        closed = Round(self.next_offset, puts, [], due, self._outputs, self._counts, self.pending)
        self._in_flight, self._dirty = self._dirty, {}
        self._outputs, self._counts, self._stale = [], Counter(), []
        self.pending = 0
        self.has_transitions = False
        return closed

    @property
    def is_short_of_memory(self) -> bool:
        return self.memory_is_short and self.pending > 0

    def settled(self) -> None:
        self._in_flight = {}

    def close(self) -> None: ...

    def _publish(self, key: bytes, value: bytes) -> None:
        self._outputs.append(Output(self._output_topic, self.partition, key, value, [("content-type", b"text/plain")]))
        self.has_transitions = True

    def _load(self, keys: Sequence[bytes], get_many: GetMany) -> None:
        missing = [key for key in dict.fromkeys(keys) if key not in self._states]
        for key, value in zip(missing, get_many(missing) if missing else (), strict=True):
            self._states[key] = Counted(-1, 0, 0, -1) if value is None else decode(value)
            self._stored_fire[key] = self._states[key].fire_ms


def counting_pipeline(output_topic: str, *, has_timers: bool = False) -> Pipeline:
    """Return the pipeline for `create_app`; outputs go to *output_topic*."""

    def make_partition(partition: int, _: int, row: bytes | None, _get_many: object) -> CountingPartition:
        return CountingPartition(partition, row, output_topic, has_timers=has_timers)

    return Pipeline(make_partition, fence_of, due_of)


def expected_outputs(counts: Counter[bytes]) -> Counter[bytes]:
    """Return what must have been published for *counts* records of each key, once each; without timers' outputs."""
    return Counter(b"%s:%d" % (key, n) for key, total in counts.items() for n in range(EVERY, total + 1, EVERY))
