"""What happens to a damaged partition: it is moved aside, never repaired, since the changelog holds everything."""

from __future__ import annotations

import logging
import os
import shutil
from pathlib import Path

from worker.clock import now_ms
from worker.logs import log_event

_log = logging.getLogger(__name__)

KEPT_MS = 7 * 86_400_000
"""How long a copy is kept: long enough to look into it, no longer, since erasures do not reach it."""


class Quarantine:
    """
    The copies ``<partition>.corrupt-<n>`` beside a partition's database, of which only the newest is kept, for a week.

    A copy holds contacts that may since have been erased: whoever has examined it should remove it.
    """

    def __init__(self, directory: Path, partition: int) -> None:
        self._partition = partition
        self._database = directory / str(partition)
        self._mark = directory / f"{partition}.damaged"

    @property
    def is_marked(self) -> bool:
        """Whether the database was found damaged while it was open."""
        return self._mark.exists()

    def mark(self) -> None:
        """Remember that the open database is damaged; it is moved when it is opened next."""
        self._mark.touch(mode=0o600)

    def set_aside(self, reason: str) -> None:
        """Move the database to a new copy, remove older copies and the mark, and say so in the log."""
        copies = self._copies()
        number = 1 + max((number for number, _ in copies), default=0)
        target = self._database.with_name(f"{self._partition}.corrupt-{number}")
        if self._database.exists():
            self._database.rename(target)
            os.utime(target)  # its age counts from now on
        for _, copy in copies:
            shutil.rmtree(copy)
        self._mark.unlink(missing_ok=True)
        log_event(
            _log, logging.WARNING, "store_set_aside", partition=self._partition, moved_to=str(target), reason=reason
        )

    def remove_all(self) -> None:
        """Remove the database, its copies and the mark."""
        for path in (self._database, *(copy for _, copy in self._copies())):
            if path.exists():
                shutil.rmtree(path)
        self._mark.unlink(missing_ok=True)

    def remove_old(self) -> None:
        """Remove copies that were set aside more than a week ago."""
        for _, copy in self._copies():
            if now_ms() - copy.stat().st_mtime * 1000 > KEPT_MS:
                shutil.rmtree(copy)
                log_event(_log, logging.INFO, "store_copy_removed", partition=self._partition, path=str(copy))

    def _copies(self) -> list[tuple[int, Path]]:
        found = []
        for path in self._database.parent.glob(f"{self._partition}.corrupt-*"):
            number = path.name.rpartition("-")[2]
            if number.isdigit():
                found.append((int(number), path))
        return found
