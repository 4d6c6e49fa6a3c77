"""State that nobody uses any more goes; nothing else does."""

from __future__ import annotations

from pathlib import Path

import pytest

from worker.processes.leftovers import has_process_directories, remove_leftovers
from worker.stores.directory_lock import LOCK_NAME, DirectoryLock


def database(path: Path) -> None:
    path.mkdir(parents=True)
    (path / "CURRENT").write_text("MANIFEST-000001\n")
    (path / "000004.log").write_bytes(b"contacts")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Three processes were here, and before them one alone; somebody keeps things of their own beside it."""
    (tmp_path / LOCK_NAME).touch()
    for number in (1, 2, 3):
        database(tmp_path / f"process-{number}" / "0")
        (tmp_path / f"process-{number}" / LOCK_NAME).touch()
    database(tmp_path / "1")
    database(tmp_path / "1.corrupt-1")
    (tmp_path / "2026").mkdir()
    (tmp_path / "process-9").mkdir()  # no worker has made it
    (tmp_path / "process-8").symlink_to(tmp_path / "process-1")
    return tmp_path


def names(state: Path) -> set[str]:
    return {path.name for path in state.iterdir()}


FOREIGN = {LOCK_NAME, "1.corrupt-1", "2026", "process-9", "process-8"}


def test_fewer_processes_leave_nothing_of_the_others_nor_of_the_one_before(state: Path) -> None:
    remove_leftovers(state, 2, "app")
    assert names(state) == FOREIGN | {"process-1", "process-2"}
    assert (state / "process-1/0/000004.log").exists()


def test_one_alone_leaves_nothing_of_several_and_keeps_its_own(state: Path) -> None:
    assert has_process_directories(state)
    (state / "process-8").unlink()
    remove_leftovers(state, 1, "app")
    assert names(state) == (FOREIGN - {"process-8"}) | {"1"}
    assert not has_process_directories(state)


def test_more_processes_keep_all(state: Path) -> None:
    remove_leftovers(state, 4, "app")
    assert {"process-1", "process-2", "process-3"} <= names(state)


def test_what_a_living_process_holds_stays(state: Path) -> None:
    lock = DirectoryLock(state / "process-3", "app")
    lock.acquire()
    try:
        remove_leftovers(state, 2, "app")
        assert (state / "process-3/0/CURRENT").exists()
    finally:
        lock.release()


def test_a_directory_that_is_not_there_yet_holds_nothing(tmp_path: Path) -> None:
    remove_leftovers(tmp_path / "new", 2, "app")
    assert not has_process_directories(tmp_path / "new")
    assert not (tmp_path / "new").exists()
