"""What is known of a contact: attributes, merged key by key; the later event wins."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.naive.events import NaiveEvent

LONGEST_VALUE = 1_024
"""In bytes of compact JSON; what is longer is as good as null."""
_NULL_BYTES = 4


@dataclass
class Known:
    """
    The attributes of a contact, and when each was written last.

    A key that was removed is in *dates* alone. Of all keys only those in *kept* are looked at.
    """

    kept: frozenset[str] = frozenset()
    attributes: dict[str, Any] = field(default_factory=dict)
    dates: dict[str, int] = field(default_factory=dict)


def compact_bytes(value: Any) -> int:
    """
    Return how long *value* is as compact JSON in UTF-8.

    >>> compact_bytes({"a": "é"})
    10
    """
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def written_by(kept: frozenset[str], event: NaiveEvent) -> Mapping[str, Any]:
    """Return the kept keys that *event* writes; an over-long value is null."""
    if event.type != "contact.updated":
        return {}
    return {
        key: value if compact_bytes(value) <= LONGEST_VALUE else None
        for key, value in event.properties.items()
        if key in kept
    }


def dropped_by(kept: frozenset[str], event: NaiveEvent) -> int:
    """Return how many values of *event* are too long to be kept."""
    return sum(value is None and event.properties[key] is not None for key, value in written_by(kept, event).items())


def carried_bytes(kept: frozenset[str], event: NaiveEvent) -> int:
    """Return how many bytes of attribute values *event* makes the window carry."""
    written = written_by(kept, event).values()
    return sum(_NULL_BYTES if value is None else compact_bytes(value) for value in written)


def merge(known: Known, event: NaiveEvent) -> None:
    """Write what *event* says over what is older or as old; null removes."""
    for key, value in written_by(known.kept, event).items():
        if key in known.dates and event.at < known.dates[key]:
            continue
        known.dates[key] = event.at
        if value is None:
            known.attributes.pop(key, None)
        else:
            known.attributes[key] = value


def forget_removals(known: Known, horizon: int) -> None:
    """Forget when keys were removed before *horizon*: the window has passed them."""
    removed = [key for key, date in known.dates.items() if key not in known.attributes and date < horizon]
    for key in removed:
        del known.dates[key]
