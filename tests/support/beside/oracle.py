"""
What the bare rules come to, read a second way: nothing of the worker and nothing of any contender is used.

It knows the whole of a contact's past, so it needs no limit on what it remembers, and it keeps what fades at one common instant
instead of carrying it from event to event.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

_HALF_LIFE_S = 14 * 86_400
_READY_AT, _REARM_BELOW = 100.0, 80.0
_NEARLY = 1e-9  # as much as a score may lack of a threshold and still have reached it
_COMMON_S = 1_756_684_800  # 2025-09-01T00:00:00Z

_ONCE = {
    "newsletter.subscribed": (10.0, None),
    "form.submitted": (20.0, "form_id"),
    "asset.downloaded": (20.0, "asset_id"),
    "webinar.attended": (30.0, "webinar_id"),
}
_EACH_TIME = {
    "page.viewed": 1.0,
    "email.opened": 1.0,
    "email.clicked": 5.0,
    "email.replied": 10.0,
    "demo.requested": 100.0,
    "email.unsubscribed": -50.0,
}


class Ready(NamedTuple):
    """A contact became sales-ready."""

    contact: str
    event: str
    at_ms: int


class Cooled(NamedTuple):
    """A contact that was ready no longer is."""

    contact: str
    at_ms: int
    cause: str  # an event type, or "timer"


@dataclass
class Truth:
    """Everything that must have been told."""

    ready: dict[Ready, float] = field(default_factory=dict)  # with its score
    cooled: Counter[Cooled] = field(default_factory=Counter)
    duplicates: int = 0
    contacts: int = 0


@dataclass
class _Contact:
    lasting: float = 0.0
    fading: float = 0.0  # as if all of it had been given at the common instant
    ids: set[str] = field(default_factory=set)
    once: set[tuple[str, Any]] = field(default_factory=set)
    days: set[date] = field(default_factory=set)
    weeks: set[tuple[int, int]] = field(default_factory=set)
    is_ready: bool = False

    def score(self, at_s: float) -> float:
        return max(0.0, self.lasting + self.fading * math.exp2((_COMMON_S - at_s) / _HALF_LIFE_S))

    def is_below(self, at_s: float) -> bool:
        return self.score(at_s) + _NEARLY < _REARM_BELOW

    def cools_at(self) -> int | None:
        """Return the first whole second at which it lies below the rearm line if nothing happens; None: never."""
        line = _REARM_BELOW - _NEARLY - self.lasting
        if self.fading <= 0 or line <= 0:
            return None
        second = math.ceil(_COMMON_S + _HALF_LIFE_S * math.log2(self.fading / line))
        while self.is_below(second - 1):
            second -= 1
        while not self.is_below(second):
            second += 1
        return second


def truth_of(lines: Iterable[bytes], until_ms: int) -> Truth:
    """
    Return what is told of the events in *lines*, in their order, when time has passed up to *until_ms* at their end.

    Event times are whole seconds in ms, and never go back but for repeats.
    """
    found = Truth()
    contacts: dict[str, _Contact] = {}
    for line in lines:
        event = json.loads(line)
        name = event["contact_id"]
        contact = contacts.setdefault(name, _Contact())
        if event["id"] in contact.ids:
            found.duplicates += 1
            continue
        contact.ids.add(event["id"])
        at_s = event["occurred_at"] // 1000
        _cool(found, name, contact, at_s)
        points = _give(contact, event, at_s)
        score = contact.score(at_s)
        if contact.is_ready and contact.is_below(at_s):
            contact.is_ready = False
            found.cooled[Cooled(name, at_s * 1000, event["type"])] += 1
        elif not contact.is_ready and any(one >= 0 for one in points) and score + _NEARLY >= _READY_AT:
            contact.is_ready = True
            found.ready[Ready(name, event["id"], at_s * 1000)] = score
    for name, contact in contacts.items():
        _cool(found, name, contact, until_ms // 1000)
    found.contacts = len(contacts)
    return found


def _cool(found: Truth, name: str, contact: _Contact, until_s: int) -> None:
    """Let time pass up to *until_s*."""
    if not contact.is_ready:
        return
    second = contact.cools_at()
    if second is not None and second <= until_s:
        contact.is_ready = False
        found.cooled[Cooled(name, second * 1000, "timer")] += 1


def _give(contact: _Contact, event: dict[str, Any], at_s: int) -> list[float]:
    """Give what *event* is worth; return the points, one number for each rule that gave some."""
    kind, given = event["type"], []
    when = datetime.fromtimestamp(at_s, UTC)
    if kind in _ONCE:
        points, name = _ONCE[kind]
        key = (kind, event["properties"][name] if name else None)
        if key not in contact.once:
            contact.once.add(key)
            contact.lasting += points
            given.append(points)
        return given
    if kind in _EACH_TIME:
        given.append(_EACH_TIME[kind])
    if kind == "session.started" and when.date() not in contact.days:
        contact.days.add(when.date())
        given.append(5.0)
    if kind == "page.viewed" and event["properties"]["path"].startswith("/pricing"):
        week = (when.isocalendar().year, when.isocalendar().week)
        if week not in contact.weeks:
            contact.weeks.add(week)
            given.append(15.0)
    contact.fading += sum(given) * math.exp2((at_s - _COMMON_S) / _HALF_LIFE_S)
    return given
