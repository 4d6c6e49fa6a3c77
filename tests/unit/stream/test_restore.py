"""A restore takes the right row of each key, moves the due index with it, and goes on where it was cut short."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, NamedTuple

import pytest
from aiokafka.structs import TopicPartition

from tests.support.counting_pipeline import _VALUE, counting_pipeline
from worker.errors import StateError
from worker.settings import load_settings
from worker.stores.base import Due
from worker.stores.memory import MemoryStore
from worker.stream import restore as restore_module
from worker.stream.restore import Restore

SETTINGS = load_settings({"LEADSCORE_BROKERS": "kafka:9092"})
PLACE = TopicPartition(SETTINGS.changelog_topic, 0)


class _Row(NamedTuple):
    offset: int
    key: bytes
    value: bytes | None


def _value(offset: int, *, revision: int = 0, total: int = 1, fire_ms: int = -1) -> bytes:
    return _VALUE.pack(offset, revision, total, fire_ms)


class _Log:
    """A changelog of one partition, read *step* rows at a time; behind its rows lie *markers* control records."""

    def __init__(self, rows: Sequence[_Row], *, first: int = 0, markers: int = 0, step: int = 2) -> None:
        self.rows = rows
        self.first = first
        self.end = (rows[-1].offset + 1 if rows else first) + markers
        self.step = step
        self.at = 0
        self.polls = 0

    def assign(self, places: object) -> None: ...

    def pause(self, place: object) -> None: ...

    def seek(self, place: object, offset: int) -> None:
        self.at = offset

    async def beginning_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, self.first)

    async def position(self, place: object) -> int:
        return self.at

    async def getmany(self, *places: object, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[_Row]]:
        self.polls += 1
        found = [row for row in self.rows if row.offset >= self.at][: self.step]
        self.at = found[-1].offset + 1 if found and found[-1] is not self.rows[-1] else self.end
        return {PLACE: found} if found else {}


@pytest.fixture
def store() -> MemoryStore:
    made = MemoryStore()
    made.open(0)
    return made


def _restore(
    log: _Log, store: MemoryStore, monkeypatch: pytest.MonkeyPatch, *, merges_by_fence: bool = False
) -> Restore:
    async def ends(consumer: _Log, places: Any) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, consumer.end)

    monkeypatch.setattr(restore_module, "high_watermarks", ends)
    restore = Restore(SETTINGS, counting_pipeline("out"), store, merges_by_fence=merges_by_fence)
    asyncio.run(restore.run(log, [0]))
    return restore


def test_the_last_row_of_each_key_is_restored_and_tombstones_delete(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [_Row(0, b"a", _value(1)), _Row(1, b"b", _value(2)), _Row(2, b"a", _value(3)), _Row(3, b"b", None)]
    restore = _restore(_Log(rows), store, monkeypatch)
    assert dict(store.iterate(0)) == {b"a": _value(3)}
    assert store.changelog_offset(0) == 3
    assert restore.partitions[0].rows == 4


def test_a_restore_ends_by_position_when_the_log_ends_in_control_records(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore = _restore(_Log([_Row(0, b"a", _value(1))], markers=3), store, monkeypatch)
    assert restore.partitions[0].is_complete
    assert store.changelog_offset(0) == 3, "the markers are included, so that the next restore reads nothing"


def test_nothing_is_read_when_the_store_is_up_to_date(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write(0, {b"a": _value(1)}, [], [], None, 4)
    log = _Log([_Row(n, b"a", _value(n)) for n in range(5)])
    _restore(log, store, monkeypatch)
    assert log.polls == 0


def test_a_restore_goes_on_behind_what_the_store_includes(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write(0, {b"a": _value(1)}, [], [], None, 2)
    rows = [_Row(n, b"k%d" % n, _value(n)) for n in range(5)]
    restore = _restore(_Log(rows), store, monkeypatch)
    assert restore.partitions[0].rows == 2
    assert {key for key, _ in store.iterate(0)} == {b"a", b"k3", b"k4"}


def test_the_due_index_follows_the_values(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        _Row(0, b"a", _value(1, fire_ms=100)),
        _Row(1, b"b", _value(2, fire_ms=200)),
        _Row(2, b"c", _value(3, fire_ms=300)),
        _Row(3, b"a", _value(4, fire_ms=150)),
        _Row(4, b"b", _value(5)),
        _Row(5, b"c", None),
        _Row(6, b"\x00partition", _value(6, fire_ms=1)),
    ]
    _restore(_Log(rows), store, monkeypatch)
    assert store.due_before(0, 10**6, 10) == [Due(150, b"a")]


def test_a_store_ahead_of_the_changelog_is_refused(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write(0, {b"a": _value(1)}, [], [], None, 9)
    with pytest.raises(StateError, match=r"it includes changelog offset 9, but .* ends at 5"):
        _restore(_Log([_Row(n, b"a", _value(n)) for n in range(5)]), store, monkeypatch)


STALE = [
    _Row(0, b"a", _value(10, total=10)),
    _Row(1, b"b", _value(11, total=1)),
    _Row(2, b"a", _value(7, total=7)),  # written late by a worker that had lost the partition
    _Row(3, b"b", _value(12, total=2)),
]


@pytest.mark.parametrize("step", [1, 2, 4])
def test_the_highest_fence_wins_over_a_later_row_and_is_put_again(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Kept as the last row, the stale one would survive compaction, and with it the loss."""
    restore = _restore(_Log(STALE, step=step), store, monkeypatch, merges_by_fence=True)
    assert dict(store.iterate(0)) == {b"a": _value(10, total=10), b"b": _value(12, total=2)}
    assert [(row.key, row.value) for row in restore.lost_rows(0)] == [(b"a", _value(10, total=10))]


def test_a_row_hidden_before_the_store_was_written_is_found_by_comparing_with_the_store(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(0, {b"a": _value(10, total=10)}, [], [], None, 1)
    restore = _restore(_Log(STALE), store, monkeypatch, merges_by_fence=True)
    assert [row.key for row in restore.lost_rows(0)] == [b"a"]


def test_a_row_that_hides_nothing_any_more_is_not_put_again(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [*STALE, _Row(4, b"a", _value(13, total=11))]
    restore = _restore(_Log(rows), store, monkeypatch, merges_by_fence=True)
    assert restore.lost_rows(0) == []


def test_of_two_rows_at_one_offset_the_higher_revision_wins(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [_Row(0, b"a", _value(5, revision=2)), _Row(1, b"a", _value(5, revision=1))]
    _restore(_Log(rows), store, monkeypatch, merges_by_fence=True)
    assert dict(store.iterate(0)) == {b"a": _value(5, revision=2)}


@pytest.mark.parametrize("step", [1, 2, 4])
def test_rows_to_be_put_again_are_found_again_when_the_worker_ended_before_it_had_put_them(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The next compaction would keep the late row alone, and the next restore on an empty disk would believe it."""
    for _ in range(2):
        restore = _restore(_Log(STALE, step=step), store, monkeypatch, merges_by_fence=True)
        assert [(row.key, row.value) for row in restore.lost_rows(0)] == [(b"a", _value(10, total=10))]
    assert dict(store.iterate(0)) == {b"a": _value(10, total=10), b"b": _value(12, total=2)}
