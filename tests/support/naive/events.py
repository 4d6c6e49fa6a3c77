"""Events as plain values, out of decoded JSON; what is no event is the caller's mistake here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

UNIX_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
RESERVED = frozenset(
    {
        "contact.updated",
        "contact.erased",
        "score.adjusted",
        "sales.accepted",
        "sales.rejected",
        "sales.recycled",
        "sales.won",
        "sales.lost",
    }
)


def to_ms(instant: str | int) -> int:
    """
    Return *instant* in UTC ms; digits below the ms are cut.

    >>> to_ms("1970-01-01T01:00:00.0019+01:00")
    1
    """
    if isinstance(instant, int):
        return instant
    return (datetime.fromisoformat(instant) - UNIX_EPOCH) // timedelta(milliseconds=1)


@dataclass(frozen=True, eq=False)
class NaiveEvent:
    """One thing a contact did; two with equal content are still two."""

    id: str
    contact_id: str
    type: str
    at: int
    source: str | None = None
    machine: bool = False
    properties: Mapping[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> tuple[int, bytes]:
        """Where the event sorts: by instant, and by id where instants are equal."""
        return self.at, self.id.encode()


def read_event(decoded: Mapping[str, Any]) -> NaiveEvent:
    """Return the event in *decoded* JSON; an optional field that is null is missing."""
    return NaiveEvent(
        id=decoded["id"],
        contact_id=decoded["contact_id"],
        type=decoded["type"],
        at=to_ms(decoded["occurred_at"]),
        source=decoded.get("source"),
        machine=decoded.get("machine") or False,
        properties=decoded.get("properties") or {},
    )


def field_of(event: NaiveEvent, name: str, attributes: Mapping[str, Any]) -> Any:
    """Return the value of the field *name* of *event*, or of the contact's *attributes* at that point; missing is None."""
    if name == "type":
        return event.type
    if name == "source":
        return event.source
    root, *path = name.split(".")
    if root == "properties":
        return at_path(event.properties, path)
    if root == "attributes":
        return at_path(attributes, path)
    raise NotImplementedError(name)


def at_path(value: Any, path: Sequence[str]) -> Any:
    """
    Return what lies at *path* within decoded JSON; None when nothing does.

    >>> at_path({"a": {"b": 1}}, ["a", "b"])
    1
    """
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    return value
