"""When each contact first became ready, and how often leads became ready and cooled, read from what sales was told."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from worker.contracts.instants import MS_PER_WEEK, parse_instant

if TYPE_CHECKING:
    from collections.abc import Iterable

READY, COOLED, TIER_CHANGED = "lead.sales_ready", "lead.cooled", "lead.tier_changed"
_REASONS = 3
_FIRST_MONDAY_MS = 4 * 86_400_000  # 1970-01-05
_MAX_PERIODS = 104


class Crossing(NamedTuple):
    """The first `lead.sales_ready` of a contact."""

    at_ms: int
    place: int  # of the event that led to it, in the history
    score: float  # as shown
    tier: str  # empty without tiers
    reasons: tuple[str, ...]  # the top rules, each with its points then


class Period(NamedTuple):
    """Some weeks from a Monday, UTC."""

    start_ms: int
    ready: int
    cooled: int


def first_ready(transitions: Iterable[bytes], places: Iterable[int]) -> dict[str, Crossing]:
    """
    Return the first `lead.sales_ready` of each contact that has one.

    Args:
        transitions: Encoded, in the order told.
        places: Beside each of them, the place in the history of the event that led to it.
    """
    found: dict[str, Crossing] = {}
    for value, place in zip(transitions, places, strict=True):
        told = orjson.loads(value)
        if told["kind"] == READY and told["contact_id"] not in found:
            found[told["contact_id"]] = Crossing(
                parse_instant(told["at"]), place, told["score"], told.get("tier") or "", reasons_of(told)
            )
    return found


def reasons_of(told: dict[str, Any]) -> tuple[str, ...]:
    """Return the top three reasons of a decoded transition: rule and points."""
    return tuple(f"{reason['rule']} {reason['points']:g}" for reason in (told.get("reasons") or ())[:_REASONS])


def count_kinds(transitions: Iterable[bytes]) -> Counter[str]:
    """Return how many transitions there are of each kind."""
    return Counter(orjson.loads(value)["kind"] for value in transitions)


def periods(transitions: Iterable[bytes]) -> tuple[int, list[Period]]:
    """
    Return how often leads became ready and cooled, week by week.

    The first value is the weeks of a period: 1, or more where there would be over 104 periods. Periods without any are listed too.
    """
    ready: Counter[int] = Counter()
    cooled: Counter[int] = Counter()
    for value in transitions:
        told = orjson.loads(value)
        if told["kind"] in {READY, COOLED}:
            week = (parse_instant(told["at"]) - _FIRST_MONDAY_MS) // MS_PER_WEEK
            (ready if told["kind"] == READY else cooled)[week] += 1
    weeks = sorted({*ready, *cooled})
    if not weeks:
        return 1, []
    step = -(-(weeks[-1] - weeks[0] + 1) // _MAX_PERIODS)
    found = []
    for start in range(weeks[0], weeks[-1] + 1, step):
        span = range(start, start + step)
        found.append(
            Period(
                _FIRST_MONDAY_MS + start * MS_PER_WEEK,
                sum(ready[week] for week in span),
                sum(cooled[week] for week in span),
            )
        )
    return step, found
