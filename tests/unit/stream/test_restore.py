"""A restore takes the right row of each key, moves the due index with it, and goes on where it was cut short."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from aiokafka.structs import TopicPartition

from tests.support.counting_pipeline import _VALUE, counting_pipeline
from worker.errors import RestartRequired, StateError
from worker.kafka.aiokafka_private import Progress
from worker.settings import load_settings
from worker.stores import ContactStore, open_store
from worker.stores.base import Due
from worker.stream import restore as restore_module
from worker.stream import restore_progress
from worker.stream.ports import Pipeline
from worker.stream.restore import Restore
from worker.stream.restore_progress import PartitionRestore, RestoreProgress

SETTINGS = load_settings({"LEADSCORE_BROKERS": "kafka:9092"})
COUNTING = counting_pipeline("out")
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

    def fetched(self) -> list[_Fetched]:
        """Return the next batch; the position is past the control records as soon as the last row was read."""
        self.polls += 1
        found = [row for row in self.rows if row.offset >= self.at][: self.step]
        self.at = found[-1].offset + 1 if found and found[-1] is not self.rows[-1] else self.end
        return [_Fetched(PLACE, self.at, found)]


class _Fetched(NamedTuple):
    """What aiokafka has fetched of a partition, as one batch."""

    place: TopicPartition
    position: int
    rows: list[_Row]

    def batches(self) -> list[list[_Row]]:
        return [self.rows]


@pytest.fixture(params=["memory", "rocksdb"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[ContactStore]:
    made = open_store("memory://" if request.param == "memory" else f"rocksdb://{tmp_path}/state")
    made.open(0)
    yield made
    made.close_all()


class _Stuck(_Log):
    """One that gives nothing from offset *stable* on, a second of the *clock* each time; brokers say that it ends at *highwater*."""

    def __init__(self, rows: Sequence[_Row], *, stable: int, highwater: int) -> None:
        super().__init__(rows)
        self.progress = Progress(stable, highwater, stable, 0)
        self.clock_s = 0.0

    def fetched(self) -> list[_Fetched]:
        if self.at < self.progress.stable:
            return super().fetched()
        self.clock_s += 1.0
        if self.clock_s > _PATIENCE_S:
            raise TimeoutError
        return []


_PATIENCE_S = 600.0


def _restore(
    log: _Log,
    store: ContactStore,
    monkeypatch: pytest.MonkeyPatch,
    *,
    merges_by_fence: bool = False,
    pipeline: Pipeline = COUNTING,
) -> Restore:
    async def ends(consumer: _Log, places: Any) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, consumer.end)

    async def fetch(consumer: _Log, places: object, wait_s: float) -> list[_Fetched]:  # noqa: ARG001
        return consumer.fetched()

    monkeypatch.setattr(restore_module, "high_watermarks", ends)
    monkeypatch.setattr(restore_module, "fetch", fetch)
    restore = Restore(SETTINGS, pipeline, store, merges_by_fence=merges_by_fence)
    asyncio.run(restore.run(log, [0]))
    return restore


def test_the_last_row_of_each_key_is_restored_and_tombstones_delete(
    store: ContactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [_Row(0, b"a", _value(1)), _Row(1, b"b", _value(2)), _Row(2, b"a", _value(3)), _Row(3, b"b", None)]
    restore = _restore(_Log(rows), store, monkeypatch)
    assert dict(store.iterate(0)) == {b"a": _value(3)}
    assert store.changelog_offset(0) == 3
    assert restore.partitions[0].rows == 4


def test_a_restore_ends_by_position_when_the_log_ends_in_control_records(
    store: ContactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    restore = _restore(_Log([_Row(0, b"a", _value(1))], markers=3), store, monkeypatch)
    assert restore.partitions[0].is_complete
    assert store.changelog_offset(0) == 3, "the markers are included, so that the next restore reads nothing"


def _restore_stuck(log: _Stuck, store: ContactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restore_module, "monotonic", lambda: log.clock_s)
    monkeypatch.setattr(
        restore_module, "progress_of", lambda consumer, places: dict.fromkeys(places, consumer.progress)
    )
    _restore(log, store, monkeypatch)


def test_changelog_that_loses_its_end_meanwhile_is_not_waited_for(
    store: ContactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, the worker is not ready, for ever, and only says that it waits."""
    log = _Stuck([_Row(n, b"k%d" % n, _value(n)) for n in range(6)], stable=4, highwater=4)
    with pytest.raises(RestartRequired, match=r"changelog\[0\]: it ended at offset 6 .* ends at 4 now"):
        _restore_stuck(log, store, monkeypatch)
    assert 60.0 <= log.clock_s <= 62.0, "a new leader gets the time to find its end"
    assert store.changelog_offset(0) == 3


