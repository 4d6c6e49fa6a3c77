"""No file of a database shows a value, or the key, of somebody who was deleted, once it was purged."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from worker.clock import monotonic
from worker.stores import DueChange
from worker.stores import rocksdb_purge as purge_module
from worker.stores import rocksdb_sweep as sweep_module
from worker.stores.rocksdb import RocksDbStore

JANE = b"#jane-of-canary-street"  # the first of all keys: the manifest names first and last ones
WORTH = b"what is known of her"
WITHIN_S = 60.0


@contextmanager
def opened(directory: Path, after_ms: tuple[int, int] = (0, 0)) -> Iterator[RocksDbStore]:
    store = RocksDbStore(directory, purge_after_ms=after_ms)
    try:
        store.open(0)
        yield store
    finally:
        store.close_all()


def _traces(directory: Path) -> set[str]:
    """Return the names of files that show her id or her value."""
    found = set()
    for path in directory.rglob("*"):
        try:
            content = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:
            continue
        if JANE in content or WORTH in content:
            found.add(path.name)
    return found


def _others(count: int, start: int = 0) -> dict[bytes, bytes]:
    chance = Random(start)
    return {b"contact-%06d" % number: chance.randbytes(300) for number in range(start, start + count)}


def _purge(store: RocksDbStore) -> None:
    """Tidy up until it is done."""
    until = monotonic() + WITHIN_S
    while not store._partitions[0].purge.is_clean:
        assert monotonic() < until, "never purged"
        store.tidy(0)
        time.sleep(0.05)


def _always_due(key: bytes, value: bytes) -> int:  # noqa: ARG001
    return 5


@pytest.mark.parametrize("others", [0, 2_000, 60_000])
@pytest.mark.parametrize("is_restarted", [False, True])
def test_deleted_contact_leaves_no_trace_in_any_file(tmp_path: Path, others: int, is_restarted: bool) -> None:
    """P9. If this fails, a backup of the disk shows somebody who was promised to be forgotten."""
    with opened(tmp_path) as store:
        store.write(0, _others(others) | {JANE: WORTH * 10}, [], [DueChange(JANE, None, 77)], None, 1)
        if others:
            _purge(store)  # into tables of the last level
        store.write(0, _others(others // 2, 10**6) | {JANE: WORTH * 11}, [], [DueChange(JANE, 77, 88)], 1, 2)
        assert _traces(tmp_path)
        store.write(0, {b"\x01grave": b"x"}, [JANE], [DueChange(JANE, 88, None)], 2, 3)
        if not is_restarted:
            _purge_all(store, tmp_path, others)
    with opened(tmp_path) as store:
        if is_restarted:
            _purge_all(store, tmp_path, others)
        store.write(0, {}, [], [], 3, 4)
    assert _traces(tmp_path) == set()


def _purge_all(store: RocksDbStore, directory: Path, others: int) -> None:
    assert _traces(directory)
    _purge(store)
    assert _traces(directory) == set()
    assert store.get_many(0, [JANE, b"\x01grave"]) == [None, b"x"]
    assert sum(1 for _ in store.iterate(0)) == others + others // 2 + 1


def test_value_that_was_replaced_leaves_too_and_deletions_are_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 1_000_000
    monkeypatch.setattr(purge_module, "now_ms", lambda: now)
    with opened(tmp_path, (1_000, 50_000)) as store:
        store.write(0, {b"a": WORTH * 2}, [], [], None, 1)
        store.write(0, {b"a": b"little"}, [], [], 1, 2)
        purge = store._partitions[0].purge
        now += 49_999
        store.tidy(0)
        assert purge._phase.name == "WAITING"
        now += 1
        store.tidy(0)
        assert purge._phase.name == "AGEING"
        store.write(0, {}, [b"b"], [], 2, 3)
        until = monotonic() + WITHIN_S
        while purge._phase.name != "WAITING":
            assert monotonic() < until, "never purged"
            now += 500
            store.tidy(0)
            time.sleep(0.3)  # tables have the age of the real clock
        assert _traces(tmp_path) == set()
        now += 1_000
        store.tidy(0)
        assert purge._phase.name == "AGEING", "the deletion meanwhile has a purge of its own"


@pytest.mark.parametrize("others", [100, 45_000])  # so many that due entries are written out before she goes
def test_what_a_restore_deletes_leaves_too(tmp_path: Path, others: int) -> None:
    with opened(tmp_path) as store:
        store.load(0, _others(others) | {JANE: WORTH}, _always_due, None, 1)
        store.load(0, {JANE: None}, _always_due, 1, 2)
        store.tidy(0)
        for _ in store.end_load(0, _always_due):
            pass
        _purge(store)
        assert _traces(tmp_path) == set()
        assert len(store.due_before(0, 9, 100_000)) == others


@pytest.mark.parametrize("is_restarted", [False, True])
def test_contact_that_a_restore_has_read_twice_leaves_no_due_entry_behind(tmp_path: Path, is_restarted: bool) -> None:
    """P9. If this fails, her id stays in the due index until an instant that her last event has long put off."""
    instants = {WORTH + b" at first": 100, WORTH + b" later": 200}
    with opened(tmp_path) as store:
        others = _others(45_000)  # so many that her first due entry is written out before her second comes

        def due_of(key: bytes, value: bytes) -> int:  # noqa: ARG001
            return instants.get(value, 50)

        store.load(0, {JANE: WORTH + b" at first"} | others, due_of, None, 1)
        store.load(0, {JANE: WORTH + b" later"}, due_of, 1, 2)
        for _ in store.end_load(0, due_of):
            pass
        store.write(0, {}, [JANE], [DueChange(JANE, 200, None)], 2, 3)
        if not is_restarted:
            _purge(store)
    with opened(tmp_path) as store:
        _purge(store)
        assert store.due_before(0, 10**6, 10**6) == [(50, key) for key in sorted(others)]
    assert _traces(tmp_path) == set()


def test_due_entries_of_nobody_are_looked_for_in_small_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, the purge of a large partition stops the event loop for seconds."""
    monkeypatch.setattr(sweep_module, "_STEPS_S", 0.0)
    with opened(tmp_path) as store:
        rows = _others(50_000)
        store.load(0, rows, _always_due, None, 1)
        for _ in store.end_load(0, _always_due):
            pass
        gone = sorted(rows)[::5_000]
        store.write(0, {}, gone, [], 1, 2)  # as if an earlier entry of theirs had been left
        store.tidy(0)
        assert _keys_due(store) == rows.keys() - gone[:1], "one step does not reach the second of them"
        for _ in range(50_000 // sweep_module._AT_ONCE):
            store.tidy(0)
        assert _keys_due(store) == rows.keys() - set(gone)


def test_database_that_was_never_loaded_is_not_looked_through(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.write(0, {}, [], [DueChange(b"nobody", None, 5)], None, 1)
        store.write(0, {}, [JANE], [], 1, 2)
        store.tidy(0)
        assert store._partitions[0].purge._phase.name == "AGEING"
        assert _keys_due(store) == {b"nobody"}


def _keys_due(store: RocksDbStore) -> set[bytes]:
    return {due.key for due in store.due_before(0, 9, 10**6)}
