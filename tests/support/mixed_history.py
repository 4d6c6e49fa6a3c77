"""
A company's traffic with everything that a history may hold: data about people, points by hand, answers of sales, erasures, in disorder.

Events arrive up to almost the lateness after their time, and some twice: within that, the order of arrival changes nothing, neither in
one file nor in four partitions. Those of a few quiet contacts, whom no model makes ready, come much later still.
"""

from __future__ import annotations

import random
from typing import Any, NamedTuple

import orjson

from tests.support.simulated import START_MS
from worker.contracts.instants import MS_PER_DAY, MS_PER_HOUR, MS_PER_MINUTE, format_instant
from worker.demo.traffic import company_events

Json = dict[str, Any]
MODELS = ("simple-100", "b2b-fit")
_DISORDER_MS = 70 * MS_PER_HOUR  # both models wait 72 hours
_LATE_MS = 12 * MS_PER_DAY
_QUIET = 40
_VALUES: dict[str, tuple[Any, ...]] = {
    "email_kind": ("business", "business", "free", None),
    "seniority": ("C-Level", "director", "manager", "intern", None),
    "function": ("Marketing", "it", "legal", None),
    "country": ("de", "US", "zz", "x" * 1_100),
    "employees": (5, 49.5, 50, 1_000, "many", None),
    "phone": ("+49 30 1234567",),  # no model asks for it
}
_ANSWERS = ("sales.accepted", "sales.rejected", "sales.recycled", "sales.lost", "sales.won")


class History(NamedTuple):
    """Lines in their order of arrival, and the instant of the newest event."""

    lines: list[bytes]
    end_ms: int


class _Arrival(NamedTuple):
    arrives_ms: int
    at_ms: int
    event: Json


def mixed_history(*, seed: int, contacts: int, days: int) -> History:
    """Return a story of *days* days."""
    chance = random.Random(seed)
    end_ms = START_MS + days * MS_PER_DAY
    traffic = company_events(seed=seed, contacts=contacts, start_ms=START_MS, end_ms=end_ms)
    happened = list(traffic)
    for contact in sorted({event["contact_id"] for _, event in happened}):
        happened += _beside(chance, contact, days)
    arrivals = [one for at_ms, event in happened for one in _on_its_way(chance, at_ms, event)]
    for number in range(_QUIET):
        arrivals += _quiet(chance, f"quiet-{number}", chance.randrange(days - 20))
    arrivals.sort(key=lambda one: one.arrives_ms)
    lines = [orjson.dumps(one.event) for one in arrivals]
    return History(lines, max(one.at_ms for one in arrivals))


def _on_its_way(chance: random.Random, at_ms: int, event: Json) -> list[_Arrival]:
    """Return one arrival, or two of the same: most at once, some as late as the models wait."""
    copies = 2 if chance.random() < 0.03 else 1
    return [
        _Arrival(at_ms + (chance.randrange(_DISORDER_MS) if chance.random() < 0.15 else 0), at_ms, event)
        for _ in range(copies)
    ]


def _event(chance: random.Random, contact: str, kind: str, at_ms: int, properties: Json) -> tuple[int, Json]:
    event_id = f"{kind}-{chance.getrandbits(40):010x}"
    event = {"id": event_id, "contact_id": contact, "type": kind, "properties": properties}
    return at_ms, event | {"occurred_at": format_instant(at_ms) if chance.random() < 0.5 else at_ms}


def _beside(chance: random.Random, contact: str, days: int) -> list[tuple[int, Json]]:
    """Return what is learnt of *contact*, what people give, what sales answers, and sometimes its erasure."""

    def some_time() -> int:
        return START_MS + chance.randrange(days * MS_PER_DAY)

    found = [
        _event(chance, contact, "contact.updated", some_time(), _attributes(chance))
        for _ in range(chance.randint(1, 5))
    ]
    for _ in range(chance.randrange(3)):
        at_ms = some_time()
        found.append(_event(chance, contact, "score.adjusted", at_ms, _adjustment(chance, at_ms)))
    for kind, share in (("webinar.attended", 0.4), ("survey.answered", 0.4), ("contact.requested", 0.15)):
        if chance.random() < share:
            found.append(_event(chance, contact, kind, some_time(), {"webinar_id": str(chance.randrange(3))}))
    if chance.random() < 0.5:
        answer: Json = {"reason": "as they said"}
        if chance.random() < 0.5:
            answer["model"] = chance.choice(MODELS)
        if chance.random() < 0.5:
            answer["sequence"] = chance.randrange(3)
        found.append(_event(chance, contact, chance.choice(_ANSWERS), some_time(), answer))
    if chance.random() < 0.25:
        found += [_event(chance, contact, "contact.erased", some_time(), {}) for _ in range(chance.randint(1, 2))]
    return found


def _attributes(chance: random.Random) -> Json:
    names = chance.sample(sorted(_VALUES), chance.randint(1, 4))
    return {name: chance.choice(_VALUES[name]) for name in names}


def _adjustment(chance: random.Random, at_ms: int) -> Json:
    given: Json = {"points": chance.choice((30, 60, 0, -20, 12.5)), "reason": "call", "author": "jane"}
    if chance.random() < 0.6:
        given["group"] = chance.choice(("engagement", "fit", "unknown"))
    if chance.random() < 0.6:
        expires_ms = at_ms + chance.choice((-MS_PER_MINUTE, 0, MS_PER_HOUR, 5 * MS_PER_DAY, 40 * MS_PER_DAY))
        given["expires_at"] = chance.choice((expires_ms, format_instant(expires_ms)))
    return given


def _quiet(chance: random.Random, contact: str, first_day: int) -> list[_Arrival]:
    """Return the few events of a contact that comes nowhere near sales; half of them arrive out of every window."""
    began_ms = START_MS + first_day * MS_PER_DAY
    kinds = ["contact.updated", "page.viewed", "email.opened", "contact.updated", "page.viewed", "score.adjusted"]
    if chance.random() < 0.4:
        kinds.append("contact.erased")
    arrivals = []
    for kind in kinds:
        at_ms = began_ms + chance.randrange(8 * MS_PER_DAY)
        properties: Json = {"path": "/careers/jobs", "message_id": "m"}
        if kind == "contact.updated":
            properties = _attributes(chance)
        elif kind == "score.adjusted":
            properties = {"points": 5, "reason": "late call", "expires_at": at_ms + 60 * MS_PER_DAY}
        event = _event(chance, contact, kind, at_ms, properties)[1]
        arrivals.append(_Arrival(at_ms + chance.choice((0, _LATE_MS)), at_ms, event))
    return arrivals
