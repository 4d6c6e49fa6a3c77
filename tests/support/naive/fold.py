"""One contact's points move: `advance` to an instant, `apply` an event, `read` a score."""

from __future__ import annotations

from typing import Any

from tests.support.naive.adjusting import adjust, adjustment_of, feedback_of, give_feedback
from tests.support.naive.attributes import forget_removals, merge
from tests.support.naive.awards import allows, award
from tests.support.naive.conditions import event_matches, event_may_match
from tests.support.naive.decay import curve_scale, pool_give, pool_scale
from tests.support.naive.events import RESERVED, NaiveEvent
from tests.support.naive.model import (
    ENGAGEMENT,
    Model,
    drain_of,
    duration_ms,
    group_settings,
    is_fit_rule,
    is_sign_of_life,
    rules_of,
)
from tests.support.naive.state import (
    Extras,
    Given,
    Score,
    State,
    copy_of,
    event_rules_in,
    extra_parts,
    fit_holds,
    left_of,
    raw_group_value,
    read_here,
)

# time passes


def firings(state: State, until: int) -> list[tuple[int, int]]:
    """Return (instant, index) of the inactivity steps that come after the state's instant, up to and including *until*."""
    if state.last_activity is None or state.instant is None:
        return []
    steps = state.model.get("inactivity") or []
    found = []
    for index, step in enumerate(steps):
        after = duration_ms(step["after"])
        repeats_end = min(
            (duration_ms(later["after"]) for later in steps[index + 1 :] if later.get("reset")), default=None
        )
        idle = after
        while state.last_activity + idle <= until:
            if idle > after and repeats_end is not None and idle > repeats_end:
                break
            if state.last_activity + idle > state.instant:
                found.append((state.last_activity + idle, index))
            if "every" not in step:
                break
            idle += duration_ms(step["every"])
    return sorted(found)


def advance(state: State, until: int) -> None:
    """Let time pass up to and including *until*; an instant that is already behind changes nothing."""
    for instant, index in firings(state, until):
        _step(state, state.model["inactivity"][index], instant)
    state.instant = until if state.instant is None else max(state.instant, until)


def _step(state: State, step: dict[str, Any], at: int) -> None:
    for name in step.get("reset", []):
        _reset(state, name)
    name = step.get("group", ENGAGEMENT)
    if "multiply" in step:
        _scale(state, name, step["multiply"], at, penalties_too=True)
    points = step.get("points", 0)
    if points > 0:
        drain = drain_of(state.model, name)
        if drain is not None:
            pool_give(state.extras[name].pool, drain, points, at)
        else:
            state.extras[name].inactivity += points
    if points < 0:
        _take(state, name, -points, at)


def _take(state: State, name: str, points: float, at: int) -> None:
    """Idleness takes from what is positive, no more than the group has without fit, and never below a floor above 0."""
    value = raw_group_value(state, name, at, with_fit=False)
    taken = min(points, value)
    floor = group_settings(state.model, name).get("floor")
    if floor is not None and floor > 0:
        taken = min(taken, value - floor)
    if taken > 0:
        positive = _positive(state, name, at)
        _scale(state, name, (positive - taken) / positive, at, penalties_too=False)


def _positive(state: State, name: str, at: int) -> float:
    """Add up what is positive in a group, before caps and without fit, in the order of the group's sum."""
    if drain_of(state.model, name) is not None:
        return max(0.0, raw_group_value(state, name, at))
    positive = 0.0
    parts = [left_of(state, index, at) for index in event_rules_in(state, name)]
    for part in [*parts, *extra_parts(state, name, at)]:
        if part > 0:
            positive += part
    return positive


def _scale(state: State, name: str, factor: float, at: int, *, penalties_too: bool) -> None:
    for index in event_rules_in(state, name):
        curve_scale(state.given[index], factor, penalties_too=penalties_too)
    extras = state.extras[name]
    drain = drain_of(state.model, name)
    if drain is not None:
        pool_scale(extras.pool, drain, factor, at, penalties_too=penalties_too)
    extras.adjusted_plus *= factor
    extras.inactivity *= factor
    extras.feedback_plus *= factor
    if penalties_too:
        extras.adjusted_minus *= factor
        extras.feedback_minus *= factor
    for one in state.expiring:
        if one.group == name and (one.points > 0 or penalties_too):
            one.points *= factor


def _reset(state: State, name: str) -> None:
    """Points and once-keys go, and so does what was seen; limits stay, and fit is not touched."""
    for index in event_rules_in(state, name):
        state.given[index] = Given(instants=state.given[index].instants)
    state.extras[name] = Extras()
    state.expiring = [one for one in state.expiring if one.group != name]


# an event happens


def apply(state: State, event: NaiveEvent, at: int, *, forget_before: int | None = None) -> bool:
    """
    Fold *event* into *state*, which stands at *at*; return whether it is inviting.

    *forget_before* is given for a late event: removals before it are forgotten. Such an event counts at *at* for limits
    and is no sign of life, but its points have been fading since its own instant.
    """
    model = state.model
    if forget_before is not None:
        forget_removals(state.known, forget_before)
    merge(state.known, event)
    state.is_scored |= any(fit and fit_holds(state, index) for index, fit in enumerate(state.fit))
    counting = [
        index
        for index in range(len(state.fit))
        if _rule_matches(state, index, event) and allows(state, index, event, at)
    ]
    feedback = feedback_of(model, event)
    resets = [name for index in counting for name in rules_of(model)[index].get("reset", [])]
    for name in [*resets, *feedback.get("reset", [])]:
        _reset(state, name)
    awarded = [index for index in counting if "points" in rules_of(model)[index]]
    for index in awarded:
        award(state, index, event, at)
    adjustment = adjustment_of(model, event)
    if adjustment is not None:
        adjust(state, adjustment, at)
    give_feedback(state, feedback, at)
    if forget_before is None and shows_life(model, event):
        state.last_activity = at
    points = [rules_of(model)[index]["points"] for index in awarded]
    points += [] if adjustment is None else [adjustment.points]
    return not event.type.startswith("sales.") and any(one >= 0 for one in points)


def _rule_matches(state: State, index: int, event: NaiveEvent) -> bool:
    rule = rules_of(state.model)[index]
    return (
        not state.fit[index]
        and _heeds_sender(rule, event)
        and event_matches(event, rule["when"], state.known.attributes)
    )


def _heeds_sender(rule: dict[str, Any], event: NaiveEvent) -> bool:
    return rule.get("machine", False) in {event.machine, "any"}


def leaves_trace(model: Model, event: NaiveEvent) -> bool:
    """Return whether *event* may mean anything to the model, whatever is known of the contact."""
    if event.type in RESERVED or shows_life(model, event):
        return True
    return any(
        _heeds_sender(rule, event) and not is_fit_rule(rule) and event_may_match(event, rule["when"])
        for rule in rules_of(model)
    )


def shows_life(model: Model, event: NaiveEvent) -> bool:
    """Return whether *event* is a sign of life."""
    return not event.machine and event.type not in RESERVED and is_sign_of_life(model, event.type)


def read(state: State, at: int) -> Score:
    """Return the score as of *at*; *state* stays as it is."""
    advanced = copy_of(state)
    advance(advanced, at)
    return read_here(advanced, at)
