"""What was expected of a case against what was: differences, each with the line that expects otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from worker.cases.file import CONTACT
from worker.cases.instants import format_at
from worker.cases.outcome import outcome_of
from worker.cases.wording import number, transition_words
from worker.contracts.instants import format_instant, parse_instant
from worker.scoring.reading import shown, tier_name

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from worker.cases.case import Case, Expectation, ExpectedTransition, Number
    from worker.cases.outcome import Outcome
    from worker.scoring.model import Model

_SHOWN = 1e-9
"""Shown numbers are equal up to here."""
_REASON = 0.000_51
"""Transitions carry points rounded to three decimals, and so do people write them."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as expected."""

    what: str  # score, tier, told 1: cause, ...
    expected: str
    was: str


@dataclass(frozen=True, slots=True)
class Failure:
    """What differs at one instant, and the story as it was there."""

    line: int  # of the expectation
    instant: str  # in the words of the case
    differences: tuple[Difference, ...]
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a case came to; it holds when nothing failed."""

    case: Case
    failures: tuple[Failure, ...]
    expectations: int


def judge(model: Model, case: Case) -> Verdict:
    """Return the verdict on *case*: for each of its instants the story is told anew, without the events after it."""
    failures = []
    since_ms: int | None = None
    for expected in case.expectations:
        payloads = [event.payload for event in case.events if event.at_ms <= expected.at_ms]
        outcome = outcome_of(model, payloads, CONTACT, expected.at_ms, tiers=_asks_for_tiers(expected))
        differences = tuple(_differences(model, expected, outcome, since_ms))
        if differences:
            instant = format_at(expected.at_ms, case.start_ms)
            failures.append(Failure(expected.line, instant, differences, outcome))
        since_ms = expected.at_ms
    return Verdict(case, tuple(failures), len(case.expectations))


def _asks_for_tiers(expected: Expectation) -> bool:
    """Whether changes of tier are to be told: only where a case speaks of them, as they are an option."""
    return any(one.kind == "lead.tier_changed" for one in expected.told or ())


def _differences(model: Model, expected: Expectation, outcome: Outcome, since_ms: int | None) -> Iterator[Difference]:
    reading = outcome.explanation.reading
    if expected.score is not None:
        yield from _compare_number(model, "score", expected.score, reading.score)
    for name, wanted in expected.groups.items():
        index = next(group.index for group in model.groups if group.name == name)
        yield from _compare_number(model, f"group {name}", wanted, reading.groups[index])
    yield from _compare("tier", expected.tier, tier_name(model, reading.tier))
    yield from _compare("status", expected.status, outcome.status)
    yield from _compare("unscored", expected.unscored, not outcome.fold.is_scored)
    points: dict[str, float] = {}
    for line in outcome.explanation.lines:
        points[line.name] = points.get(line.name, 0.0) + line.points
    yield from _compare_reasons("reason", expected.reasons, points)
    if expected.told is not None:
        told = [one for one in outcome.transitions if since_ms is None or parse_instant(one["at"]) > since_ms]
        yield from _compare_told(expected.told, told)


def _compare(what: str, expected: object, was: object) -> Iterator[Difference]:
    if expected is not None and expected != was:
        yield Difference(what, _word(expected), _word(was))


def _word(value: object) -> str:
    match value:
        case None:
            return "none"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:.10g}"
    return str(value)


def _compare_number(model: Model, what: str, expected: Number, was: float) -> Iterator[Difference]:
    if expected.within is not None:
        if abs(was - expected.value) > expected.within:
            yield Difference(what, str(expected), repr(was))
    elif abs(shown(model, was) - expected.value) > _SHOWN:
        yield Difference(what, str(expected), f"{shown(model, was):.10g}" + _unrounded(model, was))


def _unrounded(model: Model, was: float) -> str:
    return "" if abs(shown(model, was) - was) <= _SHOWN else f" (before rounding {was:.10g})"


def _compare_reasons(what: str, expected: Mapping[str, float | None], was: Mapping[str, float]) -> Iterator[Difference]:
    for name, points in expected.items():
        if name not in was:
            yield Difference(f"{what} {name}", "there" if points is None else number(points), "nothing")
        elif points is not None and abs(points - was[name]) > _REASON:
            yield Difference(f"{what} {name}", number(points), number(was[name]))


def _compare_told(expected: Sequence[ExpectedTransition], told: Sequence[dict[str, Any]]) -> Iterator[Difference]:
    for place, (wanted, was) in enumerate(zip_longest(expected, told), 1):
        what = f"told {place}"
        if wanted is None:
            yield Difference(what, "nothing more" if place > 1 else "nothing", transition_words(was))
        elif was is None:
            yield Difference(what, _transition_wanted(wanted), "nothing" if place == 1 else "nothing more")
        else:
            yield from _compare_transition(what, wanted, was)


def _transition_wanted(wanted: ExpectedTransition) -> str:
    parts: list[str] = [wanted.kind]
    if wanted.sequence is not None:
        parts.append(f"sequence {wanted.sequence}")
    if wanted.at_ms is not None:
        parts.append(f"at {format_instant(wanted.at_ms)}")
    if wanted.cause is not None:
        parts.append(f"cause {wanted.cause}")
    return ", ".join(parts)


def _compare_transition(what: str, wanted: ExpectedTransition, was: dict[str, Any]) -> Iterator[Difference]:
    yield from _compare(f"{what}: kind", wanted.kind, was["kind"])
    at = None if wanted.at_ms is None else format_instant(wanted.at_ms)
    yield from _compare(f"{what}: at", at, was["at"])
    yield from _compare(f"{what}: sequence", wanted.sequence, was["sequence"])
    yield from _compare(f"{what}: cause", wanted.cause, was["cause"])
    score = was.get("score")
    if wanted.score is not None and (score is None or abs(wanted.score - score) > _SHOWN):
        yield Difference(f"{what}: score", _word(wanted.score), _word(score))
    yield from _compare(f"{what}: tier", wanted.tier, was.get("tier"))
    points: dict[str, float] = {}
    for reason in was.get("reasons", ()):
        points[reason["rule"]] = points.get(reason["rule"], 0.0) + reason["points"]
    yield from _compare_reasons(f"{what}: reason", wanted.reasons, points)
    if wanted.attributes is not None:
        yield from _compare(f"{what}: attributes", dict(wanted.attributes), was.get("attributes", {}))
