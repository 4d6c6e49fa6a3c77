"""Any object of the engine as plain text, floats to the last bit: what two runs must share, whatever it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from tests.support.slots import slot_names

CACHED = frozenset({"_head", "_update_bytes", "dropped_keys", "fit", "ids", "keyed"})
"""What an object knows only to be quick, or says once."""
UNORDERED = frozenset({"attributes", "attribute_dates"})
"""Names of what has no order; that of other dictionaries counts, sums depend on it."""


def frozen(value: Any) -> str:
    """
    Return *value* as text that is equal for equal content only.

    >>> frozen({"b": [1.0, (None,)]}), frozen({"b": [1, (None,)]})
    ("{'b': [1.0, [None]]}", "{'b': [1, [None]]}")
    """
    return repr(_plain(value))


def _plain(value: Any) -> Any:
    if value is None or (isinstance(value, bool | int | float | str | bytes) and not isinstance(value, Enum)):
        return value
    if isinstance(value, Enum):
        return value.name
    if isinstance(value, Mapping):
        plain = {_plain(key): _plain(one) for key, one in value.items()}
        # Names of attributes have no order; that of rules and groups counts, sums depend on it.
        return dict(sorted(plain.items())) if all(isinstance(key, str) for key in plain) else plain
    if isinstance(value, AbstractSet):
        return sorted((_plain(one) for one in value), key=repr)
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return (
        type(value).__name__,
        {name: _part(name, getattr(value, name)) for name in _names(value) if name not in CACHED},
    )


def _part(name: str, value: Any) -> Any:
    plain = _plain(value)
    return sorted(plain.items()) if name in UNORDERED and isinstance(plain, dict) else plain


def _names(value: Any) -> list[str]:
    if is_dataclass(value):
        return [one.name for one in fields(value)]
    struct_fields = getattr(value, "__struct_fields__", None)
    if struct_fields is not None:
        return list(struct_fields)
    return slot_names(value)
