"""The key under which a `once_per` rule remembers an occurrence: one number for each distinct tuple of values."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.contracts.event import Event
    from worker.scoring.model import FieldPath

_CACHED_LENGTH = 128
"""Longer texts are hashed each time: the cache is bounded by entries, and must be in bytes too."""
KEYS_KEPT = 200
"""Keys remembered a rule and contact; when full, the oldest goes."""


def field_value(event: Event, field: FieldPath) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value at *field* of *event*; None when anything on the way is missing."""
    if field.root == "type":
        return event.type
    if field.root == "source":
        return event.source
    value: Any = event.properties
    for name in field.path:
        if type(value) is not dict:
            return None
        value = value.get(name)
    return value


def hash64(data: bytes) -> int:
    """Return a 64-bit BLAKE2b of *data*: stable across processes and releases, unlike `hash`."""
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "big")


def once_key(event: Event, fields: Sequence[FieldPath]) -> tuple[int, bool]:
    """
    Return the key of *event* for *fields*, and whether all its values are missing.

    JSON types are kept apart, text is exact, integers count by all their digits, and 1 equals 1.0. No fields (`contact`) give
    the key 0, the same for every event.
    """
    if not fields:
        return 0, False
    if len(fields) == 1:
        value = field_value(event, fields[0])
        if type(value) is str:  # the usual case: one id
            return _text_key(value) if len(value) <= _CACHED_LENGTH else hash64(b's"' + value.encode()), False
        values = [value]
    else:
        values = [field_value(event, field) for field in fields]
        if all(type(value) is str and len(value) <= _CACHED_LENGTH for value in values):
            return _texts_key(tuple(values)), False
    return hash64(_canonical(values)), all(value is None for value in values)


@lru_cache(maxsize=65_536)
def _text_key(text: str) -> int:
    """Return the key of one text; campaigns, forms and pages come again and again, and a hash costs ten look-ups."""
    return hash64(b's"' + text.encode())


@lru_cache(maxsize=65_536)
def _texts_key(texts: tuple[str, ...]) -> int:
    """Return the key of several texts, as `_canonical` spells them."""
    return hash64(_canonical(list(texts)))


def _canonical(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """Spell *value* so that equal values, and only those, are equal bytes: every part says its type and its length."""
    match value:
        case None:
            return b"n"
        case bool():
            return b"t" if value else b"f"
        case int():
            return b"i%d;" % value
        case float():
            return b"i%d;" % int(value) if value.is_integer() else b"d" + repr(value).encode() + b";"
        case str():
            text = value.encode()
            return b"s%d:" % len(text) + text
        case list():
            return b"l%d:" % len(value) + b"".join(map(_canonical, value))
        case dict():
            parts = sorted((_canonical(name), _canonical(item)) for name, item in value.items())
            return b"o%d:" % len(parts) + b"".join(name + item for name, item in parts)
        case _:
            raise TypeError(f"not a JSON value: {type(value).__name__}")
