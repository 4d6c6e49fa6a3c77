from __future__ import annotations

from math import log

import pytest

from worker.fitting.features import Condition, Feature
from worker.fitting.scorecard import Evidence, Line, Scorecard, chance_of, evidence_of, points_sum, to_points

NO_EVIDENCE = Evidence(0, 0, 0, 0, 0)


def line(points: int, most: int = 1) -> Line:
    return Line(Feature(Condition("a"), "count", most=most), points, points / 28.85, NO_EVIDENCE)


@pytest.mark.parametrize(
    ("coefficient", "points"),
    [
        (log(2), 20),  # odds doubled
        (log(8), 60),
        (-log(2) / 2, -10),
        (0.0, 0),
        (0.0173, 0),  # 0.4992 points
        (0.0174, 1),  # 0.5021 points
        (-0.0174, -1),
    ],
)
def test_20_points_double_the_odds(coefficient: float, points: int) -> None:
    assert to_points(coefficient) == points


def test_evidence_is_counted_over_looks_and_contacts() -> None:
    found = evidence_of([1.0, 0.5, 0.0, 0.0, 2.0], [True, False, True, False, True], ["x", "x", "y", "z", "z"])
    assert found == Evidence(having=3, having_won=2, lacking=2, lacking_won=1, contacts=2)
    assert found.share_having == pytest.approx(2 / 3)
    assert found.share_lacking == 0.5
    assert found.lift == pytest.approx((2 / 3) / (3 / 5))


def test_evidence_of_nothing_divides_by_nothing() -> None:
    assert (NO_EVIDENCE.share_having, NO_EVIDENCE.share_lacking, NO_EVIDENCE.lift) == (0.0, 0.0, 0.0)


def test_the_chance_at_a_score_follows_the_odds() -> None:
    card = Scorecard((), intercept=-log(4))  # 1 to 4 at 0 points
    assert card.chance(0) == pytest.approx(0.2)
    assert card.chance(40) == pytest.approx(0.5)  # doubled twice: 1 to 1
    assert card.chance(60) == pytest.approx(2 / 3)


def test_chances_of_extreme_odds_are_0_and_1() -> None:
    assert (chance_of(-1e6), chance_of(1e6)) == (0.0, 1.0)


def test_the_range_of_a_scorecard_counts_each_rule_as_often_as_it_can() -> None:
    card = Scorecard((line(10, 3), line(5), line(-7, 2), line(-1)), 0.0)
    assert (card.lowest, card.highest) == (-15, 35)


def test_points_are_summed_by_how_often_each_counts() -> None:
    assert points_sum([line(10, 3), line(-7, 2)], [2.5, 2.0]) == 11.0
