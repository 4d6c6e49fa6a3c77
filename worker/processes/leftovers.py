"""State on this host that no process uses any more, since their number has changed: looked for at each start, and removed."""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from worker.errors import ConfigError
from worker.logs import log_event
from worker.processes.apart import DIRECTORY
from worker.stores.directory_lock import LOCK_NAME, DirectoryLock

_log = logging.getLogger(__name__)

_OF_A_PROCESS = re.compile(re.escape(DIRECTORY) + r"([1-9][0-9]{0,3})")
_OF_A_PARTITION = re.compile(r"[0-9]{1,5}")
_ROCKSDB_FILE = "CURRENT"  # every database has it


def has_process_directories(directory: Path) -> bool:
    """Whether several processes have kept their state below *directory*."""
    return any(True for _ in _of_processes(directory))


def remove_leftovers(directory: Path, processes: int, app_id: str) -> None:
    """
    Remove what so many *processes* will not use of the state below *directory*; the caller holds its lock.

    All of it is in the changelog, from which whoever gets the partitions restores it; here it would be kept for ever, and no
    erasure would reach it. What is in use, or was not made by a worker, stays.

    Args:
        directory: Of the state of all.
        processes: How many are going to run; 1: it uses *directory* itself.
        app_id: Whose state it is.
    """
    used = processes if processes > 1 else 0
    for number, path in list(_of_processes(directory)):
        if number > used:
            _remove_process(path, app_id)
    for path in _databases(directory) if processes > 1 else []:
        _remove(path)


def _of_processes(directory: Path) -> Iterator[tuple[int, Path]]:
    for path in _directories(directory):
        found = _OF_A_PROCESS.fullmatch(path.name)
        if found is not None and (path / LOCK_NAME).is_file():
            yield int(found[1]), path


def _databases(directory: Path) -> list[Path]:
    """Return the databases of partitions directly below *directory*."""
    return [
        path
        for path in _directories(directory)
        if _OF_A_PARTITION.fullmatch(path.name) and (path / _ROCKSDB_FILE).is_file()
    ]


def _directories(directory: Path) -> list[Path]:
    if not directory.is_dir():
        return []
    return sorted(path for path in directory.iterdir() if path.is_dir() and not path.is_symlink())


def _remove_process(path: Path, app_id: str) -> None:
    lock = DirectoryLock(path, app_id)
    try:
        lock.acquire()
    except ConfigError as error:
        log_event(_log, logging.WARNING, "state_left", path=str(path), reason=str(error.fields["problem"]))
        return
    try:
        for one in path.iterdir():
            if one.name != LOCK_NAME:  # it goes last: it says that the directory is ours, should we be cut off
                _remove(one)
    finally:
        lock.release()
    _remove(path)


def _remove(path: Path) -> None:
    """Remove *path*, and log it if it is a directory; what cannot be removed is logged, too."""
    try:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
            log_event(_log, logging.INFO, "state_removed", path=str(path))
        else:
            path.unlink()
    except OSError as exc:
        log_event(_log, logging.WARNING, "state_left", path=str(path), reason=str(exc.strerror))
