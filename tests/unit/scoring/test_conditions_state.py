"""Conditions on the state: exact at a point, sound over a span; the reference is plain arithmetic on one reading."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.scoring.model import UNKNOWN_FACTS, Reading
from worker.scoring.state_conditions import (
    JudgedCondition,
    all_hold,
    any_holds,
    group_field,
    none_holds,
    score_field,
    span_condition,
    tier_field,
)

EPSILON = 1e-9


class Pair(NamedTuple):
    """A compiled condition, and what it means for one reading."""

    compiled: JudgedCondition
    meaning: Callable[[Reading], bool]


FIELDS: list[tuple[Callable[[Reading], float], Callable[[Reading], float]]] = [
    (score_field, lambda reading: reading.score),
    (group_field(0), lambda reading: reading.groups[0]),
    (group_field(1), lambda reading: reading.groups[1]),
    (tier_field, lambda reading: reading.tier),
]
MEANINGS: dict[str, Callable[[float, Any], bool]] = {
    "at_least": lambda v, x: v + EPSILON >= x,
    "less_than": lambda v, x: not v + EPSILON >= x,
    "more_than": lambda v, x: v - EPSILON > x,
    "at_most": lambda v, x: not v - EPSILON > x,
    "is": lambda v, x: abs(v - x) <= EPSILON,
    "not": lambda v, x: not abs(v - x) <= EPSILON,
    "in": lambda v, xs: any(abs(v - x) <= EPSILON for x in xs),
    "not_in": lambda v, xs: not any(abs(v - x) <= EPSILON for x in xs),
}
numbers = st.one_of(
    st.integers(-4, 4).map(float),
    st.floats(-4, 4),
    st.integers(-4, 4).map(lambda n: n + 1e-9),
    st.integers(-4, 4).map(lambda n: n - 1e-10),
)


@st.composite
def leaves(draw: st.DrawFn) -> Pair:
    read, reference = draw(st.sampled_from(FIELDS))
    names = draw(st.lists(st.sampled_from(sorted(MEANINGS)), min_size=1, max_size=3, unique=True))
    tests = {
        name: draw(st.lists(numbers, min_size=1, max_size=3)) if name.endswith("in") else draw(numbers)
        for name in names
    }
    return Pair(
        span_condition(read, tests),
        lambda reading: all(MEANINGS[name](reference(reading), operand) for name, operand in tests.items()),
    )


def combined(inner: st.SearchStrategy[Pair]) -> st.SearchStrategy[Pair]:
    several = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        several.map(
            lambda parts: Pair(
                all_hold([part.compiled for part in parts]),
                lambda reading: all(part.meaning(reading) for part in parts),
            )
        ),
        several.map(
            lambda parts: Pair(
                any_holds([part.compiled for part in parts]),
                lambda reading: any(part.meaning(reading) for part in parts),
            )
        ),
        inner.map(lambda part: Pair(none_holds(part.compiled), lambda reading: not part.meaning(reading))),
    )


conditions = st.recursive(leaves(), combined, max_leaves=6)
readings = st.builds(Reading, numbers, st.tuples(numbers, numbers), st.integers(0, 3), st.just(UNKNOWN_FACTS))


def field_by_field(choose: Callable[[Any, Any], Any], one: Reading, other: Reading) -> Reading:
    groups = tuple(choose(a, b) for a, b in zip(one.groups, other.groups, strict=True))
    return Reading(choose(one.score, other.score), groups, choose(one.tier, other.tier))


@given(conditions, readings)
def test_judgement_is_exact_when_nothing_is_open(condition: Pair, reading: Reading) -> None:
    """If this fails, sales is told of the wrong lead."""
    assert condition.compiled.judge(reading, reading) is condition.meaning(reading)


@given(conditions, readings, readings, st.lists(readings, max_size=5), st.data())
def test_judgement_of_a_span_holds_for_each_reading_in_it(
    condition: Pair, one: Reading, other: Reading, more: list[Reading], data: st.DataObject
) -> None:
    """If this fails, a lead cools a second too late, or wakes that should happen are skipped."""
    low, high = field_by_field(min, one, other), field_by_field(max, one, other)
    verdict = condition.compiled.judge(low, high)
    if verdict is None:
        return
    within = [field_by_field(max, low, field_by_field(min, high, reading)) for reading in more]
    share = data.draw(st.floats(0, 1))
    between = field_by_field(lambda a, b: min(max(a + (b - a) * share, a), b), low, high)
    for reading in [low, high, one, other, between._replace(tier=low.tier), *within]:
        assert condition.meaning(reading) is verdict


@pytest.mark.parametrize(
    ("tests", "low", "high", "verdict"),
    [
        ({"at_least": 100}, 100.0, 120.0, True),
        ({"at_least": 100}, 99.9999999999, 99.9999999999, True),
        ({"at_least": 100}, 80.0, 120.0, None),
        ({"at_least": 100}, 80.0, 99.0, False),
        ({"less_than": 80}, 77.5, 79.0, True),
        ({"less_than": 80}, 80.0, 105.0, False),
        ({"is": 5}, 4.0, 6.0, None),
        ({"is": 5}, 5.1, 6.0, False),
        ({"not": 5}, 5.1, 6.0, True),
        ({"in": [1, 5]}, 2.0, 4.0, False),
        ({"not_in": [1, 5]}, 2.0, 5.0, None),
        ({"at_least": 1, "at_most": 9}, 2.0, 8.0, True),
        ({"at_least": 1, "at_most": 9}, 2.0, 10.0, None),
        ({"at_least": 1, "at_most": 9}, 10.0, 12.0, False),
    ],
)
def test_span_of_scores_is_judged(tests: dict[str, Any], low: float, high: float, verdict: bool | None) -> None:
    condition = span_condition(score_field, tests)
    assert condition.judge(Reading(low, (), 0), Reading(high, (), 0)) is verdict
