from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.small import DAY, HOUR, START, folded, rule, small_model
from worker.scoring.inactivity import acts, advance, steps_at
from worker.scoring.model import NEVER_MS, Model
from worker.scoring.reading import group_values
from worker.scoring.state import Fold


def value_at(model: Model, fold: Fold, at_ms: int) -> float:
    """Return the first group's value at *at_ms*, before floor and cap."""
    advanced = fold.copy()
    advance(model, advanced, at_ms)
    return group_values(model, advanced, at_ms)[0]


def idle(*steps: dict[str, Any], points: float = 100, **parts: Any) -> Model:
    return small_model(
        rule("act", points), rule("blame", -30), rule("other", 8, group="side"), inactivity=list(steps), **parts
    )


SIDE: dict[str, Any] = {"groups": {"engagement": {}, "side": {}}}


def test_step_acts_exactly_when_the_idle_time_is_reached() -> None:
    model = idle({"after": "30d", "points": -20}, **SIDE)
    fold = folded(model, ("act", START))
    assert value_at(model, fold, START + 30 * DAY - 1) == 100
    assert value_at(model, fold, START + 30 * DAY) == 80
    assert value_at(model, fold, START + 900 * DAY) == 80


def test_step_repeats_every_so_often_until_the_next_activity() -> None:
    model = idle({"after": "30d", "every": "10d", "points": -20}, **SIDE)
    fold = folded(model, ("act", START), ("act", START + 45 * DAY))
    # 100 - 20 (day 30) - 20 (day 40) + 100, then day 75 is the first again
    assert value_at(model, fold, START + 74 * DAY) == 160
    assert value_at(model, fold, START + 75 * DAY) == 140
    assert value_at(model, fold, START + 85 * DAY) == 120


def test_contact_without_activity_has_no_idle_time() -> None:
    model = idle({"after": "1d", "points": -20}, **SIDE)
    fold = Fold()
    assert fold.next_step_ms == NEVER_MS
    advance(model, fold, START + 900 * DAY)
    assert steps_at(model, fold, START + DAY) == []


def test_steps_due_at_one_instant_run_in_file_order() -> None:
    halve, take = {"after": "1d", "multiply": 0.5}, {"after": "1d", "points": -20}
    for steps, left in (((halve, take), 30), ((take, halve), 40)):
        model = idle(*steps, **SIDE)
        assert value_at(model, folded(model, ("act", START)), START + DAY) == left


def test_one_step_resets_then_multiplies_then_gives() -> None:
    model = idle({"after": "1d", "reset": ["engagement"], "multiply": 3, "points": 5}, **SIDE)
    assert value_at(model, folded(model, ("act", START)), START + DAY) == 5


def test_reset_ends_the_repeats_of_the_steps_before_it_but_not_their_first_time() -> None:
    model = idle(
        {"after": "1d", "every": "1d", "points": 1},
        {"after": "9d", "every": "1d", "points": 10},
        {"after": "3d", "reset": ["side"]},
        {"after": "1d", "every": "1d", "points": 100},
        **SIDE,
    )
    fold = folded(model, ("act", START))
    # the first runs on days 1 to 3 (at day 3 before the reset), the second on day 9 only, the last, listed behind, on all nine
    assert value_at(model, fold, START + 9 * DAY) == 100 + 3 + 10 + 900
    assert value_at(model, fold, START + 12 * DAY) == 100 + 3 + 10 + 1200


def test_repeats_come_back_after_the_next_activity() -> None:
    model = idle({"after": "1d", "every": "1d", "points": 1}, {"after": "2d", "reset": ["side"]}, **SIDE)
    fold = folded(model, ("act", START), ("act", START + 10 * DAY))
    assert value_at(model, fold, START + 20 * DAY) == 200 + 2 + 2


def test_reset_frees_once_keys_and_leaves_limits() -> None:
    model = small_model(
        rule("act", 10, once_per="contact"),
        rule("try", 10, limit={"times": 1, "within": "30d"}),
        inactivity=[{"after": "1d", "reset": ["engagement"]}],
    )
    events = (("act", START), ("try", START), ("act", START + 2 * DAY), ("try", START + 2 * DAY))
    fold = folded(model, *events)
    assert fold.rules[0].value == 10
    assert (fold.rules[1].value, fold.rules[1].count, fold.rules[1].times) == (0.0, 0, [START])


