"""What stays of an erased contact: a keyed hash and an instant, so that older events cannot bring it back."""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING

import msgspec

from worker.scoring.codec import body_of, fence_of, pack_header
from worker.scoring.contact import Contact

if TYPE_CHECKING:
    from worker.scoring.contact import Fence

GRAVE_KEY = b"\x01"
"""Begin of the keys of gravestones, followed by the hash; no contact's key begins so."""
FIRST_CONTACT_BYTE = 2
"""Keys that begin with a smaller byte belong to the worker (partition row, model rows, gravestones) and are never due."""
_HASH_BYTES = 16

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(int).decode


def grave_key(key: bytes, erasure_key: bytes) -> bytes:
    """Return the key of the gravestone of the contact *key*; without the *erasure_key* nobody can tell whose it is."""
    return GRAVE_KEY + blake2b(key, key=erasure_key, digest_size=_HASH_BYTES).digest()


def grave_key_of(key: bytes, erasure_key: bytes) -> bytes | None:
    """Return the key of the gravestone that rows under *key* are as old as; None for what is no contact."""
    return grave_key(key, erasure_key) if key[0] >= FIRST_CONTACT_BYTE else None


def encode_grave(erased_ms: int, fence: Fence) -> bytes:
    """Return the gravestone of a contact erased at *erased_ms*."""
    return pack_header(fence, None) + _encode(erased_ms)


def contact_of_grave(value: bytes, models: int) -> Contact:
    """Return a contact of whom nothing is known but the erasure stored as *value*."""
    contact = Contact(models)
    contact.fence = fence_of(value)
    contact.erased_ms = _decode(body_of(value))
    return contact
