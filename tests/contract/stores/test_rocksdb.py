"""What only a store on disk can do: survive, refuse company, and give up a damaged database for a restored one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

import pytest
import rocksdict

from worker.errors import ConfigError, RestartRequired
from worker.stores import ContactStore, Due, DueChange, open_store
from worker.stores import rocksdb_layout as layout
from worker.stores.rocksdb import RocksDbStore
from worker.stores.rocksdb_options import Budgets

HOLDER = """
import sys
from worker.stores import open_store
store = open_store(sys.argv[1], app_id="other-app")
store.open(0)
store.write(0, {b"a": b"1"}, [], [], None, 5)
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def opened(directory: Path, app_id: str = "lead-scoring") -> Iterator[ContactStore]:
    store = open_store(f"rocksdb://{directory}", app_id=app_id)
    try:
        store.open(0)
        yield store
    finally:
        store.close_all()


def fill(directory: Path, rows: int = 10) -> None:
    """Write *rows* contacts, offset 41, and bring them from the log into a table file."""
    with opened(directory) as store:
        store.write(0, {b"k%05d" % number: os.urandom(200) for number in range(rows)}, [], [], None, 41)


@contextmanager
def holder(directory: Path, script: str = HOLDER, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Another process that has the directory open."""
    command = [sys.executable, "-c", script, f"rocksdb://{directory}", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield process
        finally:
            process.kill()


def damage(path: Path, at: int = 0) -> None:
    """Turn over the bits of 64 bytes."""
    with path.open("r+b") as file:
        file.seek(at)
        found = file.read(64)
        file.seek(at)
        file.write(bytes(byte ^ 0xFF for byte in found))


def test_state_is_there_after_a_restart(tmp_path: Path) -> None:
    with opened(tmp_path) as store:
        store.write(0, {b"a": b"1", b"b": b"2"}, [], [DueChange(b"a", None, 9)], None, 5)
    with opened(tmp_path) as store:
        assert list(store.iterate(0)) == [(b"a", b"1"), (b"b", b"2")]
        assert store.due_before(0, 9, 1) == [Due(9, b"a")]
        assert store.changelog_offset(0) == 5
        store.write(0, {}, [b"a"], [DueChange(b"a", 9, None)], 5, 6)


def test_state_is_there_after_kill_9(tmp_path: Path) -> None:
    """Writes are not synced to the disk, but what a dead process wrote is in the kernel's hands."""
    with holder(tmp_path) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with opened(tmp_path, "other-app") as store:
        assert store.get_many(0, [b"a"]) == [b"1"]
        assert store.changelog_offset(0) == 5


LOADER = """
import sys
from worker.stores import open_store
store = open_store(sys.argv[1])
store.open(0)
due_of = lambda key, value: int(value[:8])
for offset in range(int(sys.argv[2])):
    rows = {b"k%06d" % (offset * 50 + n): b"%08d" % (offset * 50 + n) + bytes(2_000) for n in range(50)}
    rows[b"last"] = b"%08d" % offset
    store.load(0, rows, due_of, offset - 1 if offset else None, offset)
steps = store.end_load(0, due_of)
for _ in range(int(sys.argv[3])):
    next(steps, None)
print("ready", flush=True)
sys.stdin.read()
"""


def _due_of(key: bytes, value: bytes) -> int | None:  # noqa: ARG001
    return int(value[:8])


@pytest.mark.parametrize(("batches", "steps"), [(3, 0), (900, 0), (900, 3), (900, 10**6)])
def test_load_that_dies_leaves_an_earlier_offset_with_all_its_rows_and_no_other(
    tmp_path: Path, batches: int, steps: int
) -> None:
    """If this fails, a worker killed in the middle of a restore skips rows at the next one, or scores on values of different ages."""
    with holder(tmp_path, LOADER, str(batches), str(steps)) as process:
        process.send_signal(signal.SIGKILL)
        process.wait()
    with opened(tmp_path) as store:
        offset = store.changelog_offset(0)
        assert steps < 10**6 or offset == batches - 1
        if batches == 900:
            assert offset is not None, "64 MB of memory were written out several times"
        have = dict(store.iterate(0))
        known = 0 if offset is None else offset + 1
        assert known <= batches
        assert len(have) == 50 * known + (known > 0)
        assert known == 0 or have[b"last"] == b"%08d" % (known - 1)
        if steps < 10**6:
            assert store.is_loading(0)
        if known < batches:
            store.load(
                0, {b"k%06d" % n: b"%08d" % n for n in range(50 * known, 50 * batches)}, _due_of, offset, batches
            )
        for _ in store.end_load(0, _due_of):
            pass
        due = [entry for entry in store.due_before(0, 10**9, 10**6) if entry.key != b"last"]
        assert [entry.at_ms for entry in due] == list(range(50 * batches))


def test_second_process_is_refused_and_told_who_is_inside(tmp_path: Path) -> None:
    with holder(tmp_path) as process:
        store = open_store(f"rocksdb://{tmp_path}")
        for partition in (0, 3):
            with pytest.raises(ConfigError, match=f"another process uses .*pid {process.pid}, .* app_id other-app"):
                store.open(partition)
        store.close_all()
    with opened(tmp_path / "elsewhere"):
        pass


def test_directory_is_free_again_once_all_is_closed(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(ConfigError, match=f"pid {os.getpid()}"), opened(tmp_path):
        pass
    with opened(tmp_path):
        pass


def test_missing_parents_are_made_and_only_this_user_may_look_inside(tmp_path: Path) -> None:
    directory = tmp_path / "a" / "b"
    with opened(directory):
        assert directory.stat().st_mode & 0o777 == 0o700


def test_relative_path_lies_below_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with closing_all(open_store("rocksdb://./state")) as store:
        store.open(2)
    assert (tmp_path / "state" / "2" / "CURRENT").is_file()


def test_path_that_cannot_be_a_directory_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="state directory cannot be made"), opened(tmp_path / "file"):
        pass


@pytest.mark.parametrize("url", ["rocksdb://", "redis://", "postgres://here", "memory://x", "state", ""])
def test_url_of_no_store_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="is not a store"):
        open_store(url)


