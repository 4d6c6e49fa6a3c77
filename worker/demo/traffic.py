"""
What the contacts of a believable company do, as events in the order in which they happen.

Pure: the same arguments give the same events; nothing reads a clock. The mail side (campaigns, opens by machines before any
human saw the mail, clicks, bounces) and the web side (visits, forms, demo requests) meet in one queue ordered by event time.
"""

from __future__ import annotations

import heapq
from random import Random
from typing import TYPE_CHECKING, Any

from worker.contracts.instants import (
    MS_PER_DAY,
    MS_PER_HOUR,
    MS_PER_MINUTE,
    MS_PER_SECOND,
    format_instant,
)
from worker.demo.personas import Contact, contacts_of

if TYPE_CHECKING:
    from collections.abc import Iterator

Event = dict[str, Any]

_TUESDAY, _THURSDAY, _SATURDAY = 1, 3, 5
_FORMS = ("contact", "trial", "newsletter-extra", "roi-calculator")
_ASSETS = ("buyers-guide", "benchmark-report", "security-paper", "case-study-retail", "case-study-energy")
_LINKS = ("/blog/benchmarks", "/webinars", "/pricing", "/customers")
# Only to guess whom sales would call; the worker's scores come from its model.
_ROUGH_POINTS = {
    "newsletter.subscribed": 10, "form.submitted": 15, "asset.downloaded": 15, "webinar.registered": 10, "webinar.attended": 30,
    "demo.requested": 100, "session.started": 2, "email.clicked": 4, "email.unsubscribed": -50,
}  # fmt: skip
_HOT = 100.0
_SALES_ANSWERS = 0.5  # of the leads they are told; the others cool when nobody calls


