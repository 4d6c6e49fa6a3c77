"""One interaction event: the value of an input record, checked once, at the door; never a score, never a clock."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from worker.contracts.event_rules import MAX_ID_BYTES, RESERVED_TYPES

__all__ = ["RESERVED_TYPES", "Event", "Written"]


class Event(msgspec.Struct, frozen=True, gc=False):
    """One thing a contact did. Unknown fields are ignored: producers deploy before we do."""

    id: str  # chosen by the producer; a repeat of it for the same contact counts once
    contact_id: str  # equals the record key, so that one partition sees one contact in order
    type: str  # "form.submitted"; a type that no rule names is worth nothing
    occurred_at: int  # UTC ms; scores depend on it, never on arrival
    source: str | None = None
    machine: bool = False  # prefetch, gateway or bot: the producer knows that no human did it
    properties: dict[str, Any] = {}


_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_BYTES)]


class Written(msgspec.Struct, gc=False):
    """What producers write; not an `Event` yet: two ways to tell the time, and optional fields may be null."""

    id: _Id
    contact_id: _Id
    type: _Id
    occurred_at: str | int
    source: str | None = None
    machine: bool | None = None
    properties: dict[str, Any] | None = None
