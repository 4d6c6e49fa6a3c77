from __future__ import annotations

from math import copysign

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.small import DAY, HOUR, MINUTE, SECOND, START, folded, rule, small_model
from worker.scoring.decay import E0_MS, Decay, Drain, Expire, HalfLife, Linear, Percent, bucket_width
from worker.scoring.reading import read

NOON = START + 12 * HOUR


@pytest.mark.parametrize(
    ("points", "half_life", "age", "left"),
    [
        (100.0, DAY, DAY, 50.0),
        (25.0, 14 * DAY, 14 * DAY, 12.5),
        (100.0, DAY, 0, 100.0),
        (100.0, DAY, 3 * DAY, 12.5),
        (-80.0, HOUR, 2 * HOUR, -20.0),
        (100.0, DAY, DAY // 2, 70.71067811865476),  # 100 / sqrt 2
    ],
)
def test_half_life_leaves_the_worked_value(points: float, half_life: int, age: int, left: float) -> None:
    assert HalfLife(half_life).left(points, 1_000, 1_000 + age) == pytest.approx(left, rel=1e-15)


def test_half_life_leaves_nothing_and_raises_nothing_after_a_century_of_seconds() -> None:
    assert HalfLife(1_000).left(100.0, 0, 100 * 365 * DAY) == 0.0


FORMS: list[Decay] = [HalfLife(DAY), Percent(0.3, DAY), Percent(1.0, HOUR)]


@given(st.floats(-1e6, 1e6), st.sampled_from(FORMS), st.integers(0, 400 * DAY), st.integers(0, 400 * DAY))
def test_curve_only_ever_moves_points_towards_zero(points: float, decay: HalfLife | Percent, a: int, b: int) -> None:
    """If this fails, the search for the instant at which a lead cools may overlook it."""
    sooner, later = sorted((a, b))
    assert abs(decay.left(points, 0, later)) <= abs(decay.left(points, 0, sooner)) <= abs(points)


@given(st.floats(0.001, 1e6), st.floats(0.001, 1e6), st.integers(HOUR, 60 * DAY), st.integers(0, 90 * DAY))
def test_two_awards_of_one_half_life_add_up_to_one_curve(a: float, b: float, half_life: int, age: int) -> None:
    decay = HalfLife(half_life)
    apart = decay.left(a, 0, age) + decay.left(b, 0, age)
    assert decay.left(a + b, 0, age) == pytest.approx(apart, rel=1e-12)


# percent


@pytest.mark.parametrize(("midnights", "left"), [(0, 100.0), (1, 98.0), (30, 54.5484), (35, 49.3074)])
def test_percent_leaves_the_worked_value_after_so_many_midnights(midnights: int, left: float) -> None:
    assert left <= Percent(0.02, DAY).left(100.0, NOON, NOON + midnights * DAY) < left + 1e-4  # digits cut, not rounded


@pytest.mark.parametrize(
    ("given_ms", "at_ms", "steps"),
    [
        (START - 1, START, 1),  # the millisecond before a step loses at it
        (START, START, 0),  # given at a step: that one is over
        (START, START + DAY - 1, 0),
        (START, START + DAY, 1),
        (E0_MS - 1, E0_MS, 1),  # E0 is a step, and steps go on before it
        (E0_MS - DAY - 1, E0_MS, 2),
        (E0_MS - 12 * HOUR, E0_MS - 1, 0),
        (631_152_000_000, 631_152_000_000 + 3 * DAY, 3),  # 1990
    ],
)
def test_percent_steps_at_each_midnight_after_the_award(given_ms: int, at_ms: int, steps: int) -> None:
    assert Percent(0.5, DAY).left(64.0, given_ms, at_ms) == 64.0 / 2**steps


def test_percent_every_week_steps_on_mondays() -> None:
    """START is a Thursday: the first Monday is four days later."""
    weekly = Percent(0.5, 7 * DAY)
    assert [weekly.left(8.0, START, START + age) for age in (4 * DAY - 1, 4 * DAY, 11 * DAY)] == [8.0, 4.0, 2.0]


def test_percent_of_all_leaves_nothing_after_one_step() -> None:
    assert [Percent(1.0, DAY).left(5.0, NOON, NOON + age) for age in (0, DAY, 9 * DAY)] == [5.0, 0.0, 0.0]


def test_percent_award_joins_what_is_left_at_its_own_instant() -> None:
    model = small_model(rule("act", 100, decay={"percent": {"rate": "2%", "every": "1d"}}))
    fold = folded(model, ("act", NOON), ("act", NOON + 2 * DAY))
    assert fold.rules[0].value == pytest.approx(196.04, rel=1e-15)  # 100 * 0.98 * 0.98 + 100
    assert read(model, fold, NOON + 3 * DAY).score == pytest.approx(192.1192, rel=1e-15)


# buckets


@pytest.mark.parametrize(
    ("span", "width"),
    [
        (SECOND, MINUTE),
        (2 * HOUR - 1, MINUTE),
        (2 * HOUR, 5 * MINUTE),
        (12 * HOUR - 1, 5 * MINUTE),
        (12 * HOUR, 30 * MINUTE),
        (2 * DAY, 2 * HOUR),
        (12 * DAY - 1, 2 * HOUR),
        (12 * DAY, 12 * HOUR),
        (24 * DAY - 1, 12 * HOUR),
        (24 * DAY, DAY),
        (730 * DAY, DAY),
    ],
)
def test_bucket_is_the_widest_that_is_at_most_a_24th_of_the_span(span: int, width: int) -> None:
    assert bucket_width(span) == width


@pytest.mark.parametrize(
    ("at_ms", "start_ms"),
    [(START, START), (START + 1, START), (START + DAY - 1, START), (E0_MS - 1, E0_MS - DAY), (E0_MS, E0_MS)],
)
def test_bucket_starts_at_a_multiple_of_its_width_since_e0(at_ms: int, start_ms: int) -> None:
    assert Linear(24 * DAY).bucket(at_ms) == start_ms


# linear and expire


def test_linear_points_go_evenly_by_whole_buckets() -> None:
    """9 points over 90 d, given at 13:00: 9 all day, 8.7 after three midnights."""
    decay = Linear(90 * DAY)
    lots = {decay.bucket(START + 13 * HOUR): 9.0}
    ages = (DAY - 1, DAY, 3 * DAY, 45 * DAY, 90 * DAY - 1, 90 * DAY, 400 * DAY)
    expected = [9.0, 8.9, 8.7, 4.5, 0.1, 0.0, 0.0]
    assert [decay.left_of(lots, START + age) for age in ages] == pytest.approx(expected, abs=1e-12)


def test_linear_points_are_whole_on_their_own_day() -> None:
    decay = Linear(90 * DAY)
    assert decay.left_of({decay.bucket(START): 100.0}, START + DAY - 1) == 100.0


def test_expiring_points_stay_whole_and_go_at_a_midnight() -> None:
    """10 points for 180 d, given at 13:00 of day 0."""
    decay = Expire(180 * DAY)
    lots = {decay.bucket(START + 13 * HOUR): 10.0}
    assert [decay.left_of(lots, START + 180 * DAY - 1), decay.left_of(lots, START + 180 * DAY)] == [10.0, 0.0]


def test_points_of_an_hour_are_kept_by_the_minute() -> None:
    """Given at half past the minute, they are dated at its begin."""
    given_ms = START + 30 * SECOND
    linear, expire = Linear(HOUR), Expire(HOUR)
    lots = {linear.bucket(given_ms): 60.0}
    assert lots == {START: 60.0}
    assert linear.left_of(lots, START + 30 * MINUTE + 59_999) == 30.0
    assert expire.left_of(lots, START + HOUR - 1) == 60.0
    assert expire.left_of(lots, START + HOUR) == 0.0


def test_points_that_last_less_than_a_bucket_last_to_its_end() -> None:
    assert [Expire(SECOND).left_of({START: 1.0}, START + age) for age in (0, MINUTE - 1, MINUTE)] == [1.0, 1.0, 0.0]
    assert [Linear(SECOND).left_of({START: 1.0}, START + age) for age in (0, MINUTE - 1, MINUTE)] == [1.0, 1.0, 0.0]


def test_awards_of_one_bucket_are_one_lot_and_lots_worth_nothing_go() -> None:
    model = small_model(rule("act", 12, decay={"linear": "24d"}))
    fold = folded(model, ("act", START), ("act", START + 23 * HOUR), ("act", START + 12 * DAY))
    assert fold.rules[0].lots == {START: 24.0, START + 12 * DAY: 12.0}
    assert read(model, fold, START + 12 * DAY).score == 24.0  # half of 24, and 12
    fold = folded(model, ("act", START), ("act", START + DAY), ("act", START + 24 * DAY))
    assert fold.rules[0].lots == {START + DAY: 12.0, START + 24 * DAY: 12.0}
    assert (fold.rules[0].count, fold.rules[0].awarded) == (3, 36.0)


@pytest.mark.parametrize("form", ["linear", "expire"])
def test_contact_keeps_no_more_lots_than_there_are_buckets(form: str) -> None:
    model = small_model(rule("act", 1, decay={form: "48d"}))
    fold = folded(model, *(("act", START + n * 6 * HOUR) for n in range(400)))
    assert len(fold.rules[0].lots or ()) == 48


# drains


@pytest.mark.parametrize(
    ("value", "midnights", "left"),
    [(3.0, 0, 3.0), (3.0, 2, 1.0), (3.0, 3, 0.0), (3.0, 5, 0.0), (-3.0, 2, -1.0), (-3.0, 5, 0.0), (0.5, 1, 0.0)],
)
def test_drain_takes_so_much_at_each_midnight_and_stops_at_0(value: float, midnights: int, left: float) -> None:
    drained = Drain(1.0, DAY).left(value, NOON, NOON + midnights * DAY)
    assert drained == left
    assert drained or copysign(1.0, drained) == 1.0  # no negative zero


@pytest.mark.parametrize(
    ("given_ms", "at_ms", "left"),
    [(START - 1, START, 9.0), (START, START, 10.0), (START, START + DAY - 1, 10.0), (E0_MS - 1, E0_MS + DAY, 8.0)],
)
def test_drain_steps_after_the_instant_it_stood_at(given_ms: int, at_ms: int, left: float) -> None:
    assert Drain(1.0, DAY).left(10.0, given_ms, at_ms) == left
