"""A disk that is full, forbids writing or has lost parts: what comes back is exact, or older and knows its age."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random

import pytest

from tests.support.small_disk import fill_up, make_read_only, small_disk
from worker.clock import now_ms
from worker.errors import ConfigError, DependencyError, RestartRequired
from worker.stores import ContactStore, Due, DueChange
from worker.stores import left_behind as left_behind_module
from worker.stores import quarantine as quarantine_module
from worker.stores.rocksdb import RocksDbStore

ROWS = 400
"""In a write of some 400 KB."""


@contextmanager
def opened(directory: Path) -> Iterator[ContactStore]:
    store = RocksDbStore(directory)
    try:
        store.open(0)
        yield store
    finally:
        store.close_all()


def _write(store: ContactStore, offset: int) -> None:
    """Write round *offset*: every key gets a value of that round, so that two rounds mixed would be seen."""
    value = b"%08d" % offset + Random(offset).randbytes(1_000)
    puts = {b"k%04d" % number: value for number in range(ROWS)}
    store.write(0, puts, [], [DueChange(b"k", offset - 1, offset)], offset - 1 if offset else None, offset)


def _stands_at(store: ContactStore) -> int:
    """Return the round that the store stands at, having checked that it holds that round and no other."""
    offset = store.changelog_offset(0)
    rows = dict(store.iterate(0))
    if offset is None:
        assert not rows
        return -1
    assert set(rows) == {b"k%04d" % number for number in range(ROWS)}
    assert {value[:8] for value in rows.values()} == {b"%08d" % offset}
    assert store.due_before(0, 10**9, 9) == [Due(offset, b"k")]
    return offset


def _write_on(store: ContactStore, offset: int) -> None:
    for number in range(offset, offset + 1_000):
        _write(store, number)


def test_full_disk_is_told_as_one_and_goes_on_exactly_when_there_is_room(tmp_path: Path) -> None:
    """D01. If this fails, a full disk costs contacts, or a night in which the worker starts again and again without a word why."""
    with small_disk(tmp_path / "disk", 16) as disk:
        with opened(disk / "state") as store:
            _write(store, 0)
            ballast = fill_up(disk)
            with pytest.raises(DependencyError, match=r"(?s)No space left on device.*make room") as refused:
                _write_on(store, 1)
            assert refused.value.exit_code == 69
            last = store.changelog_offset(0)
        with pytest.raises(DependencyError, match="No space left"), opened(disk / "state"):
            pass
        ballast.unlink()
        with opened(disk / "state") as store:
            stands_at = _stands_at(store)
            assert stands_at == last
            for offset in range(stands_at + 1, stands_at + 3):
                _write(store, offset)
            assert _stands_at(store) == stands_at + 2


LIMITED = """
import resource, sys
from tests.contract.stores.test_rocksdb_disks import RocksDbStore, _write, Path
resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, 3 << 20))
store = RocksDbStore(Path(sys.argv[1]))
store.open(0)
for offset in range(100):
    try:
        _write(store, offset)
    except Exception as error:
        print(offset - 1, type(error).__name__, " ".join(str(error).split()), flush=True)
        break