def weekday(instant_ms: int) -> int:
    """
    Return the day of the week in UTC, Monday = 0.

    >>> weekday(0)
    3
    """
    return (instant_ms // MS_PER_DAY + _THURSDAY) % 7


def company_events(*, seed: int, contacts: int, start_ms: int, end_ms: int) -> Iterator[tuple[int, Event]]:
    """
    Yield ``(occurred_at in ms, event)`` in time order, from *start_ms* up to but not including *end_ms*.

    Args:
        seed: The same seed gives the same story.
        contacts: How many people there are.
        start_ms: UTC ms; campaigns and habits follow its calendar.
        end_ms: UTC ms; nothing is dated later, also not what a reaction to something earlier would be.

    Raises:
        ValueError: *contacts* is below 1.
    """
    if contacts < 1:
        raise ValueError(f"contacts must be at least 1, got {contacts}")
    return _Company(seed, contacts, start_ms, end_ms).events()


class _Company:
    """The queue of what is going to happen, filled one day ahead."""

    def __init__(self, seed: int, contacts: int, start_ms: int, end_ms: int) -> None:
        self._random = Random(seed)
        self._start_ms, self._end_ms = start_ms, end_ms
        days = -(-(end_ms - start_ms) // MS_PER_DAY)
        self._days = max(days, 0)
        self._people = contacts_of(self._random, contacts, self._days)
        self._queue: list[tuple[int, int, Event]] = []
        self._count = 0

    def events(self) -> Iterator[tuple[int, Event]]:
        for day in range(self._days):
            midnight = self._start_ms + day * MS_PER_DAY
            self._fill(day, midnight)
            until = min(midnight + MS_PER_DAY, self._end_ms)
            while self._queue and self._queue[0][0] < until:
                at, _, event = heapq.heappop(self._queue)
                yield at, event

    def _fill(self, day: int, midnight: int) -> None:
        today = weekday(midnight)
        for person in self._people:
            if day < person.joins_on:
                continue
            if day == person.joins_on and self._chance(person.persona.subscribes):
                person.is_listed = True
                self._add(self._office_hours(midnight), person, "newsletter.subscribed", "web")
            is_interested = day <= person.interested_until
            quiet = 0.15 if today >= _SATURDAY else 1.0
            if is_interested and self._chance(person.persona.visits_a_day * quiet):
                self._visit(self._office_hours(midnight), person)
            if today == _TUESDAY and person.is_listed and day > person.joins_on:
                self._mail(midnight, person, f"newsletter-{day // 7:03}")
            if today == _THURSDAY and is_interested and self._chance(person.persona.attends / 2):
                self._webinar(midnight, person, f"webinar-{day // 14:02}")
            if person.points >= _HOT and not person.told_sales:
                person.told_sales = True
                if self._chance(_SALES_ANSWERS):
                    self._sales_answer(midnight, person)

    def _visit(self, at: int, person: Contact) -> None:
        self._add(at, person, "session.started", "web")
        for _ in range(self._random.randint(1, 5)):
            at += self._random.randint(5, 180) * MS_PER_SECOND
            path = self._random.choice(person.persona.pages)
            self._add(at, person, "page.viewed", "web", path=path)
            if path.startswith("/pricing") and self._chance(person.persona.asks_for_demo):
                self._add(at + MS_PER_MINUTE, person, "demo.requested", "web")
                return
        if self._chance(person.persona.acts):
            at += self._random.randint(20, 300) * MS_PER_SECOND
            if self._chance(0.5):
                self._add(at, person, "asset.downloaded", "web", asset_id=self._random.choice(_ASSETS))
            else:
                self._add(at, person, "form.submitted", "web", form_id=self._random.choice(_FORMS))

    def _mail(self, midnight: int, person: Contact, message_id: str) -> None:
        at = midnight + 9 * MS_PER_HOUR + self._random.randrange(30 * MS_PER_MINUTE)
        if person.persona.name == "stale address" and self._chance(0.4):
            person.is_listed = False
            self._add(at, person, "email.bounced", "mail", message_id=message_id, kind="hard")
            return
        self._add(at, person, "email.delivered", "mail", message_id=message_id)
        if person.mail_prefetches:
            seconds = self._random.randint(1, 20)
            self._add(at + seconds * MS_PER_SECOND, person, "email.opened", "mail", machine=True, message_id=message_id)
        if self._chance(person.persona.opens):
            self._read(at + int(self._random.expovariate(1 / (4 * MS_PER_HOUR))) + MS_PER_MINUTE, person, message_id)
        elif self._chance(0.0005):
            person.is_listed = False
            self._add(at + MS_PER_HOUR, person, "email.spam_reported", "mail", message_id=message_id)

    def _read(self, at: int, person: Contact, message_id: str) -> None:
        self._add(at, person, "email.opened", "mail", message_id=message_id)
        at += self._random.randint(5, 120) * MS_PER_SECOND
        if self._chance(person.persona.clicks):
            self._add(at, person, "email.clicked", "mail", message_id=message_id, url=self._random.choice(_LINKS))
            if self._chance(0.5):
                self._visit(at + MS_PER_SECOND, person)
        if self._chance(person.persona.replies):
            self._add(at + MS_PER_HOUR, person, "email.replied", "mail", message_id=message_id)
        if self._chance(person.persona.leaves):
            person.is_listed = False
            self._add(at + MS_PER_MINUTE, person, "email.unsubscribed", "mail", message_id=message_id)

    def _webinar(self, midnight: int, person: Contact, webinar_id: str) -> None:
        self._add(midnight + 10 * MS_PER_HOUR, person, "webinar.registered", "webinar", webinar_id=webinar_id)
        if self._chance(0.65):
            joined = midnight + 15 * MS_PER_HOUR + self._random.randrange(10 * MS_PER_MINUTE)
            self._add(joined, person, "webinar.attended", "webinar", webinar_id=webinar_id)

    def _sales_answer(self, midnight: int, person: Contact) -> None:
        at = self._office_hours(midnight + self._random.randint(2, 9) * MS_PER_DAY)
        kind, reason, lasts_days = self._random.choices(
            (
                ("sales.won", "signed", 0),
                ("sales.rejected", "too small", 0),
                ("sales.recycled", "no budget this quarter", 20),
            ),
            weights=(3, 3, 4),
        )[0]
        if kind == "sales.recycled":
            person.points, person.told_sales = 0.0, False  # they may come back
            person.interested_until += lasts_days
        self._add(at, person, kind, "crm", reason=reason)

    def _office_hours(self, midnight: int) -> int:
        """Return an instant of that day, most likely in the afternoon (UTC)."""
        return midnight + int(self._random.triangular(6, 22, 14) * MS_PER_HOUR)

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability

    def _add(
        self, at: int, person: Contact, event_type: str, source: str, /, *, machine: bool = False, **properties: str
    ) -> None:
        self._count += 1
        event: Event = {
            "id": f"{source}-{self._count:07}",
            "contact_id": person.contact_id,
            "type": event_type,
            "occurred_at": format_instant(at),
            "source": source,
        }
        if machine:
            event["machine"] = True
        if properties:
            event["properties"] = properties
        person.points += 0 if machine else _ROUGH_POINTS.get(event_type, 0)
        heapq.heappush(self._queue, (at, self._count, event))
