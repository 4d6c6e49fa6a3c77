"""What nobody on this disk works on any more, and erasures therefore do not reach: it goes after a week."""

from __future__ import annotations

import logging
from collections.abc import Collection
from pathlib import Path

from worker.clock import now_ms
from worker.logs import log_event
from worker.stores.quarantine import KEPT_MS, Quarantine

_log = logging.getLogger(__name__)

_EVERY_MS = 3_600_000


class LeftBehind:
    """
    Databases of partitions that have moved to another worker, and copies of damaged ones, in *directory*, which is locked by us.

    A partition that comes back within the week goes on from its database; after that it is restored from the changelog.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._next_look_ms = 0

    def remove_old(self, open_partitions: Collection[int]) -> None:
        """Remove what is older than a week and not of *open_partitions*; looks once an hour, however often it is called."""
        now = now_ms()
        if now < self._next_look_ms:
            return
        self._next_look_ms = now + _EVERY_MS
        names = {path.name.partition(".")[0] for path in self._directory.iterdir()}
        for partition in sorted(int(name) for name in names if name.isdigit()):
            quarantine, database = Quarantine(self._directory, partition), self._directory / str(partition)
            quarantine.remove_old()
            is_left = partition not in open_partitions and database.is_dir()
            if is_left and now - _last_written_ms(database) > KEPT_MS:
                quarantine.remove_all()
                log_event(_log, logging.INFO, "store_left_removed", partition=partition, path=str(database))


def _last_written_ms(database: Path) -> float:
    """Return when a file of *database* was written last; an open database writes its log all the time."""
    return max((path.stat().st_mtime for path in (database, *database.iterdir())), default=0.0) * 1000
