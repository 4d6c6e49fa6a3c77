"""Conditions on what a score came to, judged over a span of readings: True, False, or None for "it depends"."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from worker.scoring.conditions import attribute_test
from worker.scoring.operators import OPERATORS, TOLERANCE

if TYPE_CHECKING:
    from worker.scoring.model import Reading

T = TypeVar("T")
Verdict = bool | None
Judge = Callable[["Reading", "Reading"], Verdict]
SpanTest = Callable[[float, float], Verdict]
Read = Callable[["Reading"], float]


class JudgedCondition:
    """A compiled condition on the state; *judge* is a slot that holds the closure."""

    __slots__ = ("judge",)

    def __init__(self, judge: Judge) -> None:
        self.judge = judge


def score_field(reading: Reading) -> float:
    """Return the score of *reading*."""
    return reading.score


def tier_field(reading: Reading) -> float:
    """Return the rank of the tier of *reading*."""
    return reading.tier


def group_field(index: int) -> Read:
    """Return a function that reads the value of the group with *index*."""
    return lambda reading: reading.groups[index]


def span_condition(read: Read, tests: Mapping[str, Any]) -> JudgedCondition:
    """
    Return the condition that the number *read* passes all *tests* (operator name to number, or list of numbers).

    Raises:
        KeyError: an operator does not apply to numbers of the state.
    """
    spans = [SPAN_OPERATORS[name](operand) for name, operand in tests.items()]
    if len(spans) == 1:
        (only,) = spans
        return JudgedCondition(lambda low, high: only(read(low), read(high)))

    def judge(low: Reading, high: Reading) -> Verdict:
        a, b = read(low), read(high)
        return kleene_all([span(a, b) for span in spans])

    return JudgedCondition(judge)


def attribute_condition(path: tuple[str, ...], tests: Mapping[str, Any]) -> JudgedCondition:
    """
    Return the condition that the attribute at *path* passes all *tests* (operator name to operand); text is casefolded.

    Open where the attributes are not known.
    """
    compiled = [attribute_test(path, OPERATORS[name].build(operand, str.casefold)) for name, operand in tests.items()]

    def judge(low: Reading, _: Reading) -> Verdict:
        attributes = low.facts.attributes
        return None if attributes is None else all(test(attributes) for test in compiled)

    return JudgedCondition(judge)


def seen_condition(place: int) -> JudgedCondition:
    """Return the condition that the `seen` at *place* in the model's list holds. Open where that is not known."""

    def judge(low: Reading, _: Reading) -> Verdict:
        seen = low.facts.seen
        return None if seen is None else seen[place]

    return JudgedCondition(judge)


def all_hold(conditions: Sequence[JudgedCondition]) -> JudgedCondition:
    """Return the condition that all of *conditions* hold."""
    if len(conditions) == 1:
        return conditions[0]
    judges = tuple(one.judge for one in conditions)
    return JudgedCondition(lambda low, high: kleene_all([judge(low, high) for judge in judges]))


def any_holds(conditions: Sequence[JudgedCondition]) -> JudgedCondition:
    """Return the condition that at least one of *conditions* holds."""
    if len(conditions) == 1:
        return conditions[0]
    judges = tuple(one.judge for one in conditions)
    return JudgedCondition(lambda low, high: kleene_any([judge(low, high) for judge in judges]))


def none_holds(condition: JudgedCondition) -> JudgedCondition:
    """Return the condition that *condition* does not hold."""
    judge = condition.judge
    return JudgedCondition(lambda low, high: kleene_not(judge(low, high)))


def kleene_all(verdicts: Sequence[Verdict]) -> Verdict:
    """
    Return whether all hold: one False decides, else one None leaves it open.

    >>> kleene_all([True, None]), kleene_all([None, False])
    (None, False)
    """
    if False in verdicts:
        return False
    return None if None in verdicts else True


def kleene_any(verdicts: Sequence[Verdict]) -> Verdict:
    """Return whether one holds: one True decides, else one None leaves it open."""
    if True in verdicts:
        return True
    return None if None in verdicts else False


def kleene_not(verdict: Verdict) -> Verdict:
    """Return the opposite; what is open stays open."""
    return None if verdict is None else not verdict


# Each test below is monotone or convex in the value, in floating point too (one subtraction or addition rounds
# monotonically); so both ends of a span decide for all that lies between.


def _at_least(x: float) -> SpanTest:
    return lambda low, high: True if low + TOLERANCE >= x else (None if high + TOLERANCE >= x else False)


def _more_than(x: float) -> SpanTest:
    return lambda low, high: True if low - TOLERANCE > x else (None if high - TOLERANCE > x else False)


def _is(x: float) -> SpanTest:
    def judge(low: float, high: float) -> Verdict:
        if low - x > TOLERANCE or high - x < -TOLERANCE:
            return False
        return True if low - x >= -TOLERANCE and high - x <= TOLERANCE else None

    return judge


def _in(numbers: Sequence[float]) -> SpanTest:
    spans = [_is(x) for x in numbers]
    return lambda low, high: kleene_any([span(low, high) for span in spans])


def _not(build: Callable[[T], SpanTest]) -> Callable[[T], SpanTest]:
    def negated(operand: T) -> SpanTest:
        span = build(operand)
        return lambda low, high: kleene_not(span(low, high))

    return negated


SPAN_OPERATORS: Mapping[str, Callable[[Any], SpanTest]] = {
    "is": _is,
    "not": _not(_is),
    "in": _in,
    "not_in": _not(_in),
    "at_least": _at_least,
    "more_than": _more_than,
    "at_most": _not(_more_than),
    "less_than": _not(_at_least),
}
"""The operators for score, groups and tier; a tier is compared by its rank."""
