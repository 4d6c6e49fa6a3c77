"""The bounds of an event and the types with a meaning of their own; constants only."""

from __future__ import annotations

from typing import Final

MAX_EVENT_BYTES: Final = 256 * 1024
"""Of the record's value."""

MAX_DEPTH: Final = 32
"""Levels of objects and arrays; the event itself is level 1."""

MAX_ID_BYTES: Final = 128
"""Of `id`, `contact_id` and `type`, in UTF-8; at least 1."""

INFINITE_DIGITS: Final = 309
"""An integer of fewer digits is finite as a double; one of as many may not be."""

MAX_ADJUSTMENT_POINTS: Final = 1_000_000
"""Bound on `points` given by hand, either way."""

SALES_TYPES: Final = frozenset({"sales.accepted", "sales.rejected", "sales.recycled", "sales.won", "sales.lost"})
"""What sales did with a lead."""

ADJUSTMENT_TYPE: Final = "score.adjusted"
"""Points given by hand."""

UPDATE_TYPE: Final = "contact.updated"
"""Attributes of the contact."""

ERASURE_TYPE: Final = "contact.erased"
"""The end of everything known of a contact."""

CHECKED_TYPES: Final = SALES_TYPES | {ADJUSTMENT_TYPE}
"""Types whose properties are prescribed; those of all others are anything."""

RESERVED_TYPES: Final = CHECKED_TYPES | {UPDATE_TYPE, ERASURE_TYPE}
"""Types with an effect of their own, whatever the rules of a model say."""
