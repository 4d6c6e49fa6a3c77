from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.scoring.decay import HalfLife

HOUR, DAY = 3_600_000, 86_400_000


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


@given(st.floats(-1e6, 1e6), st.integers(1, 60 * DAY), st.integers(0, 400 * DAY), st.integers(0, 400 * DAY))
def test_half_life_only_ever_moves_points_towards_zero(points: float, half_life: int, a: int, b: int) -> None:
    """If this fails, the search for the instant at which a lead cools may overlook it."""
    sooner, later = sorted((a, b))
    decay = HalfLife(half_life)
    assert abs(decay.left(points, 0, later)) <= abs(decay.left(points, 0, sooner)) <= abs(points)


@given(st.floats(0.001, 1e6), st.floats(0.001, 1e6), st.integers(HOUR, 60 * DAY), st.integers(0, 90 * DAY))
def test_two_awards_of_one_half_life_add_up_to_one_curve(a: float, b: float, half_life: int, age: int) -> None:
    decay = HalfLife(half_life)
    apart = decay.left(a, 0, age) + decay.left(b, 0, age)
    assert decay.left(a + b, 0, age) == pytest.approx(apart, rel=1e-12)