def test_state_of_another_app_id_is_refused_and_left_alone(tmp_path: Path) -> None:
    """Its changelog offsets are those of another topic; going on with them would lose or mix contacts."""
    fill(tmp_path)
    with (
        pytest.raises(ConfigError, match="state of app id 'lead-scoring', not of 'new-name'"),
        opened(tmp_path, "new-name"),
    ):
        pass
    with opened(tmp_path) as store:
        assert store.changelog_offset(0) == 41


@pytest.mark.parametrize("pattern", ["*.sst", "MANIFEST-*", "CURRENT"])
@pytest.mark.parametrize("how", ["garbage", "cut", "gone"])
def test_damaged_database_is_set_aside_and_an_empty_one_opened(tmp_path: Path, pattern: str, how: str) -> None:
    fill(tmp_path)
    victim = next((tmp_path / "0").glob(pattern))
    if how == "gone":
        victim.unlink()
    else:
        victim.write_bytes(os.urandom(500) if how == "garbage" else victim.read_bytes()[:10])
    with opened(tmp_path) as store:
        assert store.changelog_offset(0) is None
        assert list(store.iterate(0)) == []
        store.write(0, {b"a": b"1"}, [], [], None, 1)
    assert [path.name for path in tmp_path.glob("0.corrupt-*")] == ["0.corrupt-1"]


def test_only_the_newest_damaged_copy_is_kept(tmp_path: Path) -> None:
    """Copies hold contacts, and disks fill up."""
    for _ in range(3):
        fill(tmp_path)
        (tmp_path / "0" / "CURRENT").write_text("nonsense")
    with opened(tmp_path):
        pass
    assert [path.name for path in tmp_path.glob("0.corrupt-*")] == ["0.corrupt-3"]
    assert [path.name for path in tmp_path.glob("10.corrupt-*")] == []


