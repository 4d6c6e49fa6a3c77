"""Histories of few words for tests of fitting: who did what on which day, and a generated one whose winners are known in advance."""

from __future__ import annotations

from importlib.util import find_spec
from random import Random
from typing import NamedTuple

from tests.support.needs import missing
from tests.support.small import DAY, START, event_value
from worker.fitting.timelines import Timelines, read_timelines


def history(*acts: tuple[str, float, str], contact: str = "c") -> Timelines:
    """Return a history of one contact; an act is (type, day after the start, id), the id may be empty."""
    return read_timelines(value(act, contact) for act in acts)


def value(act: tuple[str, float, str], contact: str = "c") -> bytes:
    """Return one act as an event."""
    name, day, event_id = act
    return event_value(name, START + round(day * DAY), event_id, contact=contact)


def need_regression() -> None:
    """Skip the calling test where scikit-learn is not installed; fail it where every part is demanded."""
    if find_spec("sklearn") is None:
        missing("scikit-learn (the extra `fit`) is not installed")


class Visitor(NamedTuple):
    """A contact of the generated history."""

    lines: list[bytes]
    wins: bool


def visitors(number: int, seed: int = 7) -> list[Visitor]:
    """
    Return *number* contacts, one every 2 h: who asks for a demo wins four times in five, others once in ten.

    Each signs up at once and reads pages at random; a win is signed on day 10 and activated a second later. Plan and size of the
    company, told at sign-up, mean nothing.
    """
    random = Random(seed)
    found = []
    for place in range(number):
        contact, begun = f"v{place:05}", place / 12
        asks = random.random() < 0.3
        wins = random.random() < (0.8 if asks else 0.1)
        acts = [("page.viewed", begun + 0.2 + 8 * random.random(), f"p{n}") for n in range(random.randrange(6))]
        if asks:
            acts.append(("demo.requested", begun + 0.1 + 2 * random.random(), "demo"))
        if wins:
            acts += [("contract.signed", begun + 10, "sign"), ("account.activated", begun + 10 + 1 / 86_400, "won")]
        plan, size = random.choice(["Free", "pro"]), random.randrange(1, 500)
        signed_up = event_value("signed.up", START + round(begun * DAY), "up", contact=contact, plan=plan, size=size)
        found.append(Visitor([signed_up, *(value(act, contact) for act in sorted(acts, key=lambda one: one[1]))], wins))
    return found


def lines_of(found: list[Visitor]) -> list[bytes]:
    """Return the events of *found*, contact by contact."""
    return [line for visitor in found for line in visitor.lines]
