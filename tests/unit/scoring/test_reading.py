from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.small import DAY, HOUR, MINUTE, START, folded, rule, small_model
from worker.scoring.reading import group_values, lowest, read, shown, tier_name, tier_rank
from worker.scoring.state import Fold


def test_group_is_clamped_before_the_score_and_the_score_after_the_sum() -> None:
    model = small_model(
        rule("act", 90),
        rule("fit", 50, group="fit"),
        rule("bad", -70, group="bad"),
        groups={"engagement": {"cap": 60}, "fit": {"cap": 40}, "bad": {"floor": -25}},
        score={"cap": 70},
    )
    fold = folded(model, ("act", START), ("fit", START), ("bad", START))
    reading = read(model, fold, START)
    assert dict(zip([group.name for group in model.groups], reading.groups, strict=True)) == {
        "engagement": 60.0, "fit": 40.0, "bad": -25.0,
    }  # fmt: skip
    assert reading.score == 70.0  # 60 + 40 - 25 = 75, capped


def test_score_has_a_floor_of_0_and_no_cap_by_default() -> None:
    model = small_model(rule("act", -5), rule("more", 900_000))
    assert read(model, folded(model, ("act", START)), START).score == 0.0
    assert read(model, folded(model, *(("more", START + n) for n in range(3))), START + 2).score == 2_700_000.0


def test_rule_adds_no_more_than_its_cap_either_way() -> None:
    model = small_model(rule("up", 30, cap=40), rule("down", -30, cap=40), score={"floor": -1000})
    assert read(model, folded(model, ("up", START), ("up", START + 1)), START + 1).score == 40.0
    assert read(model, folded(model, ("down", START), ("down", START + 1)), START + 1).score == -40.0


def test_cap_of_a_rule_reopens_as_its_points_fade() -> None:
    model = small_model(rule("act", 100, cap=40, decay={"half_life": "1d"}))
    fold = folded(model, ("act", START))
    assert [read(model, fold, START + day * DAY).score for day in (0, 1, 2)] == [40.0, 40.0, 25.0]


def test_contact_without_an_award_is_unscored_whatever_sales_gave() -> None:
    model = small_model(
        rule("act", 5), feedback={"sales.won": {"points": 40}}, score={"floor": 10}, tiers={"cold": 0, "warm": 15}
    )
    fold = folded(model, ("sales.won", START))
    assert read(model, fold, START)[::2] == (0.0, 0)
    assert read(model, folded(model, ("sales.won", START), ("act", START)), START).score == 45.0


TIERS = small_model(rule("act", 1), tiers={"cold": 10, "warm": 25, "hot": 50}, score={"floor": -100})


@pytest.mark.parametrize(
    ("score", "tier"),
    [(-5, "cold"), (9, "cold"), (24.999, "cold"), (25, "warm"), (25 - 5e-10, "warm"), (25 - 2e-9, "cold"), (80, "hot")],
)
def test_tier_is_the_highest_reached_and_the_lowest_below_all(score: float, tier: str) -> None:
    assert tier_name(TIERS, tier_rank(TIERS, score)) == tier


def test_model_without_tiers_names_none() -> None:
    assert tier_name(small_model(rule("act", 1)), 0) is None


@pytest.mark.parametrize(
    ("precision", "value", "seen"),
    [
        (1, 99.96, 99.9), (1, 100.0, 100.0), (1, 99.9999999995, 100.0), (1, 0.3, 0.3), (1, 0.1 + 0.2, 0.3),
        (1, -0.05, -0.1), (1, -12.34, -12.4), (0, 1.999, 1.0), (0, -0.5, -1.0), (3, 2.0005, 2.0), (6, 1.2345678, 1.234567),
    ],
)  # fmt: skip
def test_shown_score_is_rounded_down_to_the_precision(precision: int, value: float, seen: float) -> None:
    """A shown 100 has really been reached."""
    assert shown(small_model(rule("act", 1), score={"precision": precision}), value) == seen


@pytest.mark.parametrize("value", [-0.0, -1e-10, 0.0, 1e-12])
def test_shown_nothing_is_never_a_negative_zero(value: float) -> None:
    assert math.copysign(1, shown(small_model(rule("act", 1)), value)) == 1


@given(st.floats(-1e6, 1e6), st.integers(0, 6))
def test_shown_score_is_within_one_step_below_the_score(value: float, precision: int) -> None:
    seen = shown(small_model(rule("act", 1), score={"precision": precision}), value)
    assert -1.1e-9 - abs(value) * 1e-15 <= value - seen <= 10**-precision


@given(
    st.lists(st.tuples(st.sampled_from(["a", "b", "c", "d", "e"]), st.integers(0, 3 * HOUR)), min_size=1, max_size=8),
    st.lists(st.integers(0, 6 * HOUR), min_size=3, max_size=8),
)
def test_no_reading_lies_below_the_lowest_of_a_span(events: list[tuple[str, int]], offsets: list[int]) -> None:
    """If this fails, a ready lead is taken for safe beyond the instant at which it cools."""
    fold = folded(MIXED, *((name, START + at_ms) for name, at_ms in sorted(events, key=lambda one: one[1])))
    start_ms = fold.at_ms
    first, *between, last = sorted(start_ms + offset for offset in offsets)
    low = lowest(MIXED, fold, first, last)
    for at_ms in between:
        reading = read(MIXED, fold, at_ms)
        assert low.score <= reading.score
        assert low.tier <= reading.tier
        assert all(a <= b for a, b in zip(low.groups, reading.groups, strict=True))


MIXED = small_model(
    rule("a", 60, decay={"half_life": "10m"}),
    rule("b", -35.5, decay={"half_life": "45m"}),
    rule("c", 12.25, decay={"half_life": "1h"}, cap=20, group="side"),
    rule("d", -30, group="side", cap=45, decay={"half_life": "5m"}),
    rule("e", 7.1),
    groups={"engagement": {"cap": 80, "floor": -20}, "side": {"floor": -25}},
    score={"floor": -30, "cap": 75},
    tiers={"cold": 0, "warm": 25, "hot": 40},
)


def test_group_values_are_not_clamped() -> None:
    fold = folded(MIXED, ("a", START), ("a", START + 10 * MINUTE), ("e", START + 10 * MINUTE))
    assert group_values(MIXED, fold, START + 10 * MINUTE)[0] == pytest.approx(97.1)


def test_empty_fold_reads_as_nothing() -> None:
    assert read(MIXED, Fold(), START).score == 0.0
