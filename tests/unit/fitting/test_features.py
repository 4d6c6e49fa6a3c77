from __future__ import annotations

import pytest

from tests.support.small import DAY, HOUR, START, event_value
from worker.fitting.features import Condition, Feature, rows_of, same
from worker.fitting.looks import Question, judged_contacts, looks_at
from worker.fitting.timelines import Scalar, Timelines, read_timelines

ONCE = Feature(Condition("a"), "once")
COUNT = Feature(Condition("a"), "count", most=3)
RECENT = Feature(Condition("a"), "recent", most=2, half_life_ms=DAY)


def rows(found: Timelines, *features: Feature, ages: tuple[int, ...] = (DAY, 3 * DAY)) -> list[list[float]]:
    question = Question("won", within_ms=30 * DAY, ages_ms=ages)
    judged = judged_contacts(found.contacts, question, START, START + 100 * DAY)
    return rows_of(features, looks_at(judged, question))


def test_each_form_counts_what_lies_up_to_the_look_and_nothing_after() -> None:
    days = (0, 1, 2, 3, 3.5)
    lines = [event_value("a", START + round(day * DAY)) for day in days]
    # At day 1: events of days 0 and 1: 0.5 + 1. At day 3: 1/8 + 1/4 + 1/2 + 1 = 1.875.
    assert rows(read_timelines(lines), ONCE, COUNT, RECENT) == [[1.0, 2.0, 1.5], [1.0, 3.0, 1.875]]


def test_recent_points_are_bounded_by_the_cap_of_their_rule() -> None:
    lines = [event_value("a", START + hour * HOUR) for hour in range(4)]
    assert rows(read_timelines(lines), RECENT, ages=(4 * HOUR,)) == [[2.0]]


def test_machine_events_count_for_nothing() -> None:
    lines = [event_value("b", START), event_value("a", START, machine=True)]
    assert rows(read_timelines(lines), ONCE) == [[0.0], [0.0]]


def test_attributes_are_read_as_they_were_at_the_look() -> None:
    lines = [event_value("b", START), event_value("contact.updated", START + 2 * DAY, title="CEO")]
    holds = Feature(Condition(None, "title", equals="ceo"), "holds")
    assert rows(read_timelines(lines), holds) == [[0.0], [1.0]]


@pytest.mark.parametrize(
    ("value", "passes"),
    [(10, True), (9.999_999_999_9, True), (9.99, False), ("10", False), (True, False), (None, False), (10**400, True)],
)
def test_a_threshold_is_passed_by_numbers_as_the_engine_compares_them(value: Scalar | None, passes: bool) -> None:
    assert Condition("a", "n", at_least=10.0).holds(value) is passes


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("Straße", "STRASSE", True),
        ("a", "b", False),
        (1, 1.0, True),
        (1, True, False),
        (True, True, True),
        (False, 0, False),
        ("1", 1, False),
    ],
)
def test_values_are_equal_where_a_model_says_so(one: Scalar, other: Scalar, expected: bool) -> None:
    assert same(one, other) is expected
    assert same(other, one) is expected
