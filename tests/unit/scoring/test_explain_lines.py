"""Every line of an explanation, worked by hand: what was given, what is left, and what became of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.small import DAY, HOUR, START, event_value, rule, small_model
from worker.cases.outcome import Outcome, outcome_of
from worker.scoring.explain import Contribution, Line, contributions, names_of_lines
from worker.scoring.model import Model


def story(model: Model, days: float, *events: tuple[str, float] | tuple[str, float, dict[str, Any]]) -> Outcome:
    """Return what (type, day, properties) come to *days* after the start."""
    until_ms = START + round(days * DAY)
    payloads = []
    for number, (kind, day, *rest) in enumerate(events):
        properties = rest[0] if rest else {}
        payloads.append(event_value(kind, START + round(day * DAY), f"{number:03}", **properties))
    return outcome_of(model, payloads, "c", until_ms)


def lines(outcome: Outcome) -> dict[str, Line]:
    return {line.name: line for line in outcome.explanation.lines}


def fates(line: Line) -> list[float]:
    """Return what *line* adds, what it was given, and what became of the rest."""
    return [line.points, line.awarded or 0.0, line.faded, line.taken, line.faded_or_taken]


def total(outcome: Outcome) -> float:
    return sum(line.points for line in outcome.explanation.lines)


def test_what_decay_took_is_told_from_what_idleness_took_of_a_single_award() -> None:
    """100 fade to 50 in 30 days, then the silence takes 20 of these: 30 are left."""
    model = small_model(rule("act", 100, decay={"half_life": "30d"}), inactivity=[{"after": "30d", "points": -20}])
    (line,) = story(model, 30, ("act", 0)).explanation.lines
    assert fates(line) == pytest.approx([30, 100, 50, 20, 0])


def test_what_was_taken_fades_with_the_rest() -> None:
    """Another 30 days on 15 are left: of 100 decay alone would have left 25."""
    model = small_model(rule("act", 100, decay={"half_life": "30d"}), inactivity=[{"after": "30d", "points": -20}])
    (line,) = story(model, 60, ("act", 0)).explanation.lines
    assert fates(line) == pytest.approx([15, 100, 75, 10, 0])


def test_of_several_awards_that_fade_and_were_taken_from_nobody_knows_which() -> None:
    model = small_model(rule("act", 100, decay={"half_life": "30d"}), inactivity=[{"after": "30d", "points": -20}])
    (line,) = story(model, 30, ("act", 0), ("act", 0)).explanation.lines
    assert fates(line) == pytest.approx([80, 200, 0, 0, 120])


def test_points_that_do_not_fade_were_taken() -> None:
    model = small_model(rule("act", 30), inactivity=[{"after": "30d", "points": -20}])
    (line,) = story(model, 30, ("act", 0), ("act", 1)).explanation.lines  # not yet idle for 30 days
    assert (line.points, line.taken) == (60, 0)
    (line,) = story(model, 31, ("act", 0), ("act", 1)).explanation.lines
    assert (line.points, line.taken, line.faded) == (40, 20, 0)


def test_without_anything_that_takes_all_that_is_gone_has_faded() -> None:
    model = small_model(
        rule("act", 100, decay={"half_life": "30d"}), inactivity=[{"after": "400d", "reset": ["engagement"]}]
    )
    (line,) = story(model, 30, ("act", 0), ("act", 0)).explanation.lines
    assert (line.points, line.faded, line.taken, line.faded_or_taken) == (100, 100, 0, 0)


def test_a_penalty_is_scaled_by_a_factor_only() -> None:
    taking = small_model(
        rule("act", 100), rule("bad", -40, decay={"half_life": "30d"}), inactivity=[{"after": "30d", "points": -20}]
    )
    line = lines(story(taking, 30, ("act", 0), ("bad", 0), ("bad", 0)))["rule 1"]
    assert (line.points, line.faded, line.faded_or_taken) == (-40, -40, 0)
    scaling = small_model(rule("act", 100), rule("bad", -40), inactivity=[{"after": "30d", "multiply": 0.25}])
    line = lines(story(scaling, 30, ("act", 0), ("bad", 0)))["rule 1"]
    assert (line.points, line.taken) == (-10, -30)


def test_a_factor_above_one_gave_points() -> None:
    model = small_model(rule("act", 100), inactivity=[{"after": "30d", "multiply": 1.5}])
    (line,) = story(model, 30, ("act", 0)).explanation.lines
    assert (line.points, line.taken) == (150, -50)


@pytest.mark.parametrize(
    ("decay", "days", "left"),
    [
        ({"percent": {"rate": "2%", "every": "1d"}}, 1, 98.0),
        ({"linear": "90d"}, 3, 100 * 87 / 90),
        ({"expire": "180d"}, 179, 100.0),
        ({"expire": "180d"}, 180, 0.0),
    ],
)
def test_each_form_of_decay_says_what_it_took(decay: dict[str, Any], days: int, left: float) -> None:
    model = small_model(rule("act", 100, decay=decay), inactivity=[{"after": "200d", "multiply": 0.5}])
    (line,) = story(model, days, ("act", 0)).explanation.lines
    assert fates(line) == pytest.approx([left, 100, 100 - left, 0, 0])


def test_what_lies_beyond_a_rules_cap_is_told() -> None:
    model = small_model(rule("act", 30, cap=40), rule("bad", -30, cap=20), score={"floor": -100})
    found = lines(story(model, 0, ("act", 0), ("act", 0), ("bad", 0)))
    assert (found["rule 0"].points, found["rule 0"].capped) == (40, 20)
    assert (found["rule 1"].points, found["rule 1"].capped) == (-20, -10)


def test_bounds_of_groups_and_of_the_score_are_lines() -> None:
    """Group a: 90 within 70. Group b: -50, not below -20. Their sum 50, and the score ends at 45."""
    model = small_model(
        rule("good", 90, group="a"),
        rule("bad", -50, group="b"),
        groups={"a": {"cap": 70}, "b": {"floor": -20}},
        score={"cap": 45},
    )
    outcome = story(model, 0, ("good", 0), ("bad", 0))
    found = lines(outcome)
    assert {name: line.points for name, line in found.items()} == {
        "rule 0": 90,
        "a: cap 70": -20,
        "rule 1": -50,
        "b: floor -20": 30,
        "score: cap 45": -5,
    }
    assert [line.kind for line in found.values() if line.is_clamp] == ["cap", "floor", "cap"]
    assert total(outcome) == outcome.score == 45


def test_a_score_at_its_floor_says_so() -> None:
    outcome = story(small_model(rule("bad", -50)), 0, ("bad", 0))
    assert {line.name: line.points for line in outcome.explanation.lines} == {"rule 0": -50, "score: floor 0": 50}
    assert total(outcome) == outcome.score == 0


def test_an_unscored_contact_says_so() -> None:
    """Sales took 30 from somebody who had nothing."""
    model = small_model(rule("act", 10), score={"floor": -100}, feedback={"sales.lost": {"points": -30}})
    outcome = story(model, 0, ("sales.lost", 0))
    assert {line.name: line.points for line in outcome.explanation.lines} == {
        "engagement: feedback": -30,
        "nothing gave points yet": 30,
    }
    assert total(outcome) == outcome.score == 0


def test_fit_rules_hold_now_and_have_no_date() -> None:
    fits = {"when": {"attributes.title": "ceo"}, "points": 20, "group": "fit"}
    model = small_model(fits, rule("act", 5), groups={"fit": {}})
    outcome = story(model, 9, ("contact.updated", 0, {"title": "CEO"}), ("act", 1))
    assert lines(outcome)["rule 0"] == Line("rule 0", "fit", 20.0, 20.0, 1)
    assert contributions(model, outcome.fold, outcome.at_ms)[0] == Contribution("rule 0", 20.0, 20.0, 1, None)
    gone = story(model, 9, ("contact.updated", 0, {"title": "CEO"}), ("contact.updated", 2, {"title": None}))
    assert gone.explanation.lines == ()


def test_a_pool_is_one_line_that_says_what_it_was_given() -> None:
    """3 at noon of day 0, 3 at noon of day 1: at day 3 three midnights took 3."""
    model = small_model(
        rule("visit", 3, group="basics"),
        rule("login", 1, group="basics"),
        groups={"basics": {"drain": {"points": 1, "every": "1d"}}},
    )
    outcome = story(model, 3, ("visit", 0.5), ("visit", 1.5))
    (line,) = outcome.explanation.lines
    assert (line.name, line.kind, line.points, line.awarded, line.awards, line.last_ms, line.faded) == (
        "basics: pool",
        "pool",
        3,
        6,
        2,
        START + 36 * HOUR,
        3,
    )
    assert line.parts == (Contribution("rule 0", 6.0, 6.0, 2, START + 36 * HOUR),)
    assert contributions(model, outcome.fold, outcome.at_ms) == [
        Contribution("basics: pool", 3.0, 6.0, 2, START + 36 * HOUR)
    ]


def test_points_by_hand_are_one_line_for_good_and_one_for_each_expiry() -> None:
    model = small_model(rule("act", 5))
    given = [{"points": 30, "reason": "fair"}, {"points": -10, "reason": "call"}]
    given += [{"points": 7, "reason": "x", "expires_at": START + day * DAY} for day in (2, 9)]
    outcome = story(model, 2, *(("score.adjusted", 0, one) for one in given))
    found = [(line.name, line.points, line.expires_ms) for line in outcome.explanation.lines]
    assert found == [("engagement: adjustment", 20, None), ("engagement: adjustment", 7, START + 9 * DAY)]


def test_every_name_of_a_line_is_known_beforehand() -> None:
    """Who writes a case is told of a name that is none."""
    model = small_model(
        rule("act", 5),
        {"when": {"type": "left"}, "reset": ["engagement"]},
        groups={"engagement": {"cap": 3}, "basics": {"drain": {"points": 1, "every": "1d"}}},
    )
    assert names_of_lines(model) == [
        "rule 0",
        "engagement: adjustment",
        "engagement: inactivity",
        "engagement: feedback",
        "engagement: cap 3",
        "basics: pool",
        "score: floor 0",
        "nothing gave points yet",
    ]
