from __future__ import annotations

from math import ceil, log2
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.support.small import DAY, HOUR, MINUTE, SECOND, START, folded, rule, small_model
from worker.scoring.due import HORIZON_MS, cools, next_due
from worker.scoring.inactivity import acts, advance, steps_at
from worker.scoring.model import Model, Reading
from worker.scoring.reading import read
from worker.scoring.state import Fold

READY_AT_50 = {"when": {"score": {"at_least": 50}}}


def due(model: Model, fold: Fold, *, is_ready: bool = True, after_ms: int | None = None) -> int | None:
    return next_due(model, fold, is_ready=is_ready, after_ms=fold.at_ms if after_ms is None else after_ms)


def first_due(model: Model, fold: Fold, after_ms: int, *, is_ready: bool, horizon: int) -> int | None:
    """Return the due instant by looking at every whole second and every step, one after the other."""
    fold = fold.copy()
    advance(model, fold, after_ms)
    seconds = range((after_ms // SECOND + 1) * SECOND, after_ms + horizon, SECOND)
    steps = step_instants(model, fold, after_ms, after_ms + horizon)
    assert model.qualify is not None
    candidates: set[int] = {*seconds, *steps}
    for at_ms in sorted(candidates):
        if any(acts(model, fold, step, at_ms) for step in steps_at(model, fold, at_ms)):
            return at_ms
        advance(model, fold, at_ms)
        reading = read(model, fold, at_ms)
        if is_ready and cools(model.qualify, reading, reading):
            return at_ms
    return None


def step_instants(model: Model, fold: Fold, after_ms: int, until_ms: int) -> list[int]:
    last_ms = fold.last_activity_ms
    if last_ms is None:
        return []
    found = []
    for step in model.inactivity:
        at_ms = last_ms + step.after_ms
        while at_ms < until_ms:
            found.append(at_ms)
            if step.every_ms is None:
                break
            at_ms += step.every_ms
    return [at_ms for at_ms in found if at_ms > after_ms]


def test_threshold_of_nothing_is_crossed_at_one_instant_found_at_once() -> None:
    """
    100 points, half-life 60 d, are no longer above 0 when 1e-9 is left: after 60 d * log2(1e11), to the second.

    A search that gives up on the way would answer sooner, and wake the contact again and again.
    """
    ready_above_0 = {"when": {"groups.engagement": {"more_than": 0}}}
    model = small_model(rule("act", 100, decay={"half_life": "60d"}), qualify=ready_above_0)
    left_s = 60 * DAY / SECOND * log2(1e11)
    assert due(model, folded(model, ("act", START))) == START + ceil(left_s) * SECOND


def test_ready_lead_cools_at_the_first_whole_second_below_the_threshold() -> None:
    """100 points, half-life 1 h, fall below 50 just after an hour; 50 itself still holds."""
    model = small_model(rule("act", 100, decay={"half_life": "1h"}), qualify=READY_AT_50)
    assert due(model, folded(model, ("act", START))) == START + HOUR + SECOND
    assert due(model, folded(model, ("act", START + 1))) == START + HOUR + SECOND
    assert due(model, folded(model, ("act", START + 999))) == START + HOUR + SECOND
    assert due(model, folded(model, ("act", START + SECOND))) == START + HOUR + 2 * SECOND


def test_open_lead_has_no_due_instant_without_steps() -> None:
    model = small_model(rule("act", 100, decay={"half_life": "1h"}), qualify=READY_AT_50)
    assert due(model, folded(model, ("act", START)), is_ready=False) is None


def test_points_that_never_fade_have_no_due_instant() -> None:
    model = small_model(rule("act", 50), qualify=READY_AT_50)
    assert due(model, folded(model, ("act", START))) is None


def test_step_is_due_at_its_own_millisecond() -> None:
    model = small_model(rule("act", 100), qualify=READY_AT_50, inactivity=[{"after": "1d", "points": -20}])
    fold = folded(model, ("act", START + 123))
    for is_ready in (False, True):
        assert due(model, fold, is_ready=is_ready) == START + 123 + DAY


def test_step_that_finds_nothing_to_change_is_not_due() -> None:
    model = small_model(
        rule("act", -5), qualify=READY_AT_50, inactivity=[{"after": "1d", "every": "1d", "points": -20}]
    )
    assert due(model, folded(model, ("act", START)), is_ready=False) is None


def test_due_instant_lies_after_the_last_evaluation_even_where_the_state_is_older() -> None:
    model = small_model(
        rule("act", 100), qualify=READY_AT_50, inactivity=[{"after": "1d", "every": "1d", "points": -20}]
    )
    fold = folded(model, ("act", START))
    assert due(model, fold, is_ready=False, after_ms=START + DAY) == START + 2 * DAY
    assert due(model, fold, is_ready=False, after_ms=START + 2 * DAY - 1) == START + 2 * DAY
    assert due(model, fold, is_ready=False, after_ms=START + 5 * DAY) is None  # 100 points are gone after five


def test_fading_penalty_that_lifts_a_lead_over_an_upper_bound_cools_it() -> None:
    """Ready below 60: 80 - 40 = 40; when the penalty has halved there are 60, which no longer is below."""
    model = small_model(
        rule("act", 80),
        rule("blame", -40, decay={"half_life": "1h"}),
        qualify={"when": {"score": {"at_least": 30, "less_than": 60}}},
    )
    assert due(model, folded(model, ("act", START), ("blame", START))) == START + HOUR


def test_band_that_is_crossed_between_two_seconds_far_apart_is_found() -> None:
    """Cools between 30 and 31 points only; bounds of a long span contain both sides of it."""
    model = small_model(
        rule("act", 100, decay={"half_life": "1h"}),
        qualify={"when": {"score": {"at_least": 50}}, "rearm": {"score": {"at_least": 30, "at_most": 31}}},
    )
    # 100 * 2^-x = 31 at x = 1.68966 h
    assert due(model, folded(model, ("act", START))) == START + 6083 * SECOND


def test_nothing_is_due_behind_the_year_2100() -> None:
    model = small_model(rule("act", 100, decay={"half_life": "5000d"}), qualify={"when": {"score": {"at_least": 1}}})
    assert due(model, folded(model, ("act", HORIZON_MS - 30_000 * DAY))) is None


@pytest.mark.parametrize("points", [5, 500, 50_000, 500_000])
def test_score_that_stands_on_its_threshold_is_never_due(points: int) -> None:
    """If this fails, a silent contact with many points is woken again and again for ever."""
    model = small_model(rule("act", points), qualify={"when": {"score": {"at_least": 2 * points}}})
    assert due(model, folded(model, ("act", START), ("act", START + 1))) is None


HALF_LIVES = st.sampled_from(["1m", "5m", "1h"])
RULES = st.fixed_dictionaries({"points": st.sampled_from([60, 30, -25, 10, 0.1, 3])}).flatmap(
    lambda one: st.fixed_dictionaries(
        {"when": st.just({}), "points": st.just(one["points"])},
        optional={
            "decay": st.fixed_dictionaries({"half_life": HALF_LIVES}),
            "cap": st.sampled_from([20, 50]),
            "group": st.sampled_from(["engagement", "side"]),
        },
    )
)
STEPS = st.fixed_dictionaries(
    {"after": st.sampled_from(["90s", "5m", "12m"])},
    optional={
        "every": st.sampled_from(["3m", "5m"]),
        "points": st.sampled_from([-30, -7]),
        "multiply": st.sampled_from([0, 0.5]),
        "reset": st.just(["side"]),
    },
).filter(lambda step: len(step.keys() & {"points", "multiply", "reset"}) > 0)
QUALIFY = st.sampled_from(
    [
        {"when": {"score": {"at_least": 50}}},
        {"when": {"score": {"at_least": 50}}, "rearm": {"score": {"less_than": 20}}},
        {"when": {"score": {"at_least": 20, "at_most": 40}}},
        {"when": {"groups.side": {"more_than": 0}}},
        {"when": {"score": {"at_least": 60}}, "rearm": {"groups.side": {"at_most": 10}}},
        {"when": {"not": {"score": {"less_than": 25}}}},
        {"when": {"tier": {"at_least": "hot"}}, "rearm": {"tier": {"less_than": "warm"}}},
        {"when": {"score": {"at_least": 90}}, "rearm": {"groups.side": {"at_most": 10}, "score": {"at_least": 30}}},
    ]
)


@settings(max_examples=40)  # each looks at hundreds of seconds
@given(
    st.lists(RULES, min_size=1, max_size=4),
    st.lists(STEPS, max_size=2),
    QUALIFY,
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 10 * MINUTE)), min_size=1, max_size=6),
    st.integers(0, 7 * MINUTE),
    st.booleans(),
)
@example([{"points": 60, "decay": {"half_life": "10m"}}], [], {"when": {"score": {"at_least": 50}}}, [(0, 1)], 0, True)
def test_next_due_equals_a_look_at_every_second_and_step(
    rules: list[dict[str, Any]],
    steps: list[dict[str, Any]],
    qualify: dict[str, Any],
    events: list[tuple[int, int]],
    waited: int,
    is_ready: bool,
) -> None:
    """If this fails, sales hears too late, or of something that has not happened."""
    model = small_model(
        *({**one, "when": {"type": f"t{number}"}} for number, one in enumerate(rules)),
        groups={"engagement": {}, "side": {}},
        qualify=qualify,
        tiers={"cold": 0, "warm": 20, "hot": 40},
        **({"inactivity": steps} if steps else {}),
    )
    in_order = sorted(events, key=lambda one: one[1])
    fold = folded(model, *((f"t{number % len(rules)}", START + at_ms) for number, at_ms in in_order))
    after_ms = fold.at_ms + waited
    horizon = 15 * MINUTE
    expected = first_due(model, fold, after_ms, is_ready=is_ready, horizon=horizon)
    found = next_due(model, fold, is_ready=is_ready, after_ms=after_ms)
    if expected is not None:
        assert found == expected
    else:
        assert found is None or found >= after_ms + horizon


def reading(score: float) -> Reading:
    return Reading(score, (score,), 0)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (20, 30, None),
        (10, 20, True),
        (85, 100, False),
        (100, 120, False),
        (35, 60, False),
        (25, 29.9, True),
        (10, 200, None),
    ],
)
def test_cooling_is_judged_over_a_span(low: float, high: float, verdict: bool | None) -> None:
    """Cools below 30 unless `when`, at least 90, holds."""
    model = small_model(
        rule("act", 1), qualify={"when": {"score": {"at_least": 90}}, "rearm": {"score": {"less_than": 30}}}
    )
    assert model.qualify is not None
    assert cools(model.qualify, reading(low), reading(high)) is verdict