def test_open_transaction_is_waited_for_with_a_warning_now_and_then(
    store: ContactStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    log = _Stuck([_Row(n, b"k%d" % n, _value(n)) for n in range(6)], stable=4, highwater=6)
    with pytest.raises(TimeoutError), caplog.at_level(logging.WARNING):
        _restore_stuck(log, store, monkeypatch)
    warnings = sum(record.getMessage() == "restore_waits" for record in caplog.records)
    assert _PATIENCE_S / 12 <= warnings <= _PATIENCE_S / 10


def test_nothing_is_read_when_the_store_is_up_to_date(store: ContactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write(0, {b"a": _value(1)}, [], [], None, 4)
    log = _Log([_Row(n, b"a", _value(n)) for n in range(5)])
    _restore(log, store, monkeypatch)
    assert log.polls == 0


def test_a_restore_goes_on_behind_what_the_store_includes(store: ContactStore, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write(0, {b"a": _value(1)}, [], [], None, 2)
    rows = [_Row(n, b"k%d" % n, _value(n)) for n in range(5)]
    restore = _restore(_Log(rows), store, monkeypatch)
    assert restore.partitions[0].rows == 2
    assert {key for key, _ in store.iterate(0)} == {b"a", b"k3", b"k4"}


def test_the_due_index_follows_the_values(store: ContactStore, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_a_store_ahead_of_the_changelog_is_refused(store: ContactStore, monkeypatch: pytest.MonkeyPatch) -> None:
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
    store: ContactStore, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Kept as the last row, the stale one would survive compaction, and with it the loss."""
    restore = _restore(_Log(STALE, step=step), store, monkeypatch, merges_by_fence=True)
    assert dict(store.iterate(0)) == {b"a": _value(10, total=10), b"b": _value(12, total=2)}
    assert [(row.key, row.value) for row in restore.lost_rows(0)] == [(b"a", _value(10, total=10))]


def test_a_row_hidden_before_the_store_was_written_is_found_by_comparing_with_the_store(
    store: ContactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write(0, {b"a": _value(10, total=10)}, [], [], None, 1)
    restore = _restore(_Log(STALE), store, monkeypatch, merges_by_fence=True)
    assert [row.key for row in restore.lost_rows(0)] == [b"a"]


def test_a_row_that_hides_nothing_any_more_is_not_put_again(
    store: ContactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [*STALE, _Row(4, b"a", _value(13, total=11))]
    restore = _restore(_Log(rows), store, monkeypatch, merges_by_fence=True)
    assert restore.lost_rows(0) == []


def test_of_two_rows_at_one_offset_the_higher_revision_wins(
    store: ContactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [_Row(0, b"a", _value(5, revision=2)), _Row(1, b"a", _value(5, revision=1))]
    _restore(_Log(rows), store, monkeypatch, merges_by_fence=True)
    assert dict(store.iterate(0)) == {b"a": _value(5, revision=2)}


@pytest.mark.parametrize("step", [1, 2, 4])
def test_rows_to_be_put_again_are_found_again_when_the_worker_ended_before_it_had_put_them(
    store: ContactStore, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """The next compaction would keep the late row alone, and the next restore on an empty disk would believe it."""
    for _ in range(2):
        restore = _restore(_Log(STALE, step=step), store, monkeypatch, merges_by_fence=True)
        assert [(row.key, row.value) for row in restore.lost_rows(0)] == [(b"a", _value(10, total=10))]
    assert dict(store.iterate(0)) == {b"a": _value(10, total=10), b"b": _value(12, total=2)}


@pytest.mark.parametrize("at", [0, 2, 5])
@pytest.mark.parametrize("merges_by_fence", [False, True])
@pytest.mark.parametrize("is_warm", [False, True])
def test_what_is_no_row_of_ours_is_refused_by_its_place(
    store: ContactStore, monkeypatch: pytest.MonkeyPatch, at: int, merges_by_fence: bool, is_warm: bool
) -> None:
    """If this fails, somebody else's record in the changelog is a crash without a name, again and again."""

    def due_of(key: bytes, value: bytes) -> int | None:
        if value == b"junk":
            raise StateError(where="changelog", problem="not ours", fix="look")
        return COUNTING.due_of(key, value)

    if is_warm:
        store.write(0, {b"z": _value(1)}, [], [], None, 3)
    rows = [_Row(10 + n, b"k%d" % n, b"junk" if n == at else _value(n)) for n in range(6)]
    pipeline = Pipeline(COUNTING.make_partition, COUNTING.fence_of, due_of)
    before = [row for row in rows if row.offset < 10 + at - at % 2]
    log = _Log([_Row(n, b"z", _value(1)) for n in range(10)] + rows)
    with pytest.raises(StateError, match=rf"contacts-changelog\[0\] at offset {10 + at}: not ours"):
        _restore(log, store, monkeypatch, merges_by_fence=merges_by_fence, pipeline=pipeline)
    assert {key for key, _ in store.iterate(0)} == {b"z"} | {row.key for row in before}, "batches before it are kept"


def test_a_changelog_that_lacks_what_the_store_lacks_is_refused(
    store: ContactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, contacts that retention has deleted begin at zero, and nobody hears of it."""
    rows = [_Row(n, b"k%d" % n, _value(n)) for n in range(5, 8)]
    with pytest.raises(StateError, match="it begins at offset 5, the local state ends before 0"):
        _restore(_Log(rows, first=5), store, monkeypatch)
    store.write(0, {b"a": _value(1)}, [], [], None, 4)
    _restore(_Log(rows, first=5), store, monkeypatch)
    assert store.changelog_offset(0) == 7


def test_a_load_that_was_cut_short_goes_on_and_has_its_whole_index_at_the_end(
    store: ContactStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    class _Cut(Exception): ...

    class _CutLog(_Log):
        def fetched(self) -> list[_Fetched]:
            if self.at >= 4:
                raise _Cut
            return super().fetched()

    rows = [_Row(n, b"k%d" % (n % 5), _value(n, fire_ms=100 + n)) for n in range(9)]
    with pytest.raises(_Cut):
        _restore(_CutLog(rows), store, monkeypatch)
    assert store.changelog_offset(0) == 3
    restore = _restore(_Log(rows), store, monkeypatch)
    assert restore.partitions[0].rows == 5
    assert store.due_before(0, 10**6, 10) == [Due(104 + n, b"k%d" % ((n + 4) % 5)) for n in range(5)]


def test_progress_tells_rate_and_estimate(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    now = 1_000.0
    monkeypatch.setattr(restore_progress, "monotonic", lambda: now)
    parts = {0: PartitionRestore(0, 0, 0, 1_000, None), 1: PartitionRestore(1, 100, 100, 3_100, None)}
    progress = RestoreProgress(parts.values())
    progress.begin()
    assert (progress.rows_per_second, progress.seconds_left) == (0.0, None)
    with caplog.at_level(logging.INFO):
        for _ in range(11):
            now += 1.0
            for one in parts.values():
                one.position += 50
                one.rows += 40
            progress.tell()
    assert (progress.rows, progress.remaining) == (880, 4_000 - 1_100)
    assert progress.rows_per_second == pytest.approx(80.0)
    assert progress.seconds_left == pytest.approx(2_900 / 100)
    (line,) = [record for record in caplog.records if record.getMessage() == "restore_progress"]
    assert line.__dict__["fields"] == {
        "partitions": [0, 1], "rows": 800, "remaining": 3_000, "rows_per_second": 80, "seconds_left": 30,
    }  # fmt: skip
    for one in parts.values():
        one.position = one.target
    progress.end()
    now += 100.0
    assert (progress.seconds_left, progress.seconds) == (0.0, 11.0)
