"""Rows of a RocksDB database, read in order."""

from __future__ import annotations

from collections.abc import Iterator

import rocksdict


def rows_between(rows: rocksdict.Rdict, start: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Return the rows with ``start <= key < end`` as of the call; damage on the way raises, it does not end them early."""
    # rocksdict 0.3 frees the bound together with the read options: they must live as long as the iterator, or it ends where
    # freed memory says so. And its `items` ends at a damaged block as if that were the last: only the cursor has a status.
    reading = rocksdict.ReadOptions()
    reading.set_iterate_upper_bound(end)
    cursor = rows.iter(read_opt=reading)  # a view of this instant
    cursor.seek(start)
    return _walk(cursor, reading)


def _walk(cursor: rocksdict.RdictIter, reading: rocksdict.ReadOptions) -> Iterator[tuple[bytes, bytes]]:
    while cursor.valid():
        yield cursor.key(), cursor.value()
        cursor.next()
    cursor.status()
    del reading