def test_negative_points_take_no_more_than_there_is() -> None:
    model = idle({"after": "1d", "every": "1d", "points": -70}, **SIDE)
    fold = folded(model, ("act", START))
    assert [value_at(model, fold, START + day * DAY) for day in (1, 2, 3)] == [30, 0, 0]


def test_what_was_taken_fades_with_what_it_was_taken_from() -> None:
    """100 points, half-life 30 d, 50 taken after 30 d: 0 then, and 0 at day 60, never below."""
    model = small_model(rule("act", 100, decay={"half_life": "30d"}), inactivity=[{"after": "30d", "points": -50}])
    fold = folded(model, ("act", START))
    assert [value_at(model, fold, START + day * DAY) for day in (30, 60)] == [0, 0]
    model = small_model(rule("act", 100, decay={"half_life": "30d"}), inactivity=[{"after": "30d", "points": -20}])
    fold = folded(model, ("act", START))
    assert value_at(model, fold, START + 60 * DAY) == pytest.approx(15)  # (50 - 20) / 2


def test_negative_points_forgive_no_penalty() -> None:
    model = idle({"after": "1d", "points": -60}, **SIDE)
    fold = folded(model, ("act", START), ("blame", START))
    later = fold.copy()
    advance(model, later, START + DAY)
    # 70 is there, 60 is taken from the 100 that is positive: 40 - 30
    assert later.rules[0].value == pytest.approx(40)
    assert later.rules[1].value == -30.0
    assert value_at(model, fold, START + DAY) == pytest.approx(10)


def test_contact_in_debt_loses_nothing_by_idleness() -> None:
    model = idle({"after": "1d", "points": -60}, **SIDE)
    fold = folded(model, ("act", START), *(("blame", START + n) for n in range(4)))
    assert value_at(model, fold, START + 10 * DAY) == -20


def test_negative_points_stop_at_a_floor_above_0() -> None:
    model = idle({"after": "1d", "points": -60}, groups={"engagement": {"floor": 75}, "side": {}})
    assert value_at(model, folded(model, ("act", START)), START + DAY) == pytest.approx(75)


def test_negative_points_see_a_rule_within_its_cap() -> None:
    """120 positive points show as 40; 40 may be taken, and what is scaled is the 120."""
    model = small_model(rule("act", 60, cap=40), inactivity=[{"after": "1d", "points": -30}])
    fold = folded(model, ("act", START), ("act", START + 1))
    advance(model, fold, START + 1 + DAY)
    assert fold.rules[0].value == pytest.approx(90)


def test_multiply_scales_penalties_too_and_its_group_only() -> None:
    model = idle({"after": "1d", "multiply": 0.5}, **SIDE)
    fold = folded(model, ("act", START), ("blame", START), ("other", START))
    advance(model, fold, START + DAY)
    assert [fold.rules[index].value for index in (0, 1, 2)] == [50.0, -15.0, 8.0]


def test_multiply_acts_on_the_group_that_it_names() -> None:
    model = idle({"after": "1d", "multiply": 0, "group": "side"}, **SIDE)
    fold = folded(model, ("act", START), ("other", START))
    advance(model, fold, START + DAY)
    assert [fold.rules[index].value for index in (0, 2)] == [100.0, 0.0]


@pytest.mark.parametrize(
    ("step", "events", "changes"),
    [
        ({"points": -1}, ["act"], True),
        ({"points": -1}, ["blame"], False),
        ({"points": -1, "group": "side"}, ["act"], False),
        ({"points": 1}, ["blame"], True),
        ({"multiply": 1}, ["act"], False),
        ({"multiply": 0.5}, ["blame"], True),
        ({"multiply": 0.5, "group": "side"}, ["act"], False),
        ({"reset": ["engagement"]}, ["act"], True),
        ({"reset": ["side"]}, ["act"], False),
    ],
)
def test_step_acts_when_it_finds_something_to_change(step: dict[str, Any], events: list[str], changes: bool) -> None:
    model = idle({"after": "1d", **step}, **SIDE)
    fold = folded(model, *((name, START) for name in events))
    (due,) = steps_at(model, fold, START + DAY)
    assert acts(model, fold, due, START + DAY) is changes


STEPS = st.fixed_dictionaries(
    {"after": st.sampled_from(["1h", "90m", "2h", "5h"])},
    optional={
        "every": st.sampled_from(["1h", "45m"]),
        "points": st.sampled_from([-30, -7, 3]),
        "reset": st.just(["side"]),
    },
).filter(lambda step: "points" in step or "reset" in step)


