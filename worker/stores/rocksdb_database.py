"""One open RocksDB database of a partition, and scans of it."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterator

import rocksdict

from worker.logs import log_event
from worker.stores import rocksdb_layout as layout
from worker.stores.rocksdb_errors import first_line
from worker.stores.rocksdb_load import Load
from worker.stores.rocksdb_purge import Purge
from worker.stores.rocksdb_rows import rows_between

_log = logging.getLogger(__name__)


class Database:
    """An open database and what is known of it without asking."""

    __slots__ = ("changelog_offset", "due_floor_ms", "load", "purge", "rows", "scans")

    def __init__(self, rows: rocksdict.Rdict, purge_after_ms: tuple[int, int]) -> None:
        self.rows = rows
        self.scans: weakref.WeakSet[Scan] = weakref.WeakSet()
        # No due entry lies before this instant. Timers are asked for every second, and without it each time would walk
        # over the graves of all entries that ever fired, until RocksDB happens to compact them away.
        self.due_floor_ms = layout.MIN_MS
        stored = rows.get(layout.CHANGELOG_OFFSET)
        self.changelog_offset = None if stored is None else layout.unpack_offset(stored)
        self.purge = Purge(rows, purge_after_ms)
        self.load = None if rows.get(layout.LOADING) is None else Load(rows, self.purge, is_resumed=True)

    @property
    def is_filling(self) -> bool:
        """Whether a restore loads it, or will: nothing is in it yet."""
        return self.load is not None or self.changelog_offset is None

    def close(self) -> None:
        """End all scans and close the database: what was loaded is written out, the rest is in its log."""
        for scan in list(self.scans):
            scan.release()
        try:
            self.rows.close()
        except Exception as exc:  # noqa: BLE001 - after a failed write; whoever made it was told, and nothing else is lost
            log_event(_log, logging.WARNING, "store_not_closed", reason=first_line(exc))


class Scan(Iterator[tuple[bytes, bytes]]):
    """All contacts as of now. A live iterator keeps a database locked, so closing the partition ends the scan."""

    def __init__(self, rows: rocksdict.Rdict, failure: Callable[[Exception], Exception]) -> None:
        self._failure = failure
        self._rows: Iterator[tuple[bytes, bytes]] | None = rows_between(rows, layout.CONTACT, layout.AFTER_CONTACTS)

    def __next__(self) -> tuple[bytes, bytes]:
        if self._rows is None:
            raise RuntimeError("the partition was closed during a scan of it")
        try:
            key, value = next(self._rows)
        except StopIteration:
            raise
        except Exception as exc:  # rocksdict raises nothing narrower
            raise self._failure(exc) from exc
        return key[len(layout.CONTACT) :], value

    def release(self) -> None:
        """End the scan and let go of the database."""
        self._rows = None
