"""How rows lie in a RocksDB database: one byte of kind before every key, so that no contact id can meet an internal key."""

from __future__ import annotations

import struct

from worker.stores.base import Due

CONTACT = b"c"
"""Before a contact's key; rows of this kind end before AFTER_CONTACTS."""
AFTER_CONTACTS = b"d"
DUE = b"d"
"""Before a due entry: 8 bytes of the instant, then the contact's key; the value is empty."""
AFTER_DUE = b"e"

CHANGELOG_OFFSET = b"m-changelog-offset"
FORMAT = b"m-format"
APP_ID = b"m-app-id"
LOADING = b"m-loading"
"""There while a restore fills the database: the due index is still to be made."""
HINTS = b"m-hints"
"""There when a restore may have left due entries that are no contact's any more."""
PURGE_AT = b"m-purge-at"
"""Instant, in ms, at which what was deleted or replaced is to leave the files; not there when nothing was."""
FORMAT_NOW = b"1"
"""Raised when this layout changes; a database of another format is set aside and restored from the changelog."""

_INSTANT = struct.Struct(">Q")
_SHIFT = 1 << 63  # makes the order of unsigned bytes the order of signed instants
_KEY_AT = len(DUE) + _INSTANT.size
MIN_MS, MAX_MS = -_SHIFT, _SHIFT - 1


def due_key(at_ms: int, key: bytes) -> bytes:
    """Return the row key of a due entry; entries sort by instant, then by key."""
    return DUE + _INSTANT.pack(at_ms + _SHIFT) + key


def due_end(instant_ms: int) -> bytes:
    """Return the first row key after every entry with ``at_ms <= instant_ms``."""
    return AFTER_DUE if instant_ms >= MAX_MS else DUE + _INSTANT.pack(max(instant_ms, MIN_MS - 1) + 1 + _SHIFT)


def due_entry(row_key: bytes) -> Due:
    """Return the entry that `due_key` made *row_key* of."""
    return Due(_INSTANT.unpack_from(row_key, len(DUE))[0] - _SHIFT, row_key[_KEY_AT:])


def pack_offset(offset: int) -> bytes:
    """Return *offset* as the stored value."""
    return _INSTANT.pack(offset)


def unpack_offset(value: bytes) -> int:
    """Return the offset that `pack_offset` packed."""
    return int(_INSTANT.unpack(value)[0])
