"""Rules that reset groups, and conditions that count awards since: what is dropped, what stays, and in which order."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.small import DAY, HOUR, START, accept, folded, rule, small_model
from worker.scoring.history import History
from worker.scoring.model import Model
from worker.scoring.reading import is_seen, read
from worker.scoring.state import Fold

GROUPS: dict[str, Any] = {"groups": {"side": {}, "pool": {"drain": {"points": 1, "every": "1d"}}}}


def model_of(*more: dict[str, Any], **parts: Any) -> Model:
    return small_model(
        rule("act", 10),
        rule("once", 20, once_per="contact"),
        rule("side", 5, group="side", limit={"times": 1, "within": "30d"}),
        rule("pool", 3, group="pool"),
        *more,
        **{**GROUPS, "score": {"floor": -100}, **parts},
    )


def groups(model: Model, *events: tuple[str, int]) -> tuple[float, ...]:
    fold = folded(model, *events)
    return read(model, fold, events[-1][1]).groups


BEFORE = [("act", START), ("once", START), ("side", START), ("pool", START)]


@pytest.mark.parametrize(
    ("reset", "left"),
    [
        (["engagement"], (0.0, 5.0, 3.0)),
        (["side"], (30.0, 0.0, 3.0)),
        (["pool"], (30.0, 5.0, 0.0)),
        (["engagement", "side", "pool"], (0.0, 0.0, 0.0)),
    ],
)
def test_rule_that_only_resets_drops_what_its_groups_hold(reset: list[str], left: tuple[float, ...]) -> None:
    model = model_of({"when": {"type": "gone"}, "reset": reset})
    assert groups(model, *BEFORE, ("gone", START + 1)) == left


def test_rule_that_only_resets_gives_no_award() -> None:
    """It is no good sign, scores nobody, and counts nowhere."""
    model = model_of({"when": {"type": "gone"}, "reset": ["engagement"]})
    history = History()
    assert not accept(history, model, "gone", START).gained
    fold = history.head(model)
    assert (fold.is_scored, fold.rules) == (False, {})


def test_rule_with_points_resets_first_and_its_points_stay() -> None:
    model = model_of({"when": {"type": "anew"}, "points": 2, "reset": ["engagement"]})
    assert groups(model, *BEFORE, ("anew", START + 1)) == (2.0, 5.0, 3.0)
    assert groups(model, *BEFORE, ("anew", START + 1), ("anew", START + 2)) == (2.0, 5.0, 3.0)


def test_points_of_other_rules_of_the_same_event_are_given_after_all_resets() -> None:
    model = model_of(rule("anew", 7), {"when": {"type": "anew"}, "reset": ["engagement", "side"]}, rule("anew", 1))
    assert groups(model, *BEFORE, ("anew", START + 1)) == (8.0, 0.0, 3.0)


def test_reset_of_a_rule_and_of_the_answer_of_sales_act_together_before_any_points() -> None:
    model = model_of(
        {"when": {"type": "sales.lost"}, "points": 2, "reset": ["side"]},
        feedback={"sales.lost": {"reset": ["engagement"], "points": -4}},
    )
    assert groups(model, *BEFORE, ("sales.lost", START + 1)) == (-2.0, 0.0, 3.0)


@pytest.mark.parametrize(
    "brake", [{"once_per": "contact"}, {"limit": {"times": 1, "within": "30d"}}], ids=["once_per", "limit"]
)
def test_refused_occurrence_does_not_reset_either(brake: dict[str, Any]) -> None:
    model = model_of({"when": {"type": "anew"}, "points": 2, "group": "side", "reset": ["engagement"], **brake})
    events = [("anew", START), ("act", START + 1), ("anew", START + 2)]
    assert groups(model, *events) == (10.0, 2.0, 0.0)


def test_reset_frees_once_keys_of_its_group_and_leaves_limits() -> None:
    model = model_of({"when": {"type": "gone"}, "reset": ["engagement", "side"]})
    again = [(name, START + 2) for name, _ in BEFORE[:3]]
    assert groups(model, *BEFORE, ("gone", START + 1), *again) == (30.0, 0.0, 3.0)


def test_rule_whose_own_group_it_resets_may_award_again_by_its_key_but_not_by_its_limit() -> None:
    keyed = model_of({"when": {"type": "anew"}, "points": 2, "reset": ["engagement"], "once_per": "contact"})
    # the key is tested before the reset, so the second is refused; nothing resets it, so the third is, too
    assert groups(keyed, ("anew", START), ("act", START + 1), ("anew", START + 2), ("anew", START + 3))[0] == 12.0


# awards seen


def seen_model(**seen: Any) -> Model:
    return small_model(
        rule("act", 0),
        {"when": {"type": "gone"}, "reset": ["engagement"]},
        qualify={"when": {"seen": {"rule": "rule 0", **seen}}},
    )


def seen(model: Model, fold: Fold, at_ms: int) -> bool:
    return is_seen(model.seen[0], fold, at_ms)


def test_awards_are_counted_since_the_last_reset_of_their_group() -> None:
    model = seen_model(times=2)
    assert not seen(model, folded(model, ("act", START)), START)
    assert seen(model, folded(model, ("act", START), ("act", START + 1)), START + 900 * DAY)
    after_reset = [("act", START), ("act", START + 1), ("gone", START + 2), ("act", START + 3)]
    assert not seen(model, folded(model, *after_reset), START + 3)
    assert seen(model, folded(model, *after_reset, ("act", START + 4)), START + 4)


def test_awards_within_a_span_leave_it_at_its_very_end() -> None:
    """(T - d, T]: an award exactly d ago is no longer seen."""
    model = seen_model(times=2, within="1d")
    fold = folded(model, ("act", START), ("act", START + HOUR))
    assert [seen(model, fold, START + at) for at in (HOUR, DAY - 1, DAY, 2 * DAY)] == [True, True, False, False]


def test_newest_awards_are_those_that_are_seen() -> None:
    model = seen_model(times=2, within="1d")
    fold = folded(model, ("act", START), ("act", START + 5 * DAY), ("act", START + 5 * DAY + HOUR))
    assert fold.rules[0].seen == [START + 5 * DAY, START + 5 * DAY + HOUR]  # no more are kept than are asked for
    assert seen(model, fold, START + 6 * DAY - 1)


def test_reset_forgets_awards_within_a_span_too() -> None:
    model = seen_model(times=1, within="30d")
    assert seen(model, folded(model, ("act", START)), START + 1)
    fold = folded(model, ("act", START), ("gone", START + 1))
    assert not seen(model, fold, START + 1)
    assert seen(model, folded(model, ("act", START), ("gone", START + 1), ("act", START + 2)), START + 2)


def test_refused_occurrence_is_not_seen() -> None:
    model = small_model(
        rule("act", 1, limit={"times": 1, "within": "1d"}),
        qualify={"when": {"seen": [{"rule": "rule 0", "times": 2}, {"rule": "rule 0", "times": 2, "within": "9d"}]}},
    )
    fold = folded(model, ("act", START), ("act", START + 1))
    assert [is_seen(one, fold, START + 1) for one in model.seen] == [False, False]
    fold = folded(model, ("act", START), ("act", START + 1), ("act", START + DAY))
    assert [is_seen(one, fold, START + DAY) for one in model.seen] == [True, True]


def test_late_award_is_seen_as_of_the_instant_of_the_base() -> None:
    model = seen_model(times=1, within="10d")
    history = History()
    accept(history, model, "sales.accepted", START)
    accept(history, model, "sales.accepted", START + 5 * DAY)
    assert accept(history, model, "act", START - 30 * DAY).is_late
    fold = history.head(model)
    assert fold.rules[0].seen == [START]
    assert [seen(model, fold, START + days * DAY) for days in (9, 10)] == [True, False]


def test_rules_without_a_seen_that_asks_for_instants_keep_none() -> None:
    model = seen_model(times=5)
    assert folded(model, ("act", START)).rules[0].seen is None
