"""The door to the contract: bytes that anybody may have written become an `Event`, or are refused with what is wrong."""

from __future__ import annotations

from typing import Final

import msgspec

from worker.contracts.event import Event, Written
from worker.contracts.event_examination import depth_of, examine
from worker.contracts.event_rules import (
    CHECKED_TYPES,
    INFINITE_DIGITS,
    MAX_DEPTH,
    MAX_EVENT_BYTES,
    MAX_ID_BYTES,
)
from worker.contracts.instants import MAX_INSTANT_MS, MIN_INSTANT_MS, parse_instant

_decode: Final = msgspec.json.Decoder(Written).decode
_BRACKET: Final = ord("[")
_ZEROS_FOR_DIGITS: Final = bytes.maketrans(b"0123456789", b"0" * 10)
_TOO_MANY_DIGITS: Final = b"0" * INFINITE_DIGITS
_DIGITS_IN_A_ROW: Final = b"0" * (INFINITE_DIGITS // 64)


def decode_event(value: bytes | None, key: bytes | None) -> Event:
    """
    Return the event that *value* holds.

    Args:
        value: The record's value: an object in JSON, UTF-8. Of a repeated key the last counts, an
            optional field that is null is missing, integers keep all their digits.
        key: The record's key; None is accepted, any other must be the `contact_id` in UTF-8.

    Raises:
        EventRefused: *value* is no event; the first code that applies of `event.null_value`,
            `event.too_large`, `event.too_deep`, `event.not_json`, `event.not_object`,
            `event.missing_field`, `event.bad_field`, `event.bad_time`, `event.key_mismatch`.

    >>> decode_event(b'{"id":"1","contact_id":"c","type":"t","occurred_at":631152000000}', b"c").type
    't'
    """
    # Written out in one body: each function called from here would cost a tenth of it.
    if (
        value is not None
        and (size := len(value)) <= MAX_EVENT_BYTES
        # `in` takes a twentieth of the time of `count`, and most events have no array.
        and (value.count(b"{") + (_BRACKET in value and value.count(b"[")) <= MAX_DEPTH or depth_of(value) <= MAX_DEPTH)
        and (size < INFINITE_DIGITS or not _has_absurd_integer(value))
    ):
        try:
            # The decoder skips unknown fields without a look at their UTF-8.
            if not value.isascii():
                str(value, "utf-8")
            written = _decode(value)
            occurred_at = written.occurred_at
            if occurred_at.__class__ is str:
                occurred_at = parse_instant(occurred_at)
            contact_id = written.contact_id
            contact_key = contact_id.encode()
            if (
                MIN_INSTANT_MS <= occurred_at <= MAX_INSTANT_MS  # type: ignore[operator]
                and contact_id.isprintable()
                and (key == contact_key or key is None)
                and len(contact_key) <= MAX_ID_BYTES
                and (written.id.isascii() or len(written.id.encode()) <= MAX_ID_BYTES)
                and (written.type.isascii() or len(written.type.encode()) <= MAX_ID_BYTES)
                and written.type not in CHECKED_TYPES
            ):
                return Event(
                    written.id,
                    contact_id,
                    written.type,
                    occurred_at,  # type: ignore[arg-type]
                    written.source,
                    written.machine is True,
                    written.properties or {},
                )
        except (msgspec.DecodeError, ValueError):
            pass
    # Rare: something is wrong, or only looks so (a repeated key whose first value is of another
    # type). This reads it again, slowly, and says precisely what is wrong, or that nothing is.
    return Event(*examine(value, key))


def _has_absurd_integer(value: bytes) -> bool:
    """Whether an integer may be infinite as a double: comparing it with one would raise far from here."""
    # In every 64th byte first, where so long a run shows as four digits in a row.
    sample = value[::64].translate(_ZEROS_FOR_DIGITS)
    return _DIGITS_IN_A_ROW in sample and _TOO_MANY_DIGITS in value.translate(_ZEROS_FOR_DIGITS)
