"""
Due entries of contacts that are gone leave the index of a RocksDB database.

A fast load leaves entries behind that nobody heeds (see rocksdb_load). They hold the id of their contact, which must not outlive
an erasure: so before deletions are purged, the index is looked through.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import rocksdict

from worker.clock import monotonic
from worker.stores import rocksdb_layout as layout
from worker.stores.rocksdb_rows import rows_between

_STEPS_S = 0.01
"""One step of all databases of a store together; each looks up _AT_ONCE contacts at least, about 1 ms."""
_AT_ONCE = 50


class Sweep:
    """
    One look through the due index of the database *rows*, in steps, from *floor_ms* on: no entry lies before it.

    A contact that is deleted meanwhile may be missed.
    """

    def __init__(self, rows: rocksdict.Rdict, floor_ms: int) -> None:
        self._rows = rows
        self._next = layout.due_key(floor_ms, b"")

    def step(self, sweeps: int) -> bool:
        """
        Go on for a few ms; whether all of it was looked through. Raises what rocksdict raises.

        *sweeps* of the store, this one included, share the time.
        """
        until = monotonic() + _STEPS_S / sweeps
        entries = rows_between(self._rows, self._next, layout.AFTER_DUE)
        while found := [row_key for row_key, _ in islice(entries, _AT_ONCE)]:
            self._delete_of_nobody(found)
            self._next = found[-1] + b"\x00"
            if monotonic() >= until:
                return False
        return True

    def _delete_of_nobody(self, row_keys: list[bytes]) -> None:
        values: Any = self._rows.get([layout.CONTACT + layout.due_entry(row_key).key for row_key in row_keys])
        batch = rocksdict.WriteBatch(raw_mode=True)
        for row_key, value in zip(row_keys, values, strict=True):
            if value is None:
                batch.delete(row_key)
        if not batch.is_empty():
            self._rows.write(batch)
