from __future__ import annotations

import pytest

from tests.support.small import DAY, START, accept, folded, rule, small_model
from worker.scoring.explain import Contribution, contributions
from worker.scoring.history import History
from worker.scoring.inactivity import advance
from worker.scoring.reading import group_values


def test_each_rule_says_what_it_adds_now_and_what_it_gave() -> None:
    model = small_model(rule("act", 100, decay={"half_life": "1d"}), rule("other", 60))
    fold = folded(model, ("act", START), ("act", START + DAY), ("other", START + DAY))
    assert contributions(model, fold, START + 2 * DAY) == [
        Contribution("rule 0", 75.0, 200.0, 2, START + DAY),
        Contribution("rule 1", 60.0, 60.0, 1, START + DAY),
    ]


def test_contributions_are_listed_by_their_size_and_equal_ones_as_in_the_file() -> None:
    model = small_model(rule("a", 10), rule("b", -30), rule("c", 10), rule("d", 20))
    fold = folded(model, *((name, START) for name in "abcd"))
    assert [one.rule for one in contributions(model, fold, START)] == ["rule 1", "rule 3", "rule 0", "rule 2"]


def test_rule_that_gave_nothing_since_its_reset_is_not_listed() -> None:
    model = small_model(
        rule("act", 10, limit={"times": 1, "per": "day"}), feedback={"sales.lost": {"reset": ["engagement"]}}
    )
    fold = folded(model, ("act", START), ("sales.lost", START))
    assert contributions(model, fold, START) == []


def test_rule_is_listed_within_its_cap() -> None:
    model = small_model(rule("act", 30, cap=40))
    (only,) = contributions(model, folded(model, ("act", START), ("act", START)), START)
    assert (only.points, only.awarded) == (40.0, 60.0)


def test_last_award_is_the_newest_by_event_time_not_by_arrival() -> None:
    model = small_model(rule("act", 10), lateness="1d")
    history = History()
    for day in (0, 5, -3):
        accept(history, model, "act", START + day * DAY)
    (only,) = contributions(model, history.head(model), START + 5 * DAY)
    assert (only.last_ms, only.awards) == (START + 5 * DAY, 3)


def test_points_that_no_rule_gave_are_listed_by_group_and_origin() -> None:
    model = small_model(
        rule("act", 10),
        inactivity=[{"after": "1d", "points": 3}],
        feedback={"sales.lost": {"points": -30}, "sales.won": {"points": 12}},
    )
    fold = folded(model, ("act", START), ("sales.lost", START), ("sales.won", START))
    advance(model, fold, START + DAY)
    listed = {one.rule: one.points for one in contributions(model, fold, START + DAY)}
    assert listed == {"rule 0": 10.0, "engagement: inactivity": 3.0, "engagement: feedback": -18.0}


def test_contributions_add_up_to_the_groups() -> None:
    """What sales is told must be the whole story."""
    model = small_model(
        rule("a", 17.3, decay={"half_life": "9d"}),
        rule("b", -4.1, decay={"half_life": "5d"}),
        rule("c", 33, cap=40),
        inactivity=[{"after": "3d", "every": "2d", "points": -7}],
        feedback={"sales.lost": {"points": -3}},
    )
    fold = folded(model, *((name, START + n * DAY) for n, name in enumerate(["a", "b", "c", "c", "a", "sales.lost"])))
    at_ms = START + 40 * DAY
    advance(model, fold, at_ms)
    total = sum(one.points for one in contributions(model, fold, at_ms))
    assert total == pytest.approx(sum(group_values(model, fold, at_ms)), abs=1e-9)
