from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.support.small import HOUR, START, folded, rule, small_model
from worker.scoring.curve import Curve
from worker.scoring.reading import read

MODEL = small_model(
    rule("a", 60, decay={"half_life": "10m"}),
    rule("again", 0.1, decay={"half_life": "10m"}),
    rule("b", -35.5, decay={"half_life": "45m"}),
    rule("c", 12.25, decay={"half_life": "1h"}, cap=20, group="side"),
    rule("d", -30, group="side", cap=45, decay={"half_life": "5m"}),
    rule("e", 7.1, cap=9),
    rule("big", 999_999.999, decay={"half_life": "45m"}, group="huge"),
    groups={"engagement": {"cap": 80, "floor": -20}, "side": {"floor": -25}, "huge": {}},
    score={"floor": -30},
    tiers={"cold": 0, "warm": 25, "hot": 40},
    feedback={"sales.lost": {"points": -5.5}, "sales.won": {"points": 3.3, "group": "side"}},
)
TYPES = ["a", "again", "b", "c", "d", "e", "big", "sales.lost", "sales.won"]


@given(
    st.lists(st.tuples(st.sampled_from(TYPES), st.integers(0, 3 * HOUR)), max_size=10),
    st.integers(0, HOUR),
    st.lists(st.integers(0, 9 * HOUR), min_size=3, max_size=8),
)
def test_curve_bounds_contain_every_reading_between_their_instants(
    events: list[tuple[str, int]], start: int, offsets: list[int]
) -> None:
    """If this fails, the search for the next due instant passes over it: sales hears of a cold lead too late."""
    in_order = sorted([*events, ("e", 0)], key=lambda one: one[1])
    fold = folded(MODEL, *((name, START + at_ms) for name, at_ms in in_order))
    start_ms = fold.at_ms + start
    first, *between, last = sorted(start_ms + offset for offset in offsets)
    low, high = Curve(MODEL, fold, start_ms).bounds(first, last)
    for at_ms in (first, *between, last):
        reading = read(MODEL, fold, at_ms)
        assert low.score <= reading.score <= high.score
        assert low.tier <= reading.tier <= high.tier
        assert all(a <= b <= c for a, b, c in zip(low.groups, reading.groups, high.groups, strict=True))


def test_curve_of_points_that_never_fade_is_no_wider_than_the_tolerance_of_comparisons() -> None:
    """0.1 thirty times, in another order than the score adds it: a wider span would leave every second open."""
    rules = [rule("act", 0.1) for _ in range(30)]
    model = small_model(*rules)
    fold = folded(model, ("act", START))
    low, high = Curve(model, fold, START).bounds(START, START + HOUR)
    assert high.score - low.score < 1e-9
