"""
Contacts in RocksDB: one database a partition, below one directory that one process owns.

Writes go to RocksDB's log without fsync. The changelog is the truth: after a crash of the process nothing is missing,
after a power cut an older state comes back that knows its changelog offset, and the rest is restored from there.
"""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import rocksdict

from worker.errors import ConfigError, RestartRequired
from worker.logs import log_event
from worker.stores import rocksdb_layout as layout
from worker.stores.base import Due, DueChange
from worker.stores.checks import check_expected, not_open
from worker.stores.directory_lock import DirectoryLock
from worker.stores.quarantine import Quarantine
from worker.stores.rocksdb_options import Budgets

_log = logging.getLogger(__name__)

_SIZES = ("rocksdb.total-sst-files-size", "rocksdb.cur-size-all-mem-tables")

_DAMAGE = ("Corruption", "No such file", "Bad table magic", "checksum mismatch")
"""What RocksDB's messages about a broken database contain; rocksdict has no exception classes for them."""


def _rows(database: rocksdict.Rdict, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Return the rows with ``start <= key < end`` as of the call; damage on the way raises, it does not end them early."""
    # rocksdict 0.3 frees the bound together with the read options: they must live as long as the iterator, or it ends where
    # freed memory says so. And its `items` ends at a damaged block as if that were the last: only the cursor has a status.
    reading = rocksdict.ReadOptions()
    reading.set_iterate_upper_bound(end)
    cursor = database.iter(read_opt=reading)  # a view of this instant
    cursor.seek(start)
    return _walk(cursor, reading)


def _walk(cursor: rocksdict.RdictIter, reading: rocksdict.ReadOptions) -> Iterator[tuple[bytes, bytes]]:
    while cursor.valid():
        yield cursor.key(), cursor.value()
        cursor.next()
    cursor.status()
    del reading


class _Scan(Iterator[tuple[bytes, bytes]]):
    """All contacts as of now. A live iterator keeps a database locked, so closing the partition ends the scan."""

    def __init__(self, database: rocksdict.Rdict, failure: Callable[[Exception], RestartRequired]) -> None:
        self._failure = failure
        self._rows: Iterator[tuple[bytes, bytes]] | None = _rows(database, layout.CONTACT, layout.AFTER_CONTACTS)

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


class _Partition:
    """One open database and the changelog offset it stands at."""

    __slots__ = ("changelog_offset", "database", "due_floor_ms", "scans")

    def __init__(self, database: rocksdict.Rdict) -> None:
        self.database = database
        self.scans: weakref.WeakSet[_Scan] = weakref.WeakSet()
        # No due entry lies before this instant. Timers are asked for every second, and without it each time would walk
        # over the graves of all entries that ever fired, until RocksDB happens to compact them away.
        self.due_floor_ms = layout.MIN_MS
        stored = database.get(layout.CHANGELOG_OFFSET)
        self.changelog_offset = None if stored is None else layout.unpack_offset(stored)

    def close(self) -> None:
        for scan in list(self.scans):
            scan.release()
        self.database.close()


class RocksDbStore:
    """
    A ContactStore of RocksDB databases in *directory*, which is made, with its parents, when first needed.

    The directory is locked from the first `open` until `close_all`.
    """

    def __init__(self, directory: Path, *, app_id: str = "lead-scoring") -> None:
        self._directory = directory
        self._app_id = app_id.encode()
        self._lock = DirectoryLock(directory, app_id)
        self._budgets = Budgets()
        self._partitions: dict[int, _Partition] = {}

    def open(self, partition: int) -> None:
        """
        Open *partition*, empty when new; opening twice changes nothing.

        A database that is damaged, or of another format, is set aside as ``<partition>.corrupt-<n>`` and an empty one
        opened: its changelog offset is None, and the whole changelog is restored into it.

        Raises:
            ConfigError: another process holds the directory, it cannot be used, or it is another app id's.
        """
        if partition in self._partitions:
            return
        self.claim()
        quarantine = Quarantine(self._directory, partition)
        if quarantine.is_marked:
            quarantine.set_aside("an earlier read or write found it damaged")
        path = self._directory / str(partition)
        database, reason = self._connect(path)
        if database is None:
            quarantine.set_aside(reason)
            database, reason = self._connect(path)
        if database is None:
            raise self._refusal(path, reason)
        try:
            self._label(path, database)
            self._partitions[partition] = _Partition(database)
        except BaseException:
            database.close()
            raise
        log_event(_log, logging.DEBUG, "store_opened", partition=partition)

    def get_many(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of *keys* in their order, None for each that is absent."""
        database = self._opened(partition).database
        contact = layout.CONTACT
        try:
            return database.get([contact + key for key in keys])  # type: ignore[return-value]  # a list for a list
        except Exception as exc:  # rocksdict raises nothing narrower
            raise self._failure(partition, exc) from exc

    def write(
        self,
        partition: int,
        puts: Mapping[bytes, bytes],
        deletes: Iterable[bytes],
        due: Iterable[DueChange],
        expected_changelog_offset: int | None,
        changelog_offset: int,
    ) -> None:
        """Write all or nothing; see ContactStore. A key in both *puts* and *deletes* is deleted."""
        opened = self._opened(partition)
        check_expected(partition, opened.changelog_offset, expected_changelog_offset)
        batch = rocksdict.WriteBatch(raw_mode=True)
        put, contact, due_floor_ms = batch.put, layout.CONTACT, opened.due_floor_ms
        for key, value in puts.items():
            put(contact + key, value)
        for key in deletes:
            batch.delete(contact + key)
        for key, old_ms, new_ms in due:
            if old_ms is not None:
                batch.delete(layout.due_key(old_ms, key))
            if new_ms is not None:
                put(layout.due_key(new_ms, key), b"")
                due_floor_ms = min(due_floor_ms, new_ms)
        put(layout.CHANGELOG_OFFSET, layout.pack_offset(changelog_offset))
        try:
            opened.database.write(batch)
        except Exception as exc:  # rocksdict raises nothing narrower
            raise self._failure(partition, exc) from exc
        opened.changelog_offset = changelog_offset
        opened.due_floor_ms = due_floor_ms

    def due_before(self, partition: int, instant_ms: int, limit: int) -> list[Due]:
        """Return up to *limit* entries with ``at_ms <= instant_ms``, soonest first, ties by key."""
        opened = self._opened(partition)
        if limit <= 0 or instant_ms < opened.due_floor_ms:
            return []
        start, end = layout.due_key(opened.due_floor_ms, b""), layout.due_end(instant_ms)
        try:
            rows = islice(_rows(opened.database, start, end), limit)
            found = [layout.due_entry(row_key) for row_key, _ in rows]
        except Exception as exc:  # rocksdict raises nothing narrower
            raise self._failure(partition, exc) from exc
        opened.due_floor_ms = found[0].at_ms if found else min(instant_ms + 1, layout.MAX_MS)
        return found

    def changelog_offset(self, partition: int) -> int | None:
        """Return the last changelog offset included, None when nothing was written yet. It is kept in memory."""
        return self._opened(partition).changelog_offset

    def iterate(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        """Return an iterator over every key and value, in key order, as of the call; closing the partition ends it."""
        opened = self._opened(partition)
        scan = _Scan(opened.database, partial(self._failure, partition))
        opened.scans.add(scan)
        return scan

    def size_bytes(self, partition: int) -> int:
        """Return the bytes of *partition*'s tables on disk and of what is not written out yet; RocksDB keeps the sums."""
        database = self._opened(partition).database
        return sum(database.property_int_value(name) or 0 for name in _SIZES)

    def drop(self, partition: int) -> None:
        """Forget everything of *partition*, open or not: its files and what was set aside of it."""
        self.close(partition)
        self.claim()
        Quarantine(self._directory, partition).remove_all()

    def close(self, partition: int) -> None:
        """Release *partition*; what was written stays. Closing what is not open changes nothing."""
        opened = self._partitions.pop(partition, None)
        if opened is not None:
            opened.close()

    def close_all(self) -> None:
        """Release every open partition and the directory."""
        for partition in list(self._partitions):
            self.close(partition)
        self._lock.release()

    def _opened(self, partition: int) -> _Partition:
        try:
            return self._partitions[partition]
        except KeyError:
            raise not_open(partition) from None

    def claim(self) -> None:
        """
        Make the directory, for this user alone, and lock it; claiming twice changes nothing.

        Raises ConfigError when it cannot be made, or another process holds it.
        """
        try:
            self._directory.parent.mkdir(parents=True, exist_ok=True)
            self._directory.mkdir(mode=0o700, exist_ok=True)
        except OSError as exc:
            raise self._refusal(self._directory, f"the state directory cannot be made: {exc.strerror}") from exc
        self._lock.acquire()

    def _connect(self, path: Path) -> tuple[rocksdict.Rdict | None, str]:
        """Return the database at *path*, or None and the reason why what is there has to be set aside."""
        try:
            database = rocksdict.Rdict(str(path), self._budgets.options())
            found = database.get(layout.FORMAT)
            is_fresh = found is None and next(iter(database.items()), None) is None
        except Exception as exc:  # rocksdict raises nothing narrower
            if any(sign in str(exc) for sign in _DAMAGE):
                return None, _first_line(exc)
            raise self._refusal(path, _first_line(exc)) from exc
        if is_fresh or found == layout.FORMAT_NOW:
            return database, ""
        database.close()
        return None, f"its format is {found!r}, this version writes {layout.FORMAT_NOW!r}"

    def _label(self, path: Path, database: rocksdict.Rdict) -> None:
        """Write format and app id into a new database; refuse one that another app id wrote."""
        owner = database.get(layout.APP_ID)
        if owner is None:
            batch = rocksdict.WriteBatch(raw_mode=True)
            batch.put(layout.FORMAT, layout.FORMAT_NOW)
            batch.put(layout.APP_ID, self._app_id)
            database.write(batch)
        elif owner != self._app_id:
            raise ConfigError(
                where=str(path),
                problem=f"this is the state of app id {owner.decode(errors='replace')!r}, not of {self._app_id.decode()!r}",
                fix="set LEADSCORE_APP_ID back, or LEADSCORE_STORE to another directory (it is filled from the changelog)",
            )

    def _failure(self, partition: int, exc: Exception) -> RestartRequired:
        """Return what to raise for a failed read or write; a damaged database is marked, to be set aside at the next open."""
        problem = _first_line(exc)
        if any(sign in str(exc) for sign in _DAMAGE):
            Quarantine(self._directory, partition).mark()
            problem += "; it will be set aside and restored from the changelog"
        return RestartRequired(what=f"store, partition {partition}", problem=problem)

    @staticmethod
    def _refusal(path: Path, problem: str) -> ConfigError:
        return ConfigError(
            where=str(path),
            problem=problem,
            fix="make room and give this user the right to write there, or set LEADSCORE_STORE to another directory",
        )


def _first_line(exc: Exception) -> str:
    return str(exc).splitlines()[0][:300] if str(exc) else type(exc).__name__
