from __future__ import annotations

from math import inf

import pytest

from worker.fitting.problems import NothingToLearnError
from worker.fitting.threshold import Target, choose_threshold, wanted_volume

PEAKS = [10.0, 20.9, 20.0, 30.0, 40.5, -inf]
WON = [False, False, True, True, True, False]


@pytest.mark.parametrize(
    ("volume", "threshold"),
    [(1, 40), (2, 30), (4, 20), (3, 30), (5, 10), (99, 10), (0.34, 30), (0.5, 30)],
    ids=[
        "one",
        "two",
        "four",
        "between: the stricter",
        "all with a score",
        "more than there are",
        "a third of six",
        "half",
    ],
)
def test_the_threshold_for_a_volume_is_the_nearest_and_of_equals_the_stricter(volume: float, threshold: int) -> None:
    assert choose_threshold(PEAKS, WON, Target(volume=volume)) == threshold


def test_the_threshold_for_a_precision_is_the_lowest_that_reaches_it() -> None:
    # 30 leads at 50 of whom 24 won; 30 more at 40 of whom 6 won; 40 at 30 of whom nobody did.
    peaks = [50.0] * 30 + [40.0] * 30 + [30.0] * 40
    won = [True] * 24 + [False] * 6 + [True] * 6 + [False] * 24 + [False] * 40
    assert choose_threshold(peaks, won, Target(precision=0.8)) == 50
    assert choose_threshold(peaks, won, Target(precision=0.5)) == 40
    assert choose_threshold(peaks, won, Target(precision=0.3)) == 30
    with pytest.raises(NothingToLearnError, match="the best one reaches 80%"):
        choose_threshold(peaks, won, Target(precision=0.81))


def test_a_precision_among_few_leads_is_luck() -> None:
    with pytest.raises(NothingToLearnError, match="20 leads or more"):
        choose_threshold([1.0] * 19, [True] * 19, Target(precision=0.5))


def test_without_any_score_there_is_no_threshold() -> None:
    with pytest.raises(NothingToLearnError, match="no contact has a score"):
        choose_threshold([-inf], [True], Target(volume=1))


def test_negative_scores_have_thresholds_too() -> None:
    assert choose_threshold([-0.5, -10.0], [True, False], Target(volume=1)) == -1


def test_a_volume_below_1_is_a_share() -> None:
    assert wanted_volume(Target(volume=0.25), 8) == 2
    assert wanted_volume(Target(volume=3), 8) == 3
