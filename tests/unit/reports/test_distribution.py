from __future__ import annotations

import pytest

from worker.export import ScoreLine
from worker.reports.distribution import Bin, distribution


def lines(*scores: float | None) -> list[ScoreLine]:
    """Return a line for each score; None never had points."""
    return [
        ScoreLine(str(place), score is None, score or 0.0, score or 0.0, "", {}, "open", 0)
        for place, score in enumerate(scores)
    ]


def test_contacts_without_points_are_counted_apart() -> None:
    found = distribution(lines(None, None, 5.0))
    assert (found.scored, found.unscored) == (1, 2)
    assert found.bins == [Bin(5.0, 6.0, 1)]


def test_bins_have_round_bounds_and_no_gaps() -> None:
    """A span of 100 in at most 24 pieces of 1, 2 or 5 times a power of ten: pieces of 5."""
    found = distribution(lines(0.0, 4.9, 5.0, 100.0))
    assert found.bins[:2] == [Bin(0.0, 5.0, 2), Bin(5.0, 10.0, 1)]
    assert found.bins[-1] == Bin(100.0, 105.0, 1)
    assert [one.low for one in found.bins] == [5.0 * place for place in range(21)]


def test_scores_below_0_have_bins_too() -> None:
    found = distribution(lines(-80.0, -0.1, 0.0, 40.0))
    assert found.bins[0] == Bin(-80.0, -75.0, 1)
    assert Bin(-5.0, 0.0, 1) in found.bins
    assert Bin(0.0, 5.0, 1) in found.bins


@pytest.mark.parametrize("scores", [(0.1, 0.2, 0.3), (0.0, 0.7, 2.4), (-0.3, 0.3), (1e6, -1e6, 3.0), (17.0,)])
def test_every_contact_is_in_the_bin_of_its_score(scores: tuple[float, ...]) -> None:
    found = distribution(lines(*scores))
    assert len(found.bins) <= 26
    for one in found.bins:
        assert one.contacts == sum(one.low <= score < one.high for score in scores)
    assert sum(one.contacts for one in found.bins) == len(scores)


def test_ranks_are_scores_that_somebody_has() -> None:
    found = distribution(lines(*map(float, range(1, 11))))
    assert found.ranks == {
        "lowest": 1.0, "a quarter": 3.0, "half": 5.0, "three quarters": 8.0, "nine tenths": 9.0, "highest": 10.0,
    }  # fmt: skip


def test_nobody_with_points_has_no_bins_and_no_ranks() -> None:
    assert distribution(lines(None)) == (0, 1, [], {})
