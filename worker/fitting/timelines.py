"""Events of a history by contact, each contact's in event time: what is learned from. Repeated ids count once, as they do live."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from worker.contracts.event_decoding import decode_event
from worker.errors import EventRefused

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

Scalar = str | bool | int | float
UPDATED = "contact.updated"
_ERASED = "contact.erased"
_DEEPEST = 3  # levels of `properties` that are looked into


class Happening(NamedTuple):
    """One event, with the scalar values of its properties by their paths, and its line as it was read."""

    at_ms: int
    id: str
    type: str
    is_machine: bool
    values: Mapping[str, Scalar]  # "path" or "outer.inner" -> value; lists and null are not among them
    cleared: tuple[str, ...]  # paths that are null: `contact.updated` removes these attributes
    line: bytes


@dataclass(slots=True)
class Timeline:
    """Everything that is known of one contact, by event time, then id. There is at least one event."""

    contact_id: str
    happenings: list[Happening]

    @property
    def first_ms(self) -> int:
        """Event time of the first event."""
        return self.happenings[0].at_ms

    def until(self, at_ms: int) -> Iterator[Happening]:
        """Yield the events up to and including *at_ms*."""
        for happening in self.happenings:
            if happening.at_ms > at_ms:
                break
            yield happening


@dataclass(slots=True)
class Timelines:
    """A whole history."""

    contacts: list[Timeline] = field(default_factory=list)  # by first event, then contact id
    types: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)  # lines that hold no event, by code

    @property
    def first_ms(self) -> int:
        """Event time of the oldest event; 0 in an empty history."""
        return self.contacts[0].first_ms if self.contacts else 0

    @property
    def last_ms(self) -> int:
        """Event time of the newest event; 0 in an empty history."""
        return max((contact.happenings[-1].at_ms for contact in self.contacts), default=0)


def read_timelines(lines: Iterable[bytes]) -> Timelines:
    """
    Return the events of *lines*, one JSON object each, by contact; empty lines are passed over, what is no event is counted.

    Of events with one id and contact the first line counts. What a `contact.erased` erases is gone, itself included.
    """
    result = Timelines()
    by_contact: dict[str, dict[str, Happening]] = {}
    for line in lines:
        text = line.strip()
        if not text:
            continue
        try:
            event = decode_event(text, None)
        except EventRefused as refused:
            result.refused[refused.event_code] += 1
            continue
        values: dict[str, Scalar] = {}
        cleared: list[str] = []
        _flatten(event.properties, "", values, cleared, _DEEPEST)
        happening = Happening(event.occurred_at, event.id, event.type, event.machine, values, tuple(cleared), text)
        by_contact.setdefault(event.contact_id, {}).setdefault(event.id, happening)
    for contact_id, known in by_contact.items():
        happenings = _unerased(sorted(known.values(), key=lambda one: (one.at_ms, one.id)))
        if happenings:
            result.contacts.append(Timeline(contact_id, happenings))
            result.types.update(one.type for one in happenings)
    result.contacts.sort(key=lambda one: (one.first_ms, one.contact_id))
    return result


def attributes_at(timeline: Timeline, at_ms: int) -> dict[str, Scalar]:
    """Return the attributes of a contact as its `contact.updated` events up to *at_ms* left them, by path."""
    attributes: dict[str, Scalar] = {}
    for happening in timeline.until(at_ms):
        if happening.type != UPDATED:
            continue
        # The merge is by top-level key: a new object takes the place of the old one with all that was in it.
        tops = {path.partition(".")[0] for path in (*happening.values, *happening.cleared)}
        attributes = {path: value for path, value in attributes.items() if path.partition(".")[0] not in tops}
        attributes.update(happening.values)
    return attributes


def _unerased(happenings: list[Happening]) -> list[Happening]:
    erased_ms = max((one.at_ms for one in happenings if one.type == _ERASED), default=None)
    return happenings if erased_ms is None else [one for one in happenings if one.at_ms > erased_ms]


def _flatten(
    properties: Mapping[str, object], prefix: str, values: dict[str, Scalar], cleared: list[str], levels: int
) -> None:
    """Collect the scalars of *properties* by path. Keys that no path of a model can name (empty, or with a dot) are left out."""
    for key, value in properties.items():
        if not key or "." in key:
            continue
        path = prefix + key
        if value is None:
            cleared.append(path)
        elif isinstance(value, str | bool | int | float):
            values[path] = value
        elif isinstance(value, dict) and levels > 1:
            _flatten(value, f"{path}.", values, cleared, levels - 1)
