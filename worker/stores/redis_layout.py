"""
How a partition lies in Redis: one hash and one sorted set, so that none of it can be evicted or flushed without being missed.

The hash holds the contacts and, in fields of their own, who owns the partition and the changelog offset it stands at: one HMGET
gives values together with the proof that they are the right ones. The sorted set is the due index; all scores are 0, so that its
order is that of the members' bytes: exact for every instant, where a score, being a double, is exact up to 2**53 only.

Both keys of a partition share a hash tag, app id and partition, and thus a slot.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from worker.stores.base import Due

PREFIX = "leadscore:"
"""All keys begin with it: what the user in an ACL may be limited to."""
LAYOUT = "1"
"""Raised when this layout changes; the keys of another layout are not seen, and the state is restored from the changelog."""

CONTACT = b"c"
"""Before a contact's key in the hash, so that no contact id can meet the fields below."""
OWNER = b"m:owner"
OFFSET = b"m:offset"
LOADING = b"m:loading"
"""There while a restore loads rows: the due index is not to be trusted yet. Each pass that makes the index has a mark of its own."""
LOADED = b"1"
"""The mark before the first pass."""
REFUSED = b"m:refused"

ANCHOR = b""
"""A member of every due index, before all others: where it is missing, the index is not the one we wrote."""

_INSTANT = struct.Struct(">Q")
_SHIFT = 1 << 63  # makes the order of unsigned bytes the order of signed instants
_KEY_AT = _INSTANT.size
_MIN_MS, _MAX_MS = -_SHIFT, _SHIFT - 1


class Keys(NamedTuple):
    """The two keys of a partition."""

    contacts: str
    due: str


def keys_of(app_id: str, partition: int) -> Keys:
    """
    Return the keys of *partition*.

    >>> keys_of("lead-scoring", 3).due
    'leadscore:{lead-scoring:3}:1:due'
    """
    start = f"{PREFIX}{{{app_id}:{partition}}}:{LAYOUT}"
    return Keys(f"{start}:contacts", f"{start}:due")


def due_member(at_ms: int, key: bytes) -> bytes:
    """Return the member of a due entry; entries sort by instant, then by key."""
    return _INSTANT.pack(at_ms + _SHIFT) + key


def due_end(instant_ms: int) -> bytes:
    """Return the end, for ZRANGEBYLEX, of the entries with ``at_ms <= instant_ms``."""
    return b"+" if instant_ms >= _MAX_MS else b"(" + _INSTANT.pack(max(instant_ms, _MIN_MS - 1) + 1 + _SHIFT)


def due_entry(member: bytes) -> Due:
    """Return the entry that `due_member` made *member* of."""
    return Due(_INSTANT.unpack_from(member)[0] - _SHIFT, member[_KEY_AT:])


def offset_text(offset: int | None) -> bytes:
    """Return *offset* as it is stored, empty for none."""
    return b"" if offset is None else b"%d" % offset


def read_offset(text: bytes | None) -> int | None:
    """Return the offset that `offset_text` wrote as *text*."""
    return int(text) if text else None
