"""Due instants of every form of state: never late, whatever fades, drains, expires or is no longer seen."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.small import DAY, HOUR, MINUTE, SECOND, START, accept, rule, small_model
from worker.scoring.due import cools, next_due
from worker.scoring.history import History
from worker.scoring.inactivity import acts, advance, steps_at
from worker.scoring.model import Model
from worker.scoring.reading import read
from worker.scoring.state import Fold

NOON = START + 12 * HOUR
READY_AT_50 = {"when": {"score": {"at_least": 50}}}
Happened = tuple[str, int] | tuple[str, int, dict[str, Any]]


def fold_of(model: Model, *happened: Happened) -> Fold:
    history = History()
    for number, (event_type, at_ms, *properties) in enumerate(happened):
        accept(history, model, event_type, at_ms, f"e{number:02}", **(properties[0] if properties else {}))
    return history.head(model).copy()


def due(model: Model, fold: Fold, *, is_ready: bool = True, tier: int | None = None) -> int | None:
    return next_due(model, fold, is_ready=is_ready, after_ms=fold.at_ms, tier=tier)


@pytest.mark.parametrize(
    ("decay", "due_ms"),
    [
        # 100 points given at noon, below 50:
        ({"percent": {"rate": "30%", "every": "1d"}}, START + 2 * DAY),  # 70, then 49, at midnight
        ({"percent": {"rate": "50%", "every": "1d"}}, START + 2 * DAY),  # 50 is still 50
        ({"percent": {"rate": "51%", "every": "1w"}}, START + 4 * DAY),  # on Monday
        ({"linear": "90d"}, START + 46 * DAY),  # 50 on day 45, less on day 46
        ({"linear": "48h"}, NOON + 26 * HOUR),  # by steps of two hours: 50 after 24 h
        ({"expire": "90d"}, START + 90 * DAY),
        ({"expire": "1h"}, NOON + HOUR),
    ],
)
def test_lead_cools_at_the_step_that_takes_it_below(decay: dict[str, Any], due_ms: int) -> None:
    model = small_model(rule("act", 100, decay=decay), qualify=READY_AT_50)
    assert due(model, fold_of(model, ("act", NOON))) == due_ms


def test_lead_cools_when_its_pool_has_drained() -> None:
    """100, one an hour: 50 after 50 hours, 49 after 51."""
    model = small_model(
        rule("act", 100, group="pool"), groups={"pool": {"drain": {"points": 1, "every": "1h"}}}, qualify=READY_AT_50
    )
    assert due(model, fold_of(model, ("act", NOON))) == NOON + 51 * HOUR
    assert due(model, fold_of(model, ("act", NOON - 1))) == NOON + 50 * HOUR


def test_lead_cools_when_points_by_hand_expire_at_their_own_millisecond() -> None:
    model = small_model(rule("act", 10), qualify=READY_AT_50)
    ends_ms = NOON + 3 * DAY + 123
    by_hand = {"points": 45, "reason": "", "expires_at": ends_ms}
    assert due(model, fold_of(model, ("act", NOON), ("score.adjusted", NOON, by_hand))) == ends_ms


def test_expiry_that_changes_nothing_is_passed_over() -> None:
    model = small_model(rule("act", 60), qualify=READY_AT_50)
    adjusted: list[Happened] = [
        ("score.adjusted", NOON, {"points": n, "reason": "", "expires_at": NOON + (n + 1) * HOUR}) for n in range(30)
    ]
    assert due(model, fold_of(model, ("act", NOON), *adjusted)) is None


def many_adjustments(number: int) -> list[Happened]:
    return [
        ("score.adjusted", NOON, {"points": 1, "reason": "", "expires_at": NOON + (n + 1) * HOUR})
        for n in range(number)
    ]


def test_expiry_that_matters_is_found_behind_many_that_do_not() -> None:
    """10 + 64 + 30 = 104 lose one an hour: 50 after 54 hours, 49 after 55."""
    model = small_model(rule("act", 10), rule("more", 30), qualify=READY_AT_50)
    assert due(model, fold_of(model, ("act", NOON), ("more", NOON), *many_adjustments(64))) == NOON + 55 * HOUR


def test_search_that_is_ended_early_answers_too_soon_and_is_asked_again() -> None:
    """After 64 turns; a lead that never cools is then woken for nothing, never too late."""
    model = small_model(rule("act", 60), qualify=READY_AT_50)
    fold = fold_of(model, ("act", NOON), *many_adjustments(64))
    found = due(model, fold)
    assert found == NOON + 64 * HOUR
    assert next_due(model, fold, is_ready=True, after_ms=found) is None


def test_lead_cools_when_an_award_is_no_longer_seen() -> None:
    model = small_model(rule("act", 0), qualify={"when": {"seen": {"rule": "rule 0", "times": 2, "within": "7d"}}})
    fold = fold_of(model, ("act", NOON + 7), ("act", NOON + DAY), ("act", NOON + 2 * DAY))
    assert due(model, fold) == NOON + 8 * DAY  # when the last but one is


def test_award_that_leaves_brings_a_lead_that_it_kept_ready_to_cool() -> None:
    model = small_model(
        rule("act", 30),
        rule("bad", 0),
        qualify={
            "when": {"score": {"at_least": 100}},
            "rearm": {"not": {"seen": {"rule": "rule 1", "within": "1d"}}},
        },
    )
    assert due(model, fold_of(model, ("act", NOON), ("bad", NOON + 5))) == NOON + 5 + DAY


def test_tier_is_watched_whether_or_not_a_lead_is_ready() -> None:
    """60 points, 10 % a midnight: 54, 48.6, 43.74, 39.366."""
    model = small_model(
        rule("act", 60, decay={"percent": {"rate": 0.1, "every": "1d"}}), tiers={"cold": 0, "warm": 40, "hot": 50}
    )
    fold = fold_of(model, ("act", NOON))
    assert due(model, fold, is_ready=False) is None
    assert due(model, fold, is_ready=False, tier=2) == START + 2 * DAY
    assert due(model, fold, is_ready=False, tier=1) == NOON + SECOND  # another was told: at once
    later = fold.copy()
    later.at_ms = START + 2 * DAY
    assert due(model, later, is_ready=False, tier=1) == START + 4 * DAY


def test_tier_that_rises_as_a_penalty_fades_is_due() -> None:
    """100 - 80: at 50 when 50 of the 80 are left, after 1 h * log2(1.6) = 2,441.06 s."""
    model = small_model(rule("act", 100), rule("bad", -80, decay={"half_life": "1h"}), tiers={"cold": 0, "hot": 50})
    assert due(model, fold_of(model, ("act", START), ("bad", START)), is_ready=False, tier=0) == START + 2_442 * SECOND


def test_step_of_idleness_is_due_when_only_a_pool_or_points_by_hand_are_there() -> None:
    pool = {"groups": {"pool": {"drain": {"points": 1, "every": "1d"}}}}
    model = small_model(
        rule("act", 9, group="pool"), **pool, inactivity=[{"after": "2d", "multiply": 0.5, "group": "pool"}]
    )
    assert due(model, fold_of(model, ("act", NOON)), is_ready=False) == NOON + 2 * DAY
    drained = small_model(
        rule("act", 1, group="pool"), **pool, inactivity=[{"after": "2d", "multiply": 0.5, "group": "pool"}]
    )
    assert due(drained, fold_of(drained, ("act", NOON)), is_ready=False) is None
    by_hand = small_model(rule("act", -5), inactivity=[{"after": "2d", "points": -1}])
    adjusted = {"points": 9, "reason": "", "expires_at": NOON + 5 * DAY}
    fold = fold_of(by_hand, ("act", NOON), ("score.adjusted", NOON, adjusted))
    assert due(by_hand, fold, is_ready=False) == NOON + 2 * DAY


# every second, one after the other


def first_due(model: Model, fold: Fold, *, is_ready: bool, tier: int | None, horizon: int) -> int | None:
    """Return the due instant by looking at every whole second, and at every instant at which something turns."""
    fold = fold.copy()
    after_ms = fold.at_ms
    candidates: set[int] = {*range((after_ms // SECOND + 1) * SECOND, after_ms + horizon, SECOND)}
    candidates |= {one.expires_ms for one in fold.adjustments}
    for seen in model.seen:
        state = fold.rules.get(seen.rule)
        candidates |= {at_ms + (seen.within_ms or 0) for at_ms in (state.seen or () if state is not None else ())}
    for step in model.inactivity:
        if fold.last_activity_ms is not None:
            first = fold.last_activity_ms + step.after_ms
            candidates |= {first + n * (step.every_ms or 0) for n in range(20)}
    assert model.qualify is not None
    for at_ms in sorted(one for one in candidates if after_ms < one < after_ms + horizon):
        if any(acts(model, fold, step, at_ms) for step in steps_at(model, fold, at_ms)):
            return at_ms
        advance(model, fold, at_ms)
        reading = read(model, fold, at_ms)
        if is_ready and cools(model.qualify, reading, reading):
            return at_ms
        if tier is not None and reading.tier != tier:
            return at_ms
    return None


DECAYS = st.sampled_from(
    [
        {},
        {"decay": {"half_life": "3m"}},
        {"decay": {"percent": {"rate": "20%", "every": "1m"}}},
        {"decay": {"percent": {"rate": "5%", "every": "7s"}}},
        {"decay": {"linear": "9m"}},
        {"decay": {"linear": "2h"}},
        {"decay": {"expire": "4m"}},
        {"cap": 25, "decay": {"linear": "5m"}},
        {"group": "pool"},
        {"group": "side", "decay": {"half_life": "90s"}},
    ]
)
RULES = st.tuples(st.sampled_from([60, 30, -25, 10, 0.1, -3]), DECAYS)
STEPS = st.fixed_dictionaries(
    {"after": st.sampled_from(["90s", "4m"]), "group": st.sampled_from(["engagement", "pool", "side"])},
    optional={
        "every": st.sampled_from(["2m", "3m"]),
        "points": st.sampled_from([-30, -7, 4]),
        "multiply": st.sampled_from([0, 0.5]),
        "reset": st.sampled_from([["pool"], ["engagement", "side"]]),
    },
).filter(lambda step: len(step.keys() & {"points", "multiply"}) > 0)
CONDITIONS = st.sampled_from(
    [
        {"when": {"score": {"at_least": 50}}},
        {"when": {"score": {"at_least": 50}}, "rearm": {"score": {"less_than": 20}}},
        {"when": {"score": {"at_least": 20, "at_most": 40}}},
        {"when": {"groups.pool": {"more_than": 0}}},
        {"when": {"score": {"at_least": 60}}, "rearm": {"groups.pool": {"at_most": 5}}},
        {"when": {"seen": {"rule": "rule 0", "times": 2, "within": "4m"}}},
        {"when": {"score": {"at_least": 60}, "seen": {"rule": "rule 0", "within": "2m"}}},
        {"when": {"score": {"at_least": 90}}, "rearm": {"seen": {"rule": "rule 0", "times": 3}, "groups.side": {"less_than": 9}}},
        {"when": {"any": [{"attributes.a": 1}, {"score": {"at_least": 40}}]}},
        {"when": {"tier": {"at_least": "hot"}, "not": {"attributes.a": 1}}},
    ]
)  # fmt: skip
EVENTS = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 5 * MINUTE), st.integers(1, 7 * MINUTE)), min_size=1, max_size=8
)


@settings(max_examples=60)  # each looks at hundreds of seconds
@given(
    st.lists(RULES, min_size=1, max_size=4),
    st.lists(STEPS, max_size=2),
    CONDITIONS,
    EVENTS,
    st.sampled_from([None, 0, 1, 2]),
    st.booleans(),
)
def test_next_due_of_every_form_equals_a_look_at_every_second_and_turn(
    rules: list[tuple[float, dict[str, Any]]],
    steps: list[dict[str, Any]],
    qualify: dict[str, Any],
    events: list[tuple[int, int, int]],
    tier: int | None,
    is_ready: bool,
) -> None:
    """If this fails, sales hears too late, or of something that has not happened."""
    model = small_model(
        *(rule(f"t{number}", points, **parts) for number, (points, parts) in enumerate(rules)),
        {"when": {"attributes.a": 1}, "points": 15, "group": "side"},
        groups={"pool": {"drain": {"points": 7, "every": "30s"}}, "side": {"cap": 40}},
        score={"floor": -50},
        qualify=qualify,
        tiers={"cold": 0, "warm": 20, "hot": 40},
        **({"inactivity": steps} if steps else {}),
    )
    happened: list[Happened] = []
    for kind, at_ms, more in sorted(events, key=lambda one: one[1]):
        if kind == 4:
            expires = START + at_ms + more
            happened.append(
                ("score.adjusted", START + at_ms, {"points": more % 60 - 20, "reason": "", "expires_at": expires})
            )
        elif kind == 5:
            happened.append(("contact.updated", START + at_ms, {"a": more % 2}))
        else:
            happened.append((f"t{kind % len(rules)}", START + at_ms))
    fold = fold_of(model, *happened)
    horizon = 12 * MINUTE
    expected = first_due(model, fold, is_ready=is_ready, tier=tier, horizon=horizon)
    found = due(model, fold, is_ready=is_ready, tier=tier)
    if expected is not None:
        assert found == expected
    else:
        assert found is None or found >= fold.at_ms + horizon
