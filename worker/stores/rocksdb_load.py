"""
A restore into an empty RocksDB database: rows without log, and due entries that lag behind them.

Without its log RocksDB loses what it had not written out when the process dies, but never parts: tables are written in the
order of the writes, and each write holds its changelog offset. A restore goes on from there.

Values are not read back for the due entries that they leave behind: that would cost more than all else. Entries wait in
memory, where a later one of the same contact replaces an earlier one. Those that were written out before stay as hints that
nobody heeds, until their instant comes or a purge finds that their contact is gone. When there are too many of them, and after a
crash, which has lost those in memory, the index is made anew in one pass over what is stored.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping

import rocksdict

from worker.stores import rocksdb_layout as layout
from worker.stores.base import DueOf
from worker.stores.rocksdb_purge import Purge

_WAITING = 40_000
"""Due entries of a partition in memory, some 6 MB."""
_ALL_WAITING = 200_000
"""The same of all partitions that are loaded together."""
_AT_ONCE = 2_000
"""Written, or looked at, before the caller gets a turn: some 5 ms."""
_SAMPLED = 64
"""One contact of so many is remembered, to tell how often due entries are left behind."""

# Compaction while rows come in fast would slow them down in the end, and a writer that is slowed down holds the
# interpreter's lock meanwhile: no heartbeat, no status. What it rewrites soon need not be compressed before.
_WHILE_LOADING = {"disable_auto_compactions": "true", "compression": "kNoCompression"}
_AFTERWARDS = {"disable_auto_compactions": "false", "compression": "kLZ4Compression"}

UNLOGGED = rocksdict.WriteOptions()
UNLOGGED.disable_wal = True  # type: ignore[method-assign, assignment]  # a property, whatever its stub says


class Load:
    """
    A load of the database *rows* that is under way.

    Args:
        rows: The database.
        purge: Hears of what is written.
        is_resumed: Whether an earlier process has begun it.
    """

    def __init__(self, rows: rocksdict.Rdict, purge: Purge, *, is_resumed: bool) -> None:
        self._rows = rows
        self._purge = purge
        self._due: dict[bytes, int | None] = {}  # not yet in the index
        self._sample: set[bytes] = set()  # of the contacts whose entries were written
        self._left_behind = 0  # entries of sampled contacts that another one replaced
        self._is_index_whole = not is_resumed
        self._has_written = False  # any entry
        rows.set_options(_WHILE_LOADING)
        if not is_resumed:
            rows.put(layout.LOADING, b"")  # before the first row: until the end the index is known to lack some

    def add(self, rows: Mapping[bytes, bytes | None], due_of: DueOf, changelog_offset: int, *, loads: int) -> None:
        """
        Write *rows* and the offset they stand at, all or nothing, in memory for now; raises what rocksdict raises.

        *loads* of the store, this one included, share the memory for due entries.
        """
        batch = rocksdict.WriteBatch(raw_mode=True)
        put, delete, contact = batch.put, batch.delete, layout.CONTACT
        due: dict[bytes, int | None] = {}
        for key, value in rows.items():
            if value is None:
                delete(contact + key)
                due[key] = None
            else:
                put(contact + key, value)
                due[key] = due_of(key, value)
        put(layout.CHANGELOG_OFFSET, layout.pack_offset(changelog_offset))
        self._purge.note_write(batch, deletes=None in rows.values())
        self._rows.write(batch, UNLOGGED)
        self._due |= due
        if len(self._due) >= min(_WAITING, _ALL_WAITING // loads):
            for _ in self._write_due():
                pass

    def end(self, due_of: DueOf) -> Generator[None, None, None]:
        """Make the index whole and write everything out; yields every few milliseconds. Raises what rocksdict raises."""
        is_index_whole = self._is_index_whole and self._left_behind <= len(self._sample)
        self._is_index_whole = False  # should this be given up in between
        last = rocksdict.WriteBatch(raw_mode=True)
        if is_index_whole:
            if self._has_written:
                last.put(layout.HINTS, b"")
            yield from self._write_due()
        else:
            yield from self._make_index(due_of)
        last.delete(layout.LOADING)
        self._rows.write(last, UNLOGGED)
        self._rows.flush()  # later writes are logged again, and must not come back after a crash without what they stand on
        self._rows.set_options(_AFTERWARDS)

    def _make_index(self, due_of: DueOf) -> Generator[None, None, None]:
        self._due = {}
        self._rows.delete_range(layout.DUE, layout.AFTER_DUE, UNLOGGED)
        reading = rocksdict.ReadOptions()
        reading.set_iterate_upper_bound(layout.AFTER_CONTACTS)  # both live as long as the cursor, see rows_between
        cursor = self._rows.iter(read_opt=reading)
        cursor.seek(layout.CONTACT)
        start, due = len(layout.CONTACT), self._due
        seen = 0
        while cursor.valid():
            key = cursor.key()[start:]
            if (at_ms := due_of(key, cursor.value())) is not None:
                due[key] = at_ms
            cursor.next()
            seen += 1
            if not seen % _AT_ONCE:
                yield
            if len(due) >= _WAITING:
                yield from self._write_due()
                due = self._due
        cursor.status()
        yield from self._write_due()

    def _write_due(self) -> Generator[None, None, None]:
        """Write what waits, in order: neighbours go in faster."""
        due_key, sample = layout.due_key, self._sample
        self._has_written = True
        entries = []
        for key, at_ms in self._due.items():
            if at_ms is not None:
                entries.append(due_key(at_ms, key))
            if not hash(key) % _SAMPLED:
                self._left_behind += key in sample
                sample.add(key)
        self._due = {}
        entries.sort()
        for start in range(0, len(entries), _AT_ONCE):
            batch = rocksdict.WriteBatch(raw_mode=True)
            put = batch.put
            for row_key in entries[start : start + _AT_ONCE]:
                put(row_key, b"")
            self._rows.write(batch, UNLOGGED)
            yield
