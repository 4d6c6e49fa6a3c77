"""Points given by hand: for good, or until an instant; each counts, unless it has no effect under a model."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.small import DAY, HOUR, START, accept, event, rule, small_model, trace_of
from worker.scoring.fold import ADJUSTMENTS_KEPT
from worker.scoring.history import Accepted, History
from worker.scoring.matching import Matcher, Trace
from worker.scoring.model import Model
from worker.scoring.reading import read
from worker.scoring.state import Adjustment

MODEL = small_model(
    rule("act", 100),
    rule("side", 1, group="side"),
    groups={"side": {}},
    feedback={"sales.lost": {"reset": ["side"]}},
    score={"floor": -1000},
)


def adjust(history: History, model: Model, points: float, at_ms: int = START, name: str = "", **more: Any) -> Accepted:
    return accept(history, model, "score.adjusted", at_ms, name, points=points, reason="call", **more)


def value(model: Model, history: History, at_ms: int, group: int = 0) -> float:
    return read(model, history.head_at(model, at_ms), at_ms).groups[group]


def test_points_by_hand_count_for_good_in_engagement() -> None:
    history = History()
    adjust(history, MODEL, 12.5)
    adjust(history, MODEL, -2.25, START + 1)
    fold = history.head(MODEL)
    assert fold.is_scored
    assert (fold.extras[0].adjusted, fold.extras[0].deducted) == (12.5, -2.25)
    assert value(MODEL, history, START + 900 * DAY) == 10.25


def test_points_by_hand_go_to_the_group_they_name() -> None:
    history = History()
    adjust(history, MODEL, 5, group="side")
    assert [value(MODEL, history, START, group) for group in (0, 1)] == [0.0, 5.0]


@pytest.mark.parametrize("expires_at", [START + DAY, "2026-01-02T00:00:00Z", "2026-01-02T01:00:00+01:00"])
def test_points_by_hand_count_until_the_instant_they_expire(expires_at: object) -> None:
    history = History()
    adjust(history, MODEL, 5, expires_at=expires_at)
    assert history.head(MODEL).adjustments == (Adjustment(0, 5.0, START + DAY),)
    assert [value(MODEL, history, START + DAY - 1), value(MODEL, history, START + DAY)] == [5.0, 0.0]


@pytest.mark.parametrize(("points", "gained"), [(5, True), (0, True), (-5, False)])
def test_points_by_hand_of_0_or_more_are_a_good_sign(points: float, gained: bool) -> None:
    assert adjust(History(), MODEL, points).gained is gained


@pytest.mark.parametrize(
    "more",
    [{"group": "none"}, {"expires_at": START}, {"expires_at": START - 1}, {"expires_at": "2025-12-31T00:00:00Z"}],
)
def test_points_by_hand_without_effect_leave_an_event_and_nothing_else(more: dict[str, Any]) -> None:
    assert trace_of(MODEL, event("score.adjusted", points=5, reason="call", **more)).given is None
    history = History()
    assert not adjust(history, MODEL, 5, **more).gained
    assert (history.newest_ms, history.head(MODEL).is_scored) == (START, False)


def test_rule_may_match_points_by_hand_that_have_no_effect() -> None:
    model = small_model(rule("score.adjusted", 7))
    history = History()
    assert adjust(history, model, 5, group="none").gained
    assert value(model, history, START) == 7.0


def test_clamped_time_decides_whether_points_by_hand_have_expired() -> None:
    matcher = Matcher(MODEL)
    one = event("score.adjusted", START + 9 * DAY, points=5, reason="call", expires_at=START + DAY)
    assert [bool(trace and trace.given) for trace in (matcher.match(one, at) for at in (START, START + 9 * DAY))] == [
        True,
        False,
    ]


def kept(history: History) -> list[float]:
    return [one.points for one in history.head(MODEL).adjustments]


def test_64_adjustments_that_expire_are_kept_and_the_soonest_to_expire_goes() -> None:
    assert ADJUSTMENTS_KEPT == 64
    history = History()
    for n in range(64):
        adjust(history, MODEL, n, START + n, expires_at=START + (100 - n) * DAY)
    assert kept(history) == list(range(64))
    adjust(history, MODEL, 64, START + 64, expires_at=START + 50 * DAY)  # number 63 ends on day 37
    assert kept(history) == [*range(63), 64]
    adjust(history, MODEL, 65, START + 65, expires_at=START + DAY)  # it ends first itself
    assert kept(history) == [*range(63), 64]


def test_of_adjustments_that_expire_together_the_one_given_first_goes() -> None:
    history = History()
    for n in range(66):
        adjust(history, MODEL, n, START + n, expires_at=START + DAY)
    assert kept(history) == list(range(2, 66))


def test_adjustments_that_have_expired_make_room_first() -> None:
    history = History()
    for n in range(64):
        adjust(history, MODEL, n, START, f"a{n:02}", expires_at=START + (HOUR if n < 10 else DAY))
    adjust(history, MODEL, 64, START + HOUR, expires_at=START + 2 * HOUR)  # the first ten have just expired
    assert kept(history) == list(range(10, 65))


def test_adjustments_for_good_are_no_part_of_the_64() -> None:
    history = History()
    for n in range(70):
        adjust(history, MODEL, 1, START + n)
    assert value(MODEL, history, START + DAY) == 70.0


def test_adjustments_are_summed_in_the_order_in_which_they_were_folded() -> None:
    """Of events that arrive out of order, too: sums of doubles depend on their order."""
    histories = [History(), History()]
    given = [(0.1, START, "a"), (0.2, START, "b"), (0.3, START + 1, "c")]
    for history, order in zip(histories, (given, given[::-1]), strict=True):
        for points, at_ms, name in order:
            adjust(history, MODEL, points, at_ms, name, expires_at=START + DAY)
    assert [value(MODEL, history, START + 1) for history in histories] == [(0.1 + 0.2) + 0.3] * 2


def test_late_points_by_hand_keep_their_own_end() -> None:
    history = History()
    for day in (0, 10):
        accept(history, MODEL, "side", START + day * DAY)
    assert adjust(history, MODEL, 5, START - DAY, expires_at=START + 12 * DAY).is_late
    assert adjust(history, MODEL, 3, START - DAY, "gone", expires_at=START - HOUR).is_late
    assert [value(MODEL, history, START + day * DAY) for day in (10, 12)] == [5.0, 0.0]


def test_reset_of_their_group_drops_points_by_hand_of_both_kinds() -> None:
    history = History()
    for group in ("side", "engagement"):
        adjust(history, MODEL, 5, START, group, group=group)
        adjust(history, MODEL, 3, START, f"{group} ends", group=group, expires_at=START + 90 * DAY)
    accept(history, MODEL, "sales.lost", START + 1)
    assert [value(MODEL, history, START + 1, group) for group in (0, 1)] == [8.0, 0.0]
    assert history.head(MODEL).adjustments == (Adjustment(0, 3.0, START + 90 * DAY),)


def idle_value(step: dict[str, Any], *adjusted: dict[str, Any]) -> float:
    model = small_model(rule("act", 0), inactivity=[{"after": "1d", **step}], score={"floor": -1000})
    history = History()
    accept(history, model, "act", START)
    for number, one in enumerate(adjusted):
        adjust(history, model, one["points"], START, f"n{number}", **{k: v for k, v in one.items() if k != "points"})
    return value(model, history, START + DAY)


LATER, SOON = {"expires_at": START + 9 * DAY}, {"expires_at": START + HOUR}


@pytest.mark.parametrize(
    ("step", "adjusted", "left"),
    [
        ({"multiply": 0.5}, [{"points": 8}, {"points": -4}, {"points": 20, **LATER}, {"points": -2, **LATER}], 11.0),
        ({"points": -10}, [{"points": 10}, {"points": 30, **LATER}], 30.0),
        ({"points": -10}, [{"points": 40, **LATER}, {"points": -20, **LATER}, {"points": -5}], 5.0),
        ({"points": -100}, [{"points": 40, **LATER}, {"points": -20}], 0.0),
        ({"points": -100}, [{"points": 40, **SOON}, {"points": -20}], -20.0),  # what has expired cannot be taken
        ({"reset": ["engagement"]}, [{"points": 40, **LATER}, {"points": -20}], 0.0),
        ({"points": 7}, [{"points": 1, **LATER}], 8.0),
    ],
)
def test_idleness_acts_on_points_by_hand(step: dict[str, Any], adjusted: list[dict[str, Any]], left: float) -> None:
    assert idle_value(step, *adjusted) == pytest.approx(left, rel=1e-14)


def test_trace_of_points_by_hand_says_how_far_it_may_raise_a_score() -> None:
    def given(points: float) -> Trace:
        return trace_of(MODEL, event("score.adjusted", points=points, reason="call"))

    assert [(given(points).gain, given(points).lowers) for points in (5, -5)] == [(5.0, False), (0.0, True)]
