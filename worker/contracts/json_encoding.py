"""The one way we write JSON: compact, keys sorted, so that equal contents have equal bytes."""

from __future__ import annotations

from typing import Any

import orjson


def encode_json(value: Any) -> bytes:  # noqa: ANN401 - any JSON
    """
    Return *value* as compact UTF-8 JSON with sorted keys.

    Raises:
        TypeError: *value* holds something that is no JSON.

    >>> encode_json({"b": 1, "a": 2**64})
    b'{"a":18446744073709551616,"b":1}'
    """
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        # orjson knows integers of 64 bits; contacts' attributes may have more.
        return orjson.dumps(_spell_integers(value), option=orjson.OPT_SORT_KEYS)


def _spell_integers(value: Any) -> Any:  # noqa: ANN401 - any JSON
    if isinstance(value, dict):
        return {name: _spell_integers(child) for name, child in value.items()}
    if isinstance(value, list | tuple):
        return [_spell_integers(child) for child in value]
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        return orjson.Fragment(str(value))
    return value
