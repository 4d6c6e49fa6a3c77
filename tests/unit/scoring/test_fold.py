from __future__ import annotations

from typing import Any

import pytest

from tests.support.small import DAY, HOUR, START, event, folded, rule, small_model, trace_of
from worker.scoring.fold import apply
from worker.scoring.once import KEYS_KEPT
from worker.scoring.reading import read
from worker.scoring.state import Fold


def test_awards_of_one_rule_fade_together_and_move_its_reference() -> None:
    model = small_model(rule("act", 100, decay={"half_life": "1d"}))
    fold = folded(model, ("act", START), ("act", START + DAY))
    state = fold.rules[0]
    assert (state.value, state.reference_ms, state.awarded, state.count) == (150.0, START + DAY, 200.0, 2)
    assert read(model, fold, START + 2 * DAY).score == 75.0


def test_event_gives_one_award_for_each_rule_that_holds() -> None:
    model = small_model(rule("act", 10), rule("act", 5), rule("other", 7))
    assert read(model, folded(model, ("act", START)), START).score == 15.0


def test_award_of_no_points_makes_a_contact_scored() -> None:
    model = small_model(rule("act", 0))
    assert folded(model, ("act", START)).is_scored
    assert not Fold().is_scored


@pytest.mark.parametrize(("points", "gained"), [(1, True), (0, True), (-1, False)])
def test_fold_tells_whether_an_award_of_0_or_more_was_given(points: float, gained: bool) -> None:
    model = small_model(rule("act", points))
    assert apply(model, Fold(), START, trace_of(model, event("act"))) is gained


def test_refused_occurrence_gains_nothing() -> None:
    model = small_model(rule("act", 5, once_per="contact"))
    fold = Fold()
    trace = trace_of(model, event("act"))
    assert [apply(model, fold, START + n, trace) for n in range(2)] == [True, False]


def test_occurrence_refused_by_a_limit_leaves_the_once_key_free() -> None:
    model = small_model(rule("act", 5, once_per="properties.form", limit={"times": 1, "within": "1d"}))
    fold = Fold()
    for at_ms, form in ((START, "a"), (START + HOUR, "b"), (START + DAY, "b"), (START + 3 * DAY, "b")):
        apply(model, fold, at_ms, trace_of(model, event("act", at_ms, form=form)))
    assert fold.rules[0].count == 2  # a on day 0, b on day 1; the limit refused b first, its key the last one


def test_occurrence_refused_by_its_key_does_not_use_up_the_limit() -> None:
    model = small_model(rule("act", 5, once_per="properties.form", limit={"times": 2, "within": "1d"}))
    fold = Fold()
    for minute, form in enumerate(("a", "a", "a", "b", "c")):
        apply(model, fold, START + minute, trace_of(model, event("act", START + minute, form=form)))
    assert fold.rules[0].count == 2  # a and b; c is the third within a day


def test_oldest_once_key_goes_when_as_many_as_are_kept_are_there() -> None:
    assert KEYS_KEPT == 200
    model = small_model(rule("act", 1, once_per="properties.form"))
    fold = Fold()

    def gains(form: int) -> bool:
        return apply(model, fold, START, trace_of(model, event("act", form=form)))

    assert all(gains(form) for form in range(200))
    assert not gains(0)
    assert gains(200)
    assert gains(0)
    assert not gains(2)


def test_feedback_resets_before_any_points_are_given() -> None:
    """The rule that matches the answer itself keeps its points, although the answer resets its group."""
    model = small_model(
        rule("act", 50), rule("sales.lost", 3), feedback={"sales.lost": {"reset": ["engagement"], "points": -10}}
    )
    fold = folded(model, ("act", START), ("sales.lost", START + 1))
    assert fold.rules.keys() == {1}
    assert (fold.rules[1].value, fold.extras[0].penalties, fold.extras[0].feedback) == (3.0, -10.0, 0.0)


def test_once_key_is_tested_on_the_state_before_the_reset_of_its_own_event() -> None:
    model = small_model(rule("sales.lost", 3, once_per="contact"), feedback={"sales.lost": {"reset": ["engagement"]}})
    assert folded(model, ("sales.lost", START), ("sales.lost", START + 1)).rules == {}
    fold = folded(model, ("sales.lost", START), ("sales.lost", START + 1), ("sales.lost", START + 2))
    # given, refused by its key but then reset (the key is free again), given
    assert fold.rules[0].value == 3.0
    assert fold.rules[0].count == 1


