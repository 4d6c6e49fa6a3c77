"""Seeded events for measuring: busy contacts by Zipf's law, every kind of event that simple-100 scores, some sent twice."""

from __future__ import annotations

import uuid
from bisect import bisect
from collections.abc import Iterator, Mapping
from itertools import accumulate
from random import Random
from typing import Any, NamedTuple

import orjson

from worker.contracts.instants import MS_PER_DAY, format_instant, parse_instant
from worker.contracts.partitioner import partition_of

PARTITIONS = 4
START_MS = parse_instant("2025-09-01T00:00:00Z")
SPAN_MS = 60 * MS_PER_DAY
EVENTS_A_CONTACT = 10
_SEED = 20_251_101
_ZIPF = 1.1
_REPEATED = 0.01
_REPEATED_WITHIN = 50
_FIRST, _LAST = "first", "last"

# How often each kind comes, in percent: visits and opens are most of what a company sees.
_KINDS = {
    "page.viewed": 33.0,
    "email.opened": 18.0,
    "session.started": 18.0,
    "email.clicked": 8.0,
    "asset.downloaded": 4.5,
    "form.submitted": 4.0,
    "newsletter.subscribed": 3.0,
    "webinar.registered": 3.0,
    "email.bounced": 2.5,
    "webinar.attended": 2.0,
    "email.unsubscribed": 1.5,
    "email.replied": 1.5,
    "demo.requested": 0.5,
    "email.spam_reported": 0.2,
    "sales.rejected": 0.2,
    "sales.won": 0.1,
}
_PATHS = (
    "/",
    "/product",
    "/product/tour",
    "/docs/start",
    "/blog/scoring",
    "/customers",
    "/about",
    "/pricing",
    "/careers",
)
_ATTRIBUTES: dict[str, tuple[Any, ...]] = {
    "email_kind": ("business", "business", "free", None),
    "seniority": ("c-level", "director", "manager", "intern"),
    "function": ("marketing", "it", "legal", None),
    "country": ("de", "us", "gb", "zz"),
    "employees": (5, 49, 50, 1_000),
    "phone": ("+49 30 1234567",),  # no model asks for it
}
_SOURCES = ("web", "mailer", "app", "webinar", "crm")


class Sent(NamedTuple):
    """An event on its way to the broker."""

    contact_id: str
    value: bytes


def event_stream(count: int) -> Iterator[Sent]:
    """
    Yield *count* events in time order over 60 days: a tenth as many contacts, 1 % of the events sent twice.

    The first event of each partition is a demo request of a contact of its own, and so is the last one: both make a lead
    sales-ready at once, so the broker's time of these transitions is when the work began and ended.
    The same *count* gives the same bytes.

    Raises:
        ValueError: *count* leaves nothing between these.
    """
    if count <= 2 * PARTITIONS:
        raise ValueError(f"needs more than {2 * PARTITIONS} events, got {count}")
    random = Random(_SEED)
    for contact in marked_contacts(_FIRST):
        yield _sent(event_of(random, contact, "demo.requested", START_MS))
    yield from _traffic(random, count - 2 * PARTITIONS, _KINDS)
    for contact in marked_contacts(_LAST):
        yield _sent(event_of(random, contact, "demo.requested", START_MS + SPAN_MS))


def traffic(count: int, kinds: Mapping[str, float] | None = None) -> Iterator[Sent]:
    """
    Yield *count* events as `event_stream` does, without those of its own contacts that begin and end it.

    *kinds* are weights by event type; None for those of `event_stream`. The same arguments give the same bytes.
    """
    yield from _traffic(Random(_SEED), count, kinds or _KINDS)


def kinds_with(share: float, *types: str) -> dict[str, float]:
    """Return the kinds of `event_stream`, of which *share* (0 to 1) are of *types* instead, evenly."""
    usual = sum(_KINDS.values())
    return _KINDS | dict.fromkeys(types, usual * share / (1 - share) / len(types))


def _traffic(random: Random, count: int, weighted: Mapping[str, float]) -> Iterator[Sent]:
    contacts = max(1, count // EVENTS_A_CONTACT)
    order = list(range(contacts))
    random.shuffle(order)  # so that busy contacts are not neighbours
    weights = list(accumulate((rank + 1) ** -_ZIPF for rank in range(contacts)))
    kinds, kind_weights = list(weighted), list(accumulate(weighted.values()))
    repeats: list[tuple[int, Sent]] = []  # by the place at which they come again
    for place in range(count):
        if repeats and repeats[0][0] <= place:
            yield repeats.pop(0)[1]
            continue
        contact = f"contact-{order[bisect(weights, random.random() * weights[-1])]:07}"
        kind = kinds[bisect(kind_weights, random.random() * kind_weights[-1])]
        sent = _sent(event_of(random, contact, kind, START_MS + SPAN_MS * place // count))
        if random.random() < _REPEATED:
            repeats.append((place + 1 + random.randrange(_REPEATED_WITHIN), sent))
            repeats.sort(key=lambda repeat: repeat[0])
        yield sent


def event_of(random: Random, contact: str, kind: str, at_ms: int) -> dict[str, Any]:
    """Return an event of type *kind* that *contact* has at *at_ms*."""
    number = random.randrange(40)
    path = random.choice(_PATHS)
    properties: dict[str, Any] = {"campaign": f"autumn-{number:02}"}
    match kind.partition("."):
        case ("page", _, _) | ("session", _, _):
            properties |= {"path": path, "referrer": "https://www.example.com/search"}
        case ("email", _, "bounced"):
            properties["kind"] = "hard" if number < 10 else "soft"
        case ("email", _, _):
            properties |= {"message_id": f"message-{number:02}", "url": f"https://www.example.com{path}"}
        case ("form", _, _):
            properties["form_id"] = f"form-{number % 20:02}"
        case ("asset", _, _):
            properties["asset_id"] = f"asset-{number:02}"
        case ("webinar", _, _):
            properties["webinar_id"] = f"webinar-{number % 10:02}"
        case ("contact", _, "updated"):
            names = random.sample(list(_ATTRIBUTES), random.randint(1, 3))
            properties |= {name: random.choice(_ATTRIBUTES[name]) for name in names}
        case ("score", _, "adjusted"):
            expires_at = format_instant(at_ms + (1 + number) * MS_PER_DAY)
            properties |= {"points": number - 10, "reason": "met at a fair", "expires_at": expires_at}
    return {
        "id": str(uuid.UUID(int=random.getrandbits(128), version=4)),
        "contact_id": contact,
        "type": kind,
        "occurred_at": format_instant(at_ms),
        "source": random.choice(_SOURCES),
        "properties": properties,
    }


def _sent(event: dict[str, Any]) -> Sent:
    return Sent(event["contact_id"], orjson.dumps(event))


def marked_contacts(name: str) -> list[str]:
    """Return a contact id for each partition, in partition order, beginning with *name*."""
    found: dict[int, str] = {}
    number = 0
    while len(found) < PARTITIONS:
        contact = f"{name}-{number}"
        found.setdefault(partition_of(contact.encode(), PARTITIONS), contact)
        number += 1
    return [found[partition] for partition in range(PARTITIONS)]
