"""A group that drains is one pool: all that is given to it goes in, and at each step its value moves towards 0."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.small import DAY, HOUR, START, accept, event, rule, small_model, trace_of
from worker.scoring.fold import apply
from worker.scoring.history import History
from worker.scoring.inactivity import advance
from worker.scoring.model import Model
from worker.scoring.reading import read
from worker.scoring.state import Fold

NOON = START + 12 * HOUR
DRAIN = {"points": 1, "every": "1d"}


def pool_model(*more: dict[str, Any], **parts: Any) -> Model:
    return small_model(
        rule("give", 3, group="pool"),
        rule("take", -10, group="pool"),
        rule("act", 100),
        *more,
        **{"groups": {"pool": {"drain": DRAIN}}, "score": {"floor": -1000}} | parts,
    )


MODEL = pool_model()


def pooled(model: Model, *happened: tuple[str, int] | tuple[str, int, dict[str, Any]]) -> Fold:
    history = History()
    for event_type, at_ms, *properties in happened:
        accept(history, model, event_type, at_ms, **(properties[0] if properties else {}))
    return history.head(model).copy()


def value(model: Model, fold: Fold, at_ms: int) -> float:
    later = fold.copy()
    advance(model, later, at_ms)
    return read(model, later, at_ms).groups[1]


def test_pool_of_3_is_1_after_two_midnights_and_empty_after_five() -> None:
    fold = pooled(MODEL, ("give", NOON))
    assert [value(MODEL, fold, NOON + days * DAY) for days in (0, 2, 5)] == [3.0, 1.0, 0.0]


def test_award_joins_what_is_left_and_drains_with_it() -> None:
    fold = pooled(MODEL, ("give", NOON), ("give", NOON + 2 * DAY))
    assert [value(MODEL, fold, NOON + days * DAY) for days in (2, 3, 9)] == [4.0, 3.0, 0.0]


def test_pool_below_0_rises_towards_0_and_a_gift_may_lift_it_across() -> None:
    fold = pooled(MODEL, ("take", NOON))
    assert [value(MODEL, fold, NOON + days * DAY) for days in (0, 4, 30)] == [-10.0, -6.0, 0.0]
    fold = pooled(MODEL, ("take", NOON), ("give", NOON + 9 * DAY))  # -1 + 3
    assert [value(MODEL, fold, NOON + days * DAY) for days in (9, 10, 12)] == [2.0, 1.0, 0.0]


def test_empty_pool_does_not_drain_a_later_gift_for_the_time_before() -> None:
    fold = pooled(MODEL, ("give", NOON), ("give", NOON + 50 * DAY))
    assert value(MODEL, fold, NOON + 50 * DAY) == 3.0


def test_awards_of_one_event_and_points_by_hand_and_of_sales_all_join_the_pool() -> None:
    model = pool_model(
        rule("give", 4, group="pool"),
        rule("sales.lost", 2, group="pool"),
        feedback={"sales.lost": {"points": -5, "group": "pool"}},
    )
    fold = pooled(model, ("give", NOON))
    assert value(model, fold, NOON) == 7.0
    by_hand = {"points": 20, "reason": "fair", "group": "pool", "expires_at": START - DAY}
    fold = pooled(model, ("give", NOON), ("score.adjusted", NOON, by_hand), ("sales.lost", NOON + 1))
    assert value(model, fold, NOON + 1) == 24.0  # 7 + 20 + 2 - 5
    assert value(model, fold, NOON + 9 * DAY) == 15.0  # an expiry is not looked at in a pool
    assert fold.adjustments == ()


def test_rule_of_a_pool_still_counts_its_awards() -> None:
    fold = pooled(MODEL, ("give", NOON), ("give", NOON + DAY))
    state = fold.rules[0]
    assert (state.value, state.count, state.awarded, state.last_ms) == (0.0, 2, 6.0, NOON + DAY)


def test_late_award_joins_the_pool_whole_at_the_instant_of_the_base() -> None:
    fold = pooled(MODEL, ("act", NOON + 10 * DAY))
    apply(MODEL, fold, NOON + 10 * DAY, trace_of(MODEL, event("give", NOON)), own_ms=NOON)
    assert [value(MODEL, fold, NOON + days * DAY) for days in (10, 12)] == [3.0, 1.0]


def test_pool_is_read_within_the_floor_and_cap_of_its_group_and_drains_beyond_them() -> None:
    model = pool_model(groups={"pool": {"drain": DRAIN, "cap": 5, "floor": -2}})
    fold = pooled(model, *(("give", NOON + n) for n in range(3)))  # 9
    assert [value(model, fold, NOON + days * DAY) for days in (1, 3, 4, 6)] == [5.0, 5.0, 5.0, 3.0]
    fold = pooled(model, ("take", NOON))
    assert [value(model, fold, NOON + days * DAY) for days in (0, 8, 9)] == [-2.0, -2.0, -1.0]


IDLE_POOL = {"groups": {"pool": {"drain": DRAIN}}}


def idle(step: dict[str, Any]) -> Model:
    return pool_model(inactivity=[{"after": "2d", "group": "pool", **step}])


@pytest.mark.parametrize(
    ("step", "events", "at_day_2", "at_day_3"),
    [
        # 9 at noon of day 0, 7 left at noon of day 2
        ({"multiply": 0.5}, ["give"] * 3, 3.5, 2.5),
        ({"multiply": 0}, ["give"] * 3, 0.0, 0.0),
        ({"multiply": 0.5}, ["take"], -4.0, -3.0),  # 8 of 10 are left
        ({"points": 5}, ["give"] * 3, 12.0, 11.0),
        ({"points": -5}, ["give"] * 3, 2.0, 1.0),
        ({"points": -50}, ["give"] * 3, 0.0, 0.0),  # no debt
        ({"points": -5}, ["take"], -8.0, -7.0),  # and no forgiveness
        ({"multiply": 2, "points": -4}, ["give"] * 3, 10.0, 9.0),
    ],
)
def test_idleness_acts_on_what_is_left_in_the_pool(
    step: dict[str, Any], events: list[str], at_day_2: float, at_day_3: float
) -> None:
    model = idle(step)
    fold = pooled(model, *((name, NOON) for name in events))
    assert value(model, fold, NOON + 2 * DAY - 1) == (-8.0 if "take" in events else 7.0)
    assert value(model, fold, NOON + 2 * DAY) == pytest.approx(at_day_2, rel=1e-15)
    assert value(model, fold, NOON + 3 * DAY) == pytest.approx(at_day_3, rel=1e-15)


def test_reset_empties_the_pool() -> None:
    model = pool_model(inactivity=[{"after": "2d", "reset": ["pool"]}])
    fold = pooled(model, ("take", NOON))
    assert value(model, fold, NOON + 2 * DAY) == 0.0
    assert value(MODEL, pooled(MODEL, ("take", NOON)), NOON + 2 * DAY) == -8.0


def test_reset_of_the_pool_comes_before_the_gifts_of_the_same_event() -> None:
    model = pool_model({"when": {"type": "give"}, "reset": ["pool"]})
    fold = pooled(model, ("take", NOON), ("give", NOON + 1))
    assert value(model, fold, NOON + 1) == 3.0
