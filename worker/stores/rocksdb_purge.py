"""
What was deleted or replaced leaves the files of a RocksDB database within bounded time, as erasure asks for.

RocksDB keeps a deleted value until a compaction happens to meet it: in a quiet partition for months. So a database remembers
when it is to be purged. Then due entries that a load has left of contacts who are gone are deleted too, its memory is written out,
and its tables are told that they are too many and too old for where they are: background threads merge all of them into the last
level, where a deletion and what it deletes vanish together. This costs about one rewriting of the database; the writer does not
wait for it.
"""

from __future__ import annotations

import enum

import rocksdict

from worker.clock import now_ms
from worker.stores import rocksdb_layout as layout
from worker.stores.rocksdb_sweep import Sweep

DELETED_MS = 3_600_000
"""How long a deletion waits for others to share a purge with."""
REPLACED_MS = 86_400_000
"""The same for a value that another one has replaced: what it held may have been erased in part."""
_AGE_MS = 3_000
"""When a table has been there so long, it is above the age that is set meanwhile, a second."""
_TRY_AGAIN_MS = 15_000
_LAST_LEVEL = 6
_BY_AGE = {"ttl": "1", "level0_file_num_compaction_trigger": "1"}
_AS_EVER = {"ttl": "2592000", "level0_file_num_compaction_trigger": "4"}  # RocksDB's own: 30 days, 4 tables


class _Phase(enum.Enum):
    CLEAN = enum.auto()
    WAITING = enum.auto()  # for the time to begin
    SWEEPING = enum.auto()  # looking through the due index
    AGEING = enum.auto()  # written out
    MERGING = enum.auto()


class Purge:
    """
    Watches over one open database.

    Args:
        rows: The database.
        after_ms: How long a deletion, and a replaced value, wait at most.
    """

    def __init__(self, rows: rocksdict.Rdict, after_ms: tuple[int, int] = (DELETED_MS, REPLACED_MS)) -> None:
        self._rows = rows
        self._deleted_ms, self._replaced_ms = after_ms
        stored = rows.get(layout.PURGE_AT)
        self._at_ms = None if stored is None else layout.unpack_offset(stored)
        self._next_ms: int | None = None  # of the purge after the one that is under way
        self._phase = _Phase.CLEAN if stored is None else _Phase.WAITING
        self._step_ms = 0  # when the phase began
        self._sweep: Sweep | None = None
        self._merging: set[str] = set()  # tables whose end is waited for

    @property
    def is_clean(self) -> bool:
        """Whether nothing was written since the last purge."""
        return self._phase is _Phase.CLEAN

    def note_write(self, batch: rocksdict.WriteBatch, *, deletes: bool) -> None:
        """Add to *batch* when its database is to be purged for it; call it for every batch."""
        at_ms = now_ms() + (self._deleted_ms if deletes else self._replaced_ms)
        if self._phase in {_Phase.SWEEPING, _Phase.AGEING, _Phase.MERGING}:
            self._next_ms = at_ms if self._next_ms is None else min(at_ms, self._next_ms)
        elif self._at_ms is None or at_ms < self._at_ms:
            self._at_ms = at_ms
            self._phase = _Phase.WAITING
            batch.put(layout.PURGE_AT, layout.pack_offset(at_ms))

    @property
    def is_sweeping(self) -> bool:
        """Whether the due index is being looked through."""
        return self._phase is _Phase.SWEEPING

    def go_on(self, due_floor_ms: int, sweeping: int) -> None:
        """
        Do the next small step, if it is time; call it now and then. Raises what rocksdict raises.

        No due entry lies before *due_floor_ms*; *sweeping* databases of the store are being looked through.
        """
        now = now_ms()
        if self._phase is _Phase.WAITING and self._at_ms is not None and now >= self._at_ms:
            self._sweep = None if self._rows.get(layout.HINTS) is None else Sweep(self._rows, due_floor_ms)
            self._enter(_Phase.SWEEPING, now)
        if self._phase is _Phase.SWEEPING:
            if self._sweep is None or self._sweep.step(max(1, sweeping)):
                self._sweep = None
                self._rows.flush()  # some milliseconds; the log that holds the values goes with it
                self._enter(_Phase.AGEING, now)
        elif self._phase is _Phase.AGEING and now >= self._step_ms + _AGE_MS:
            self._merging = {name for name, level in self._tables().items() if level < _LAST_LEVEL}
            self._rows.set_options(_BY_AGE)
            self._enter(_Phase.MERGING, now)
        elif self._phase is _Phase.MERGING:
            if not self._unmerged():
                self._end(now)
            elif now >= self._step_ms + _TRY_AGAIN_MS:  # tables that were busy when they were asked
                self._rows.set_options(_BY_AGE)
                self._step_ms = now
            else:
                # A table with nothing below it is moved to the last level as it is, deletions and all. There it is looked
                # at again when a view ends that is younger than itself.
                self._rows.put(layout.PURGE_AT, layout.pack_offset(now))
                view = self._rows.snapshot()
                del view

    def _enter(self, phase: _Phase, now: int) -> None:
        self._phase, self._step_ms = phase, now

    def _end(self, now: int) -> None:
        """Note when the next purge is, if there was a write since this one began."""
        self._rows.set_options(_AS_EVER)
        self._at_ms, self._next_ms = self._next_ms, None
        if self._at_ms is None:
            self._rows.delete(layout.PURGE_AT)
        else:
            self._rows.put(layout.PURGE_AT, layout.pack_offset(self._at_ms))
        self._enter(_Phase.CLEAN if self._at_ms is None else _Phase.WAITING, now)
        # The manifest of before names the first and the last key of tables that are gone; a change has it written anew.
        self._rows.flush()

    def _unmerged(self) -> bool:
        """Whether a table from before is still there, unless it lies in the last level and holds no deletion."""
        tables = {str(table["name"]): table for table in self._rows.live_files()}
        return any(
            name in tables and (tables[name]["level"] < _LAST_LEVEL or tables[name]["num_deletions"])
            for name in self._merging
        )

    def _tables(self) -> dict[str, int]:
        """Return the level of each table by its name."""
        return {str(table["name"]): int(table["level"]) for table in self._rows.live_files()}
