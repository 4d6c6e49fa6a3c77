"""
The second, slow reading of a record that did not pass as an event at once: what exactly is wrong with it.

It repeats no value: paths and problems end up in headers and logs, where contact data must not be.
"""

from __future__ import annotations

import json
import math
import re
from itertools import accumulate
from typing import Any, Final, NamedTuple

from worker.contracts.event_rules import (
    ADJUSTMENT_TYPE,
    INFINITE_DIGITS,
    MAX_ADJUSTMENT_POINTS,
    MAX_DEPTH,
    MAX_EVENT_BYTES,
    MAX_ID_BYTES,
    SALES_TYPES,
)
from worker.contracts.instants import MAX_INSTANT_MS, MIN_INSTANT_MS, parse_instant
from worker.errors import EventRefused

_REQUIRED: Final = ("id", "contact_id", "type", "occurred_at")
_REQUIRED_OF_AN_ADJUSTMENT: Final = ("points", "reason")
_CONTROL_CHARACTER: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PLAIN_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
# An unterminated string runs to the end.
_STRING: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"?', re.DOTALL)
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_BRACKET_STEPS: Final = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
# In valid JSON a backslash stands in strings only. A pair is consumed whole, so what group 1
# finds is a half of none.
_ESCAPE: Final = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}"
    r"|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)
_MIN_YEAR_1_MS: Final = -62_135_596_800_000
_MAX_YEAR_9999_MS: Final = 253_402_300_799_999


class Fields(NamedTuple):
    """The fields of an event, in its order."""

    id: str
    contact_id: str
    type: str
    occurred_at: int
    source: str | None
    machine: bool
    properties: dict[str, Any]


class _AbsurdNumber:
    """Stands for NaN, an infinity, or a number that a double cannot hold."""


_ABSURD: Final = _AbsurdNumber()


def examine(value: bytes | None, key: bytes | None) -> Fields:
    """
    Return the fields of the event that *value* holds; see `worker.contracts.event.decode_event`.

    Raises:
        EventRefused: With the first code that applies.
    """
    document = _parse(value)
    if not isinstance(document, dict):
        raise _refused("not_object", "$", "the value is JSON, but no object")
    _require(document)
    fields = _check(document)
    if key is not None and key != fields.contact_id.encode():
        raise _refused("key_mismatch", "$.contact_id", "it is not the record key")
    return fields


def depth_of(value: bytes) -> int:
    """
    Return how deeply objects and arrays are nested in *value*, JSON or not; brackets in strings do not count.

    >>> depth_of(b'{"a": [[]], "b": "[[[[["}')
    3
    """
    brackets = _STRING.sub(b"", value).translate(_BRACKET_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(brackets).cast("b"), initial=0))


def _refused(code: str, path: str, problem: str) -> EventRefused:
    return EventRefused(event_code=f"event.{code}", path=path, problem=problem)


def _parse(value: bytes | None) -> Any:  # noqa: ANN401 - any JSON
    if value is None:
        raise _refused("null_value", "$", "the record has no value")
    if len(value) > MAX_EVENT_BYTES:
        raise _refused("too_large", "$", f"{len(value):,} bytes; at most {MAX_EVENT_BYTES:,} are read")
    if depth_of(value) > MAX_DEPTH:
        raise _refused("too_deep", "$", f"objects and arrays nest deeper than {MAX_DEPTH} levels")
    try:
        text = value.decode("utf-8")
        document = _JSON.decode(text)
    except UnicodeDecodeError as exc:
        raise _refused("not_json", "$", f"no UTF-8 at byte {exc.start}") from None
    except json.JSONDecodeError as exc:
        raise _refused("not_json", "$", f"no JSON at character {exc.pos}") from None
    for escape in _ESCAPE.finditer(text):
        if escape[1]:
            problem = f"half of a surrogate pair at character {escape.start()}"
            raise _refused("not_json", "$", problem)
    return document


def _parse_int(digits: str) -> int | _AbsurdNumber:
    # float() of so many digits is quick and gives an infinity; int() would refuse 4,301 of them.
    if len(digits) >= INFINITE_DIGITS and math.isinf(float(digits)):
        return _ABSURD
    return int(digits)


def _parse_float(digits: str) -> float | _AbsurdNumber:
    number = float(digits)
    return _ABSURD if math.isinf(number) else number


_JSON: Final = json.JSONDecoder(parse_int=_parse_int, parse_float=_parse_float, parse_constant=lambda _: _ABSURD)


def _require(document: dict[str, Any]) -> None:
    for name in _REQUIRED:
        if name not in document:
            raise _refused("missing_field", f"$.{name}", "it is required")
    if document["type"] != ADJUSTMENT_TYPE:
        return
    properties = document.get("properties")
    if properties is None or isinstance(properties, dict):
        for name in _REQUIRED_OF_AN_ADJUSTMENT:
            if name not in (properties or {}):
                problem = f"an event of type {ADJUSTMENT_TYPE} requires it"
                raise _refused("missing_field", f"$.properties.{name}", problem)