def test_set_aside_is_logged_with_the_reason(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fill(tmp_path)
    (tmp_path / "0" / "CURRENT").write_text("nonsense")
    with opened(tmp_path):
        pass
    (record,) = (record for record in caplog.records if record.getMessage() == "store_set_aside")
    assert record.__dict__["fields"]["partition"] == 0
    assert "CURRENT" in record.__dict__["fields"]["reason"]


@pytest.mark.parametrize(
    "use",
    [
        lambda store: store.get_many(0, [b"k%05d" % number for number in range(20_000)]),
        lambda store: list(store.iterate(0)),
    ],
    ids=["get_many", "iterate"],
)
def test_damage_found_while_reading_asks_for_a_restart_that_restores(tmp_path: Path, use: object) -> None:
    fill(tmp_path, rows=20_000)
    largest = max((tmp_path / "0").glob("*.sst"), key=lambda path: path.stat().st_size)
    damage(largest, at=largest.stat().st_size // 3)
    with opened(tmp_path) as store:
        assert callable(use)
        with pytest.raises(RestartRequired, match="restored from the changelog"):
            use(store)
    with opened(tmp_path) as store:
        assert store.changelog_offset(0) is None
    with opened(tmp_path) as store:
        assert [path.name for path in tmp_path.glob("0.corrupt-*")] == ["0.corrupt-1"]


def test_database_of_another_format_is_set_aside(tmp_path: Path) -> None:
    fill(tmp_path)
    with closing(rocksdict.Rdict(str(tmp_path / "0"), Budgets(96 << 20).options())) as database:
        database[layout.FORMAT] = b"2"
    with opened(tmp_path) as store:
        assert store.changelog_offset(0) is None
    assert (tmp_path / "0.corrupt-1").is_dir()


def test_drop_removes_the_files_and_what_was_set_aside(tmp_path: Path) -> None:
    """Erased contacts must not live on in a copy that nobody looks at."""
    fill(tmp_path)
    (tmp_path / "0" / "CURRENT").write_text("nonsense")
    with opened(tmp_path) as store:
        store.open(10)
        store.drop(0)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["10", "leadscore.lock"]


def test_scan_ends_with_an_error_when_its_partition_is_closed(tmp_path: Path) -> None:
    """A scan that held on would keep the database locked, and the partition could not come back to this worker."""
    with opened(tmp_path) as store:
        store.write(0, {b"a": b"1", b"b": b"2"}, [], [], None, 1)
        scan = store.iterate(0)
        next(scan)
        store.close(0)
        store.open(0)
        with pytest.raises(RuntimeError, match="closed during a scan"):
            next(scan)


def test_lock_card_says_who_holds_the_directory_and_is_wiped_at_the_end(tmp_path: Path) -> None:
    with opened(tmp_path):
        card = json.loads((tmp_path / "leadscore.lock").read_bytes())
        assert card["pid"] == os.getpid()
        assert card["app_id"] == "lead-scoring"
        assert card["since"].endswith("Z")
    assert (tmp_path / "leadscore.lock").read_bytes() == b""


@contextmanager
def closing_all(store: ContactStore) -> Iterator[ContactStore]:
    try:
        yield store
    finally:
        store.close_all()


def test_opening_a_store_touches_nothing(tmp_path: Path) -> None:
    RocksDbStore(tmp_path / "state")
    assert not (tmp_path / "state").exists()


def test_iteration_shows_the_state_as_of_the_call(tmp_path: Path) -> None:
    """More than the contract asks for: a scan that others overtake is still one state that was."""
    with opened(tmp_path) as store:
        store.write(0, {b"%d" % number: b"old" for number in range(9)}, [], [], None, 1)
        before = store.iterate(0)
        store.write(0, {b"3": b"new", b"9": b"new"}, [], [], 1, 2)
        assert list(before) == [(b"%d" % number, b"old") for number in range(9)]


@pytest.mark.parametrize("partitions", [8, 64])
def test_loads_of_many_partitions_share_their_memory(tmp_path: Path, partitions: int) -> None:
    """If this fails, memory during a restore grows with the number of partitions, past what the worker promises."""
    store = RocksDbStore(tmp_path)
    with ExitStack() as stack:
        stack.callback(store.close_all)
        for partition in range(partitions):
            store.open(partition)
        for step in range(256_000 // partitions // 500):
            rows: dict[bytes, bytes | None] = {b"%d-%d" % (step, number): b"x" for number in range(500)}
            for partition in range(partitions):
                store.load(partition, rows, lambda *_: 5, step - 1 if step else None, step)
        loads = [store._partitions[partition].load for partition in range(partitions)]
        assert sum(len(load._due) for load in loads if load is not None) <= 200_000
        for partition in range(partitions):
            for _ in store.end_load(partition, lambda *_: 5):
                pass
            assert len(store.due_before(partition, 5, 256_000)) == 500 * (256_000 // partitions // 500)
