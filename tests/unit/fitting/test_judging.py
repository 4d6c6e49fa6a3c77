"""Figures about models, worked by hand. If one of these is wrong, a worse model is taken for a better one."""

from __future__ import annotations

from random import Random

import pytest

from worker.fitting.intervals import middle, standings
from worker.fitting.judging import deciles, quality, rank

WON = [True, False, True, False, False]


def test_precision_recall_and_lift_of_the_first_leads() -> None:
    # By falling score: won, lost, won, lost, lost; two leads of five.
    found = quality(rank([5.0, 4.0, 3.0, 2.0, 1.0]), WON, 0.4)
    assert (found.volume, found.right) == (2.0, 1.0)
    assert (found.precision, found.recall, found.base) == (0.5, 0.5, 0.4)
    assert found.lift == pytest.approx(1.25)
    assert found.auc == pytest.approx(5 / 6)  # of 2 x 3 pairs only (third, second) is the wrong way round


def test_equal_scores_share_the_last_place() -> None:
    # Two leads: the first by right, the second is one of three equals, of whom one won.
    found = quality(rank([9.0, 5.0, 5.0, 5.0, 1.0]), WON, 0.4)
    assert found.right == pytest.approx(1 + 1 / 3)


def test_if_all_are_equal_the_ranking_is_a_coin() -> None:
    found = quality(rank([0.0] * 5), WON, 0.4)
    assert found.precision == pytest.approx(0.4)
    assert found.auc == 0.5


def test_the_order_of_rows_helps_nobody() -> None:
    random = Random(3)
    scores = [float(random.randrange(6)) for _ in range(60)]
    won = [random.random() < 0.3 for _ in scores]
    expected = quality(rank(scores), won, 0.25)
    for _ in range(20):
        order = random.sample(range(60), 60)
        found = quality(rank([scores[place] for place in order]), [won[place] for place in order], 0.25)
        assert found == pytest.approx(expected)


def test_weights_are_repeated_contacts() -> None:
    scores, weights = [5.0, 4.0, 4.0, 2.0, 1.0], [2, 0, 3, 1, 2]
    repeated = [place for place, times in enumerate(weights) for _ in range(times)]
    by_hand = quality(rank([scores[place] for place in repeated]), [WON[place] for place in repeated], 0.3)
    assert quality(rank(scores), WON, 0.3, weights) == pytest.approx(by_hand)


def test_nobody_and_all_winners_divide_by_nothing() -> None:
    nobody = quality(rank([]), [], 0.5)
    assert (nobody.precision, nobody.recall, nobody.lift, nobody.auc) == (0.0, 0.0, 0.0, 0.5)
    assert quality(rank([1.0, 2.0]), [True, True], 0.5).auc == 0.5


def test_tenths_keep_equal_scores_together() -> None:
    parts = deciles([5.0] * 3 + [1.0] * 17, [0.6] * 3 + [0.2] * 17, [True] * 2 + [False] * 18)
    assert [(part.contacts, part.lowest, part.highest) for part in parts] == [(3, 5.0, 5.0), (17, 1.0, 1.0)]
    assert parts[0].expected == pytest.approx(0.6)
    assert parts[0].won == pytest.approx(2 / 3)
    assert parts[1].won == 0.0


def test_intervals_are_equal_for_equal_seeds_and_hold_the_figure() -> None:
    random = Random(1)
    won = [random.random() < 0.3 for _ in range(200)]
    good = [is_won + random.random() for is_won in won]
    contenders = {"good": good, "blind": [random.random() for _ in won]}
    first = standings(contenders, won, 0.2, 200, 5)
    assert first == standings(contenders, won, 0.2, 200, 5)
    assert first != standings(contenders, won, 0.2, 200, 6)
    for one in first.values():
        assert one.precision.low <= one.quality.precision <= one.precision.high
        assert one.auc.low <= one.quality.auc <= one.auc.high
    assert first["good"].ahead == (0.0, 0.0)
    assert first["blind"].ahead.low > 0.2


def test_a_contender_is_level_with_itself_on_every_draw() -> None:
    won = [place % 3 == 0 for place in range(50)]
    scores = [float(place * 7 % 11) for place in range(50)]
    assert standings({"one": scores, "same": scores}, won, 0.3, 50, 1)["same"].ahead == (0.0, 0.0)


def test_the_middle_of_few_values_lies_between_neighbours() -> None:
    assert middle([3.0, 1.0, 2.0], 0.5) == (1.5, 2.5)
    assert middle([4.0]) == (4.0, 4.0)
    assert middle([]) == (0.0, 0.0)