def _check(document: dict[str, Any]) -> Fields:
    """Judge each field's type in the order of `Event`, then the properties, then the time itself."""
    for name in ("id", "contact_id", "type"):
        _check_id(document[name], f"$.{name}")
    if _CONTROL_CHARACTER.search(document["contact_id"]):
        raise _refused("bad_field", "$.contact_id", "it has a control character")
    occurred_at = document["occurred_at"]
    if not _is_integer(occurred_at) and not isinstance(occurred_at, str):
        problem = "it is neither text nor an integer (without fraction or exponent)"
        raise _refused("bad_field", "$.occurred_at", problem)
    source = document.get("source")
    _check_optional_text(source, "$.source")
    machine = document.get("machine")
    if machine is not None and not isinstance(machine, bool):
        raise _refused("bad_field", "$.machine", "it is neither true nor false")
    properties = document.get("properties")
    if properties is None:
        properties = {}
    if not isinstance(properties, dict):
        raise _refused("bad_field", "$.properties", "it is no object")
    _check_properties(document["type"], properties)
    return Fields(
        id=document["id"],
        contact_id=document["contact_id"],
        type=document["type"],
        occurred_at=_event_time(occurred_at),
        source=source,
        machine=machine is True,
        properties=properties,
    )


def _event_time(occurred_at: str | int) -> int:
    try:
        instant_ms = parse_instant(occurred_at) if isinstance(occurred_at, str) else occurred_at
    except ValueError as exc:
        raise _refused("bad_time", "$.occurred_at", str(exc)) from None
    if not MIN_INSTANT_MS <= instant_ms <= MAX_INSTANT_MS:
        problem = "it lies outside the years 1990 to 2099 (a number is milliseconds, not seconds)"
        raise _refused("bad_time", "$.occurred_at", problem)
    return instant_ms


def _check_properties(event_type: str, properties: dict[str, Any]) -> None:
    path = _path_of_absurd_number(properties, "$.properties")
    if path is not None:
        raise _refused("bad_field", path, "it is no finite number that a double can hold")
    if event_type == ADJUSTMENT_TYPE:
        _check_adjustment(properties)
    elif event_type in SALES_TYPES:
        for name in ("reason", "model"):
            _check_optional_text(properties.get(name), f"$.properties.{name}")
        sequence = properties.get("sequence")
        if sequence is not None and not _is_integer(sequence):
            problem = "it is no integer (without fraction or exponent)"
            raise _refused("bad_field", "$.properties.sequence", problem)


def _check_adjustment(properties: dict[str, Any]) -> None:
    points = properties["points"]
    if isinstance(points, bool) or not isinstance(points, int | float):
        raise _refused("bad_field", "$.properties.points", "it is no number")
    if abs(points) > MAX_ADJUSTMENT_POINTS:
        problem = f"it is beyond ±{MAX_ADJUSTMENT_POINTS:,}"
        raise _refused("bad_field", "$.properties.points", problem)
    if not isinstance(properties["reason"], str):
        raise _refused("bad_field", "$.properties.reason", "it is no text")
    for name in ("author", "group"):
        _check_optional_text(properties.get(name), f"$.properties.{name}")
    expires_at = properties.get("expires_at")
    if expires_at is not None and not _is_time(expires_at):
        problem = "it is neither RFC 3339 text with offset nor integer milliseconds"
        raise _refused("bad_field", "$.properties.expires_at", problem)


def _is_time(value: object) -> bool:
    """Whether *value* is an instant of the years 1 to 9999: `9999-12-31` is how people write never."""
    if isinstance(value, str):
        try:
            value = parse_instant(value)
        except ValueError:
            return False
    return _is_integer(value) and _MIN_YEAR_1_MS <= value <= _MAX_YEAR_9999_MS  # type: ignore[operator]


def _is_integer(value: object) -> bool:
    # As written: 1.0 and 1e3 are doubles, and a producer that writes them has lost digits before.
    return isinstance(value, int) and not isinstance(value, bool)


def _check_id(value: object, path: str) -> None:
    if not isinstance(value, str):
        raise _refused("bad_field", path, "it is no text")
    if not 1 <= len(value.encode()) <= MAX_ID_BYTES:
        raise _refused("bad_field", path, f"it has not 1 to {MAX_ID_BYTES} bytes in UTF-8")


def _check_optional_text(value: object, path: str) -> None:
    if value is not None and not isinstance(value, str):
        raise _refused("bad_field", path, "it is no text")


def _path_of_absurd_number(value: object, path: str) -> str | None:
    if value is _ABSURD:
        return path
    if isinstance(value, dict):
        below = [(child, f"{path}{_step(name)}") for name, child in value.items()]
    elif isinstance(value, list):
        below = [(child, f"{path}[{index}]") for index, child in enumerate(value)]
    else:
        return None
    found = (_path_of_absurd_number(child, child_path) for child, child_path in below)
    return next((at for at in found if at is not None), None)


def _step(name: str) -> str:
    # Keys are the producer's own and may be an address; one that is no plain name is not repeated.
    return f".{name}" if _PLAIN_NAME.fullmatch(name) else "[...]"
