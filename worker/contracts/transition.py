"""What sales is told: the value and the headers of a record of the qualifications topic."""

from __future__ import annotations

from typing import Any, Final, Literal
from uuid import UUID, uuid5

import msgspec

from worker.contracts.json_encoding import encode_json

SCHEMA: Final = "lead-qualification/1"
CE_SOURCE: Final = "/leadscore/worker"

# Never to be changed: consumers recognise repeats by ids made in it.
_NAMESPACE: Final = UUID("5f0c2b5e-6a0d-5d3e-9b7c-3d1f0a6e8c41")

Kind = Literal["lead.sales_ready", "lead.cooled", "lead.tier_changed"]


class Reason(msgspec.Struct, frozen=True):
    """What one line of the explanation contributes to the score: a rule, or a pool as a whole."""

    rule: str
    points: float  # now
    awarded: float  # when given, before they faded
    count: int  # awards
    last_at: str | None = None  # RFC 3339; the newest award; None where there was none


class EventSource(msgspec.Struct, frozen=True):
    """The event that led to a transition, and where it lies."""

    id: str
    topic: str
    partition: int
    offset: int


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """One change of what sales knows of a lead; a repeat of it has the same id and the same bytes."""

    id: str  # `transition_id`
    kind: Kind
    contact_id: str
    model: str
    version: int
    digest: str  # of the model: SHA-256, hex
    sequence: int  # of lead.sales_ready and its lead.cooled; of lead.tier_changed its own
    cause: str  # the event's type, or `timer`
    at: str  # RFC 3339; the instant the score was read for
    epoch: int | None = None  # ms of the contact's last erasure; None: never erased
    score: float | None = None  # all of these are absent after an erasure
    tier: str | None = None
    groups: dict[str, float] | None = None
    previous_score: float | None = None
    previous_tier: str | None = None
    first_ready_at: str | None = None
    last_ready_at: str | None = None
    event: EventSource | None = None  # None for `timer`
    reasons: list[Reason] | None = None
    attributes: dict[str, Any] | None = None  # as the model includes; null where missing
    schema: str = SCHEMA


def transition_id(contact_id: str, model: str, epoch: int, number: int, kind: str) -> str:
    """
    Return the id by which consumers know a repeat: a UUIDv5 of the five, joined by `|`.

    Args:
        contact_id: The contact.
        model: The model's name.
        epoch: ms of the contact's last erasure, 0 when there was none.
        number: The sequence number; for `lead.tier_changed` its own counter.
        kind: `lead.sales_ready`, `lead.cooled` or `lead.tier_changed`.

    >>> transition_id("c1", "simple-100", 0, 1, "lead.sales_ready")
    '7694c107-820e-5b3d-a316-1bfd50f3f855'
    """
    return str(uuid5(_NAMESPACE, f"{contact_id}|{model}|{epoch}|{number}|{kind}"))


def encode_transition(transition: Transition) -> bytes:
    """Return *transition* as JSON with sorted keys; what is None is left out, but not null attributes."""
    fields = _present(transition)
    if transition.event is not None:
        fields["event"] = _present(transition.event)
    if transition.reasons is not None:
        fields["reasons"] = [_present(reason) for reason in transition.reasons]
    return encode_json(fields)


def transition_headers(transition: Transition) -> list[tuple[str, bytes]]:
    """Return CloudEvents 1.0 headers, binary content mode; of the contact only its id, as `ce_subject`."""
    return [
        ("ce_specversion", b"1.0"),
        ("ce_id", transition.id.encode()),
        ("ce_type", transition.kind.encode()),
        ("ce_source", CE_SOURCE.encode()),
        ("ce_time", transition.at.encode()),
        ("ce_subject", transition.contact_id.encode()),
        ("content-type", b"application/json"),
    ]


def _present(struct: msgspec.Struct) -> dict[str, Any]:
    return {name: value for name in struct.__struct_fields__ if (value := getattr(struct, name)) is not None}
