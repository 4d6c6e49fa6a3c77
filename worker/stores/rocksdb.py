"""
Contacts in RocksDB: one database a partition, below one directory that one process owns.

Writes go to RocksDB's log without fsync. The changelog is the truth: after a crash of the process nothing is missing,
after a power cut an older state comes back that knows its changelog offset, and the rest is restored from there.
"""

from __future__ import annotations

import logging
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path

import rocksdict

from worker.errors import ConfigError, RestartRequired
from worker.logs import log_event
from worker.stores import rocksdb_layout as layout
from worker.stores.base import Due, DueChange, DueOf
from worker.stores.checks import check_expected, not_open
from worker.stores.directory_lock import DirectoryLock, keep_to_ourselves
from worker.stores.left_behind import LeftBehind
from worker.stores.quarantine import Quarantine
from worker.stores.rocksdb_database import Database, Scan
from worker.stores.rocksdb_errors import disk_error, first_line, is_damage
from worker.stores.rocksdb_load import Load
from worker.stores.rocksdb_options import Budgets
from worker.stores.rocksdb_purge import DELETED_MS, REPLACED_MS
from worker.stores.rocksdb_rows import rows_between

_log = logging.getLogger(__name__)

_SIZES = ("rocksdb.total-sst-files-size", "rocksdb.cur-size-all-mem-tables")


class RocksDbStore:
    """
    A ContactStore of RocksDB databases in *directory*, which is made, with its parents, when first needed.

    The directory is locked from the first `open` until `close_all`.
    """

    def __init__(
        self,
        directory: Path,
        *,
        app_id: str = "lead-scoring",
        memory_bytes: int = 96 << 20,
        purge_after_ms: tuple[int, int] = (DELETED_MS, REPLACED_MS),
    ) -> None:
        self._directory = directory
        self._purge_after_ms = purge_after_ms
        self._app_id = app_id.encode()
        self._lock = DirectoryLock(directory, app_id)
        self._left_behind = LeftBehind(directory)
        self._budgets = Budgets(memory_bytes)
        self._partitions: dict[int, Database] = {}

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
            opened = Database(database, self._purge_after_ms)
        except BaseException:
            database.close()
            raise
        self._partitions[partition] = opened
        log_event(_log, logging.DEBUG, "store_opened", partition=partition)

    def get_many(self, partition: int, keys: Sequence[bytes]) -> list[bytes | None]:
        """Return the values of *keys* in their order, None for each that is absent."""
        rows = self._opened(partition).rows
        contact = layout.CONTACT
        try:
            return rows.get([contact + key for key in keys])  # type: ignore[return-value]  # a list for a list
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
        if opened.load is not None:
            raise RuntimeError(
                f"partition {partition} is being loaded: a write in between would outlive rows before it"
            )
        batch = rocksdict.WriteBatch(raw_mode=True)
        put, contact, due_floor_ms = batch.put, layout.CONTACT, opened.due_floor_ms
        for key, value in puts.items():
            put(contact + key, value)
        is_deleting = False
        for key in deletes:
            batch.delete(contact + key)
            is_deleting = True
        for key, old_ms, new_ms in due:
            if old_ms is not None:
                batch.delete(layout.due_key(old_ms, key))
            if new_ms is not None:
                put(layout.due_key(new_ms, key), b"")
                due_floor_ms = min(due_floor_ms, new_ms)
        put(layout.CHANGELOG_OFFSET, layout.pack_offset(changelog_offset))
        opened.purge.note_write(batch, deletes=is_deleting)
        try:
            opened.rows.write(batch)
        except Exception as exc:  # rocksdict raises nothing narrower
            raise self._failure(partition, exc) from exc
        opened.changelog_offset = changelog_offset
        opened.due_floor_ms = due_floor_ms

    def load(
        self,
        partition: int,
        rows: Mapping[bytes, bytes | None],
        due_of: DueOf,
        expected_changelog_offset: int | None,
        changelog_offset: int,
    ) -> None:
        """Write *rows* of a restore; see ContactStore."""
        opened = self._opened(partition)
        check_expected(partition, opened.changelog_offset, expected_changelog_offset)
        try:
            opened.load = opened.load or Load(opened.rows, opened.purge, is_resumed=False)
            loads = sum(one.is_filling for one in self._partitions.values())
            opened.load.add(rows, due_of, changelog_offset, loads=loads)
        except Exception as exc:
            if type(exc) is not Exception:  # of *due_of*; rocksdict raises nothing narrower
                raise
            raise self._failure(partition, exc) from exc
        opened.changelog_offset = changelog_offset

    def is_loading(self, partition: int) -> bool:
        """Whether a load has begun and not ended, by this process or an earlier one."""
        return self._opened(partition).load is not None

    def end_load(self, partition: int, due_of: DueOf) -> Generator[None, None, None]:
        """Make what was loaded durable and known to `due_before`; see ContactStore."""
        opened = self._opened(partition)
        try:
            if opened.load is not None:
                yield from opened.load.end(due_of)
        except Exception as exc:
            if type(exc) is not Exception:
                raise
            raise self._failure(partition, exc) from exc
        opened.load, opened.due_floor_ms = None, layout.MIN_MS

    def due_before(self, partition: int, instant_ms: int, limit: int) -> list[Due]:
        """Return up to *limit* entries with ``at_ms <= instant_ms``, soonest first, ties by key."""
        opened = self._opened(partition)
        if limit <= 0 or instant_ms < opened.due_floor_ms:
            return []
        start, end = layout.due_key(opened.due_floor_ms, b""), layout.due_end(instant_ms)
        try:
            found = [layout.due_entry(row_key) for row_key, _ in islice(rows_between(opened.rows, start, end), limit)]
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
        scan = Scan(opened.rows, partial(self._failure, partition))
        opened.scans.add(scan)
        return scan

    def size_bytes(self, partition: int) -> int:
        """Return the bytes of *partition*'s tables on disk and of what is not written out yet; RocksDB keeps the sums."""
        rows = self._opened(partition).rows
        return sum(rows.property_int_value(name) or 0 for name in _SIZES)

    def tidy(self, partition: int) -> None:
        """Go on with the purge of what was deleted or replaced, and remove what nobody works on any more; see ContactStore."""
        opened = self._opened(partition)
        if opened.load is None:
            try:
                sweeping = sum(one.purge.is_sweeping for one in self._partitions.values())
                opened.purge.go_on(opened.due_floor_ms, sweeping)
            except Exception as exc:  # rocksdict raises nothing narrower
                raise self._failure(partition, exc) from exc
        self._left_behind.remove_old(self._partitions)

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

    def _opened(self, partition: int) -> Database:
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
            keep_to_ourselves(self._directory)
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
            if is_damage(exc):
                return None, first_line(exc)
            raise disk_error(self._directory, exc) or self._refusal(path, first_line(exc)) from exc
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

    def _failure(self, partition: int, exc: Exception) -> Exception:
        """Return what to raise for a failed read or write; a damaged database is marked, to be set aside at the next open."""
        if (error := disk_error(self._directory, exc)) is not None:
            return error
        problem = first_line(exc)
        if is_damage(exc):
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