@given(
    st.lists(STEPS, min_size=1, max_size=3),
    st.lists(st.integers(0, 12 * HOUR), min_size=2, max_size=4),
    st.sampled_from(["10m", "1h", "30d"]),
)
def test_advancing_in_parts_equals_advancing_at_once(
    steps: list[dict[str, Any]], stops: list[int], half_life: str
) -> None:
    """If this fails, a worker that was down tells sales another story than one that ran."""
    model = small_model(
        rule("act", 100, decay={"half_life": half_life}), rule("other", 8, group="side"), inactivity=steps, **SIDE
    )
    at_once = folded(model, ("act", START), ("other", START))
    in_parts = at_once.copy()
    for stop in sorted(stops):
        advance(model, in_parts, START + stop)
    advance(model, at_once, START + max(stops))
    values = [
        {index: (state.value, state.count) for index, state in fold.rules.items()} for fold in (at_once, in_parts)
    ]
    extras = [{index: one.inactivity for index, one in fold.extras.items()} for fold in (at_once, in_parts)]
    assert values[0] == values[1]
    assert extras[0] == extras[1]
    assert at_once.next_step_ms == in_parts.next_step_ms


# what fades in lots, and by shares


@pytest.mark.parametrize(
    ("decay", "step", "left"),
    [
        # 100 points given at noon, 48 h later; of linear over 96 h (in steps of two hours) half is left then
        ({"linear": "96h"}, {"multiply": 0.5}, 25.0),
        ({"linear": "96h"}, {"points": -20}, 30.0),
        ({"linear": "96h"}, {"points": -90}, 0.0),
        ({"expire": "96h"}, {"multiply": 0.1}, 10.0),
        ({"expire": "96h"}, {"points": -20}, 80.0),
        ({"expire": "24h"}, {"points": -20}, 0.0),
        ({"percent": {"rate": "50%", "every": "1d"}}, {"points": -5}, 20.0),  # 25 are left after two midnights
        ({"percent": {"rate": "50%", "every": "1d"}}, {"multiply": 2}, 50.0),
    ],
)
def test_idleness_takes_from_what_is_left_of_every_form(
    decay: dict[str, Any], step: dict[str, Any], left: float
) -> None:
    model = small_model(rule("act", 100, decay=decay), inactivity=[{"after": "48h", **step}])
    fold = folded(model, ("act", START + 12 * HOUR))
    assert value_at(model, fold, START + 60 * HOUR) == pytest.approx(left, abs=1e-12)


def test_what_idleness_took_fades_with_each_lot_it_was_taken_from() -> None:
    """Lots of 100 and 60, of which 3/4 and all are left: 135. 27 are taken: a fifth of each; a day later 40 and 45 less a fifth."""
    model = small_model(
        rule("act", 100, decay={"linear": "4d"}), rule("more", 60), inactivity=[{"after": "1d", "points": -27}]
    )
    fold = folded(model, ("act", START), ("more", START))
    assert value_at(model, fold, START + DAY) == pytest.approx(75 + 60 - 27)
    assert value_at(model, fold, START + 2 * DAY) == pytest.approx((50 + 60) * 0.8)


@pytest.mark.parametrize("decay", [{"linear": "1d"}, {"expire": "1d"}])
def test_step_finds_nothing_where_all_lots_have_run_out(decay: dict[str, Any]) -> None:
    model = small_model(
        rule("act", 100, decay=decay), inactivity=[{"after": "2d", "points": -1}, {"after": "2d", "multiply": 0}]
    )
    fold = folded(model, ("act", START))
    assert [acts(model, fold, step, START + 2 * DAY) for step in steps_at(model, fold, START + 2 * DAY)] == [
        False,
        False,
    ]


def test_reset_acts_on_awards_of_no_points_too() -> None:
    """It frees their once-keys and what was seen of them."""
    model = small_model(rule("act", 0), inactivity=[{"after": "1d", "reset": ["engagement"]}])
    fold = folded(model, ("act", START))
    (due,) = steps_at(model, fold, START + DAY)
    assert acts(model, fold, due, START + DAY)
    advance(model, fold, START + DAY)
    assert not acts(model, fold, due, START + 2 * DAY)
    assert fold.is_scored