def test_feedback_points_above_and_below_0_are_kept_apart() -> None:
    model = small_model(rule("act", 1), feedback={"sales.won": {"points": 40}, "sales.lost": {"points": -5.5}})
    fold = folded(model, ("sales.won", START), ("sales.lost", START + 1), ("sales.lost", START + 2))
    assert (fold.extras[0].feedback, fold.extras[0].penalties) == (40.0, -11.0)
    assert not fold.is_scored


def test_step_due_at_the_instant_of_an_event_comes_before_it() -> None:
    model = small_model(rule("act", 100), inactivity=[{"after": "1d", "points": -30}])
    fold = folded(model, ("act", START), ("act", START + DAY))
    assert read(model, fold, START + DAY).score == 170.0


def test_late_event_fades_from_its_own_instant_and_is_no_sign_of_life() -> None:
    model = small_model(rule("act", 100, decay={"half_life": "1d"}), inactivity=[{"after": "30d", "points": -1}])
    fold = Fold()
    trace = trace_of(model, event("act"))
    apply(model, fold, START + 2 * DAY, trace)
    apply(model, fold, START + 2 * DAY, trace, own_ms=START)
    assert read(model, fold, START + 2 * DAY).score == 125.0  # 100 + 100 two half-lives ago
    assert fold.last_activity_ms == START + 2 * DAY
    assert fold.rules[0].reference_ms == START + 2 * DAY


def test_late_event_before_any_other_shows_no_life_either() -> None:
    model = small_model(rule("act", 1), inactivity=[{"after": "30d", "points": -1}])
    fold = Fold()
    apply(model, fold, START, trace_of(model, event("act")), own_ms=START - DAY)
    assert fold.last_activity_ms is None


def test_late_event_is_limited_as_of_the_instant_of_the_base() -> None:
    model = small_model(rule("act", 5, limit={"times": 1, "within": "1d"}))
    fold = Fold()
    trace = trace_of(model, event("act"))
    apply(model, fold, START + 10 * DAY, trace)
    assert not apply(model, fold, START + 10 * DAY, trace, own_ms=START)


def test_rules_are_summed_in_file_order_whatever_came_first() -> None:
    """Sums of doubles depend on their order; a score must not depend on the order of events."""
    model = small_model(rule("a", 0.1), rule("b", 0.2), rule("c", 0.3))
    assert list(folded(model, ("c", START), ("a", START + 1), ("b", START + 2)).rules) == [0, 1, 2]


@pytest.mark.parametrize(
    ("decay", "value"),
    [
        # 100 given at noon of day 10, and 100 of day 0 that are folded then; read at noon of day 12
        ({"percent": {"rate": "50%", "every": "2d"}}, 50 + 100 / 2**6),  # steps at day 1, 3, ... 11
        ({"linear": "20d"}, 90 + 40),  # half days: twelve days and two
        ({"expire": "11d"}, 100),
        ({"expire": "13d"}, 200),
    ],
)
def test_late_award_of_any_form_fades_from_its_own_instant(decay: dict[str, Any], value: float) -> None:
    model = small_model(rule("act", 100, decay=decay))
    fold = Fold()
    trace = trace_of(model, event("act"))
    noon = START + 12 * HOUR
    apply(model, fold, noon + 10 * DAY, trace)
    assert apply(model, fold, noon + 10 * DAY, trace, own_ms=noon)
    assert read(model, fold, noon + 12 * DAY).score == pytest.approx(value, rel=1e-12)


def test_late_lots_stand_in_the_order_of_their_instants() -> None:
    model = small_model(rule("act", 1, decay={"linear": "90d"}))
    fold = Fold()
    trace = trace_of(model, event("act"))
    apply(model, fold, START + 10 * DAY, trace)
    for day in (5, 2, 5, 7):
        apply(model, fold, START + 10 * DAY, trace, own_ms=START + day * DAY)
    assert fold.rules[0].lots == {
        START + day * DAY: points for day, points in ((2, 1.0), (5, 2.0), (7, 1.0), (10, 1.0))
    }
    assert list(fold.rules[0].lots or ()) == sorted(fold.rules[0].lots or ())
    assert (fold.rules[0].count, fold.rules[0].last_ms) == (5, START + 10 * DAY)


def test_late_award_that_has_run_out_counts_and_is_worth_nothing() -> None:
    model = small_model(rule("act", 1, decay={"expire": "5d"}))
    fold = Fold()
    trace = trace_of(model, event("act"))
    assert apply(model, fold, START + 10 * DAY, trace, own_ms=START)
    assert (fold.rules[0].lots, fold.rules[0].value, fold.rules[0].count) == ({}, 0.0, 1)
    assert fold.is_scored