"""


def test_limit_on_the_size_of_files_is_as_a_full_disk(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path / "state")], capture_output=True, text=True, check=False
    )
    last, kind, *_ = done.stdout.split()
    assert (kind, "File too large" in done.stdout) == ("DependencyError", True), done
    with opened(tmp_path / "state") as store:
        assert _stands_at(store) == int(last)
        _write(store, int(last) + 1)


def test_disk_that_may_not_be_written_to_needs_an_operator(tmp_path: Path) -> None:
    """D02. A restart changes nothing, so the exit code says that none is wanted."""
    with small_disk(tmp_path / "disk", 64) as disk:
        with opened(disk / "state") as store:
            _write(store, 0)
        make_read_only(disk)
        with pytest.raises(ConfigError, match="Read-only file system"), opened(disk / "state"):
            pass
        make_read_only(disk, is_read_only=False)
        with opened(disk / "state") as store:
            assert _stands_at(store) == 0


KILLED = """
import os, signal, sys
from tests.contract.stores.test_rocksdb_disks import RocksDbStore, _write, Path
store = RocksDbStore(Path(sys.argv[1]))
store.open(0)
for offset in range(20):
    _write(store, offset)
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("damage", ["cut by a byte", "cut in half", "zeros at the end", "gone", "flipped"])
def test_log_that_lost_its_end_gives_an_older_state_that_knows_its_age(tmp_path: Path, damage: str) -> None:
    """D03, a power cut. If this fails, a contact of one instant stands beside one of another, and nobody can tell."""
    state = tmp_path / "state"
    done = subprocess.run([sys.executable, "-c", KILLED, str(state)], check=False)
    assert done.returncode == -signal.SIGKILL
    log = max((state / "0").glob("*.log"), key=lambda path: path.stat().st_size)
    size = log.stat().st_size
    if damage == "gone":
        log.unlink()
    else:
        with log.open("r+b") as file:
            if damage.startswith("cut"):
                file.truncate(size - 1 if "byte" in damage else size // 2)
            else:
                file.seek(size // 2)
                file.write(bytes(size - size // 2) if "zeros" in damage else os.urandom(4096))
    with opened(state) as store:
        stands_at = _stands_at(store)
        assert stands_at < 19, "nothing was damaged"
        if damage == "cut by a byte":
            assert stands_at == 18
        for offset in range(stands_at + 1, 20):
            _write(store, offset)
        assert _stands_at(store) == 19


@pytest.mark.parametrize("what", ["empty directory", "only a table", "only a manifest", "half a CURRENT"])
def test_half_of_a_database_is_no_database(tmp_path: Path, what: str) -> None:
    """If this fails, a copy that was cut short stops the worker, or passes for an empty state at some offset."""
    state = tmp_path / "state"
    with opened(state) as store:
        _write(store, 0)
    database = state / "0"
    kept = {"only a table": "*.sst", "only a manifest": "MANIFEST-*"}.get(what)
    if what == "half a CURRENT":
        (database / "CURRENT").write_bytes((database / "CURRENT").read_bytes()[:4])
    else:
        keep = set(database.glob(kept)) if kept else set()
        for path in set(database.iterdir()) - keep:
            path.unlink()
        if what == "a file":
            database.rmdir()
            database.write_bytes(b"no directory")
    with opened(state) as store:
        assert _stands_at(store) == -1
        _write(store, 0)
    with opened(state) as store:
        assert _stands_at(store) == 0


def test_damage_that_compaction_meets_asks_for_a_restart_that_restores(tmp_path: Path) -> None:
    """Nobody has read the damaged block: it is found by a background thread, which cannot raise."""
    state = tmp_path / "state"
    with opened(state) as store:
        for offset in range(3):
            _write(store, offset)
    for table in (state / "0").glob("*.sst"):
        with table.open("r+b") as file:
            file.seek(table.stat().st_size // 3)
            file.write(os.urandom(64))
    store = RocksDbStore(state, purge_after_ms=(0, 0))
    try:
        store.open(0)
        with pytest.raises(RestartRequired, match="restored from the changelog"):
            _write_on(store, 3)
    finally:
        store.close_all()
    with opened(state) as store:
        assert _stands_at(store) == -1
    assert [path.name for path in state.glob("0.corrupt-*")] == ["0.corrupt-1"]


def test_copy_that_was_set_aside_is_removed_after_a_week(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds contacts, and no erasure reaches it."""
    state = tmp_path / "state"
    with opened(state) as store:
        _write(store, 0)
    (state / "0" / "CURRENT").write_text("nonsense")
    with opened(state) as store:
        store.tidy(0)
        assert (state / "0.corrupt-1").is_dir()
        later = now_ms() + quarantine_module.KEPT_MS + 60_000
        monkeypatch.setattr(quarantine_module, "now_ms", lambda: later)
        monkeypatch.setattr(left_behind_module, "now_ms", lambda: later)
        store.tidy(0)
        assert not (state / "0.corrupt-1").exists()


def test_what_a_partition_left_on_a_disk_goes_after_a_week_and_that_of_an_open_one_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Another worker has the partition now, and erases contacts of which this disk never hears."""
    state = tmp_path / "state"
    with opened(state) as store:
        _write(store, 0)
        store.open(1)
        store.close(1)
        store.tidy(0)
        assert (state / "1").is_dir()
        later = now_ms() + quarantine_module.KEPT_MS + 60_000
        monkeypatch.setattr(left_behind_module, "now_ms", lambda: later)
        with caplog.at_level(logging.INFO):
            store.tidy(0)
        assert not (state / "1").exists()
        assert _stands_at(store) == 0
    (line,) = [record for record in caplog.records if record.getMessage() == "store_left_removed"]
    assert line.__dict__["fields"]["partition"] == 1


@pytest.mark.parametrize("mode", [0o755, 0o770, 0o707, 0o711])
def test_directory_that_others_may_look_into_is_closed_and_said_so(
    tmp_path: Path, mode: int, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(mode)
    with caplog.at_level(logging.WARNING), opened(state):
        assert state.stat().st_mode & 0o777 == 0o700
    (line,) = [record for record in caplog.records if record.getMessage() == "state_directory_closed"]
    assert line.__dict__["fields"]["mode_before"] == f"{mode:04o}"


def test_directory_whose_mode_cannot_be_changed_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(path: Path, mode: int) -> None:  # noqa: ARG001
        raise PermissionError(1, "Operation not permitted")

    state = tmp_path / "state"
    state.mkdir(mode=0o755)
    monkeypatch.setattr(Path, "chmod", refuse)
    with caplog.at_level(logging.WARNING), opened(state):
        pass
    assert [record.getMessage() for record in caplog.records] == ["state_directory_open"]
