"""The engine on the written model: the points of the scorecard and the score that people see must be one number."""

from __future__ import annotations

from math import inf
from random import Random
from typing import Any

import pytest

from tests.support.small import DAY, START, event_value, rule, small_model
from tests.support.small_history import history
from worker.fitting.features import Condition, Feature, rows_of
from worker.fitting.looks import Judged, Question, judged_contacts, looks_at
from worker.fitting.running import peak_of, scores_at, told_at
from worker.fitting.scorecard import Evidence, Line, Scorecard, points_sum
from worker.fitting.timelines import read_timelines
from worker.fitting.writing import Heading, write_model
from worker.scoring.model_file import parse_model

QUESTION = Question("won", frozenset({"signed"}), within_ms=30 * DAY, ages_ms=(DAY, 3 * DAY, 14 * DAY))
SEEN = Evidence(1, 1, 1, 0, 1)
LINES = (
    Line(Feature(Condition("a"), "once"), 31, 1.0, SEEN),
    Line(Feature(Condition("b"), "count", most=3), 7, 0.2, SEEN),
    Line(Feature(Condition("c"), "recent", most=2, half_life_ms=3 * DAY), -12, -0.4, SEEN),
    Line(Feature(Condition("a", "size", at_least=50.0), "once"), 9, 0.3, SEEN),
    Line(Feature(Condition("b", "plan", equals="Pro"), "once"), -5, -0.2, SEEN),
    Line(Feature(Condition(None, "title", equals="ceo"), "holds"), 11, 0.4, SEEN),
)


def test_the_engine_scores_a_written_model_as_its_scorecard_says() -> None:
    random = Random(11)
    lines = []
    for contact in range(40):
        for number in range(random.randrange(1, 25)):
            name = random.choice(["a", "b", "c", "d", "contact.updated"])
            properties: dict[str, Any] = {
                "size": random.randrange(100),
                "plan": random.choice(["pro", "free"]),
                "title": random.choice(["CEO", None]),
            }
            at_ms = START + random.randrange(20 * DAY)
            lines.append(event_value(name, at_ms, f"{number}", contact=f"c{contact}", **properties))
    found = looks_at(judged_contacts(read_timelines(lines).contacts, QUESTION, START, START + 99 * DAY), QUESTION)
    model = parse_model(write_model(Scorecard(LINES, 0.0), Heading("small", (), 20, 30 * DAY)))
    expected = [points_sum(LINES, row) for row in rows_of([line.feature for line in LINES], found)]
    assert len({round(one, 6) for one in expected}) > 30
    assert scores_at(model, found) == pytest.approx(expected)


def judged(*acts: tuple[str, float, str]) -> Judged:
    return judged_contacts(history(*acts).contacts, QUESTION, START, START + 99 * DAY)[0]


def test_a_peak_is_the_highest_score_right_after_an_event_before_anything_is_certain() -> None:
    model = small_model(rule("a", 10), rule("b", -4))
    assert peak_of(model, judged(("a", 0, "1"), ("a", 1, "2"), ("b", 2, "3"), ("a", 2.5, "4")), 30 * DAY) == 26.0
    assert peak_of(model, judged(("a", 0, "1"), ("signed", 1, "2"), ("a", 2, "3")), 30 * DAY) == 10.0
    assert peak_of(model, judged(("a", 0, "1"), ("a", 31, "2")), 30 * DAY) == 10.0


def test_a_contact_that_no_rule_is_about_has_no_peak() -> None:
    assert peak_of(small_model(rule("a", 10)), judged(("z", 0, "1")), 30 * DAY) == -inf


def test_sales_is_told_when_the_threshold_is_reached_in_time() -> None:
    model = small_model(rule("a", 10), qualify={"when": {"score": {"at_least": 20}}})
    assert told_at(model, judged(("a", 0, "1"), ("a", 2, "2"), ("a", 3, "3")), 30 * DAY) == START + 2 * DAY
    assert told_at(model, judged(("a", 0, "1"), ("signed", 1, "2"), ("a", 2, "3")), 30 * DAY) is None
    assert told_at(model, judged(("a", 0, "1")), 30 * DAY) is None
