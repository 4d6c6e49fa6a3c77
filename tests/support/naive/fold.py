"""One contact's points: `advance` to an instant, `apply` an event, `read` a score. Nothing is cached."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction
from math import exp2
from typing import Any
from zoneinfo import ZoneInfo

from tests.support.naive.conditions import at_least, event_matches
from tests.support.naive.events import RESERVED, UNIX_EPOCH, NaiveEvent, field_of
from tests.support.naive.model import (
    ENGAGEMENT,
    Model,
    duration_ms,
    group_names,
    group_settings,
    half_life_ms,
    is_sign_of_life,
    rule_group,
    rules_of,
)

ONCE_KEYS_KEPT = 200


@dataclass
class Given:
    """What one rule has given: a value as it stood at a reference instant, its once-keys, its award instants."""

    value: float = 0.0
    reference: int | None = None
    keys: list[Any] = field(default_factory=list)
    instants: list[int] = field(default_factory=list)


@dataclass
class Extras:
    """Points of a group that no rule gave."""

    inactivity: float = 0.0
    feedback_plus: float = 0.0
    feedback_minus: float = 0.0


@dataclass
class State:
    """Everything that the points of one contact depend on."""

    model: Model
    instant: int | None = None
    last_activity: int | None = None
    ever_awarded: bool = False
    given: list[Given] = field(default_factory=list)
    extras: dict[str, Extras] = field(default_factory=dict)


@dataclass(frozen=True)
class Score:
    """A score as of one instant, unrounded."""

    unscored: bool
    score: float
    groups: dict[str, float]
    rank: int


def empty_state(model: Model) -> State:
    """Return the state before the first event."""
    return State(
        model,
        given=[Given() for _ in rules_of(model)],
        extras={name: Extras() for name in group_names(model)},
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
        _scale(state, name, step["multiply"], penalties_too=True)
    points = step.get("points", 0)
    if points > 0:
        state.extras[name].inactivity += points
    if points < 0:
        _take(state, name, -points, at)


def _take(state: State, name: str, points: float, at: int) -> None:
    """Idleness takes from what is positive, no more than the group has, and never below a floor above 0."""
    extras = state.extras[name]
    value = raw_group_value(state, name, at)
    positive = 0.0
    for index in _rules_in(state.model, name):
        left = left_of(state, index, at)
        if left > 0:
            positive += left
    positive += extras.inactivity
    positive += extras.feedback_plus
    taken = min(points, value)
    floor = group_settings(state.model, name).get("floor")
    if floor is not None and floor > 0:
        taken = min(taken, value - floor)
    if taken > 0:
        _scale(state, name, (positive - taken) / positive, penalties_too=False)


def _scale(state: State, name: str, factor: float, *, penalties_too: bool) -> None:
    for index in _rules_in(state.model, name):
        given = state.given[index]
        if given.reference is not None and (given.value > 0 or penalties_too):
            # what fades does not care when it was scaled; leaving the reference instant saves a rounding
            given.value *= factor
    extras = state.extras[name]
    extras.inactivity *= factor
    extras.feedback_plus *= factor
    if penalties_too:
        extras.feedback_minus *= factor


def _reset(state: State, name: str) -> None:
    """Points and once-keys go; limits stay."""
    for index in _rules_in(state.model, name):
        state.given[index] = Given(instants=state.given[index].instants)
    state.extras[name] = Extras()


# an event happens


def apply(state: State, event: NaiveEvent, at: int, *, late: bool) -> list[int]:
    """
    Fold *event* into *state*, which stands at *at*; return the rules that gave an award.

    A late event counts at *at* for limits, but its points have been fading since its own instant.
    """
    model = state.model
    awarded = []
    for index, rule in enumerate(rules_of(model)):
        if rule_could_match(rule, event) and _once_allows(state, index, event) and _limit_allows(state, index, at):
            awarded.append(index)
    feedback = feedback_of(model, event)
    for name in feedback.get("reset", []):
        _reset(state, name)
    for index in awarded:
        rule = rules_of(model)[index]
        given = state.given[index]
        _give(given, rule["points"], event.at, half_life_ms(model, rule))
        given.instants.append(at)
        if "once_per" in rule:
            given.keys.append(_once_key(rule, event))
            given.keys = given.keys[-ONCE_KEYS_KEPT:]
        state.ever_awarded = True
    points = feedback.get("points", 0)
    extras = state.extras[feedback.get("group", ENGAGEMENT)]
    if points > 0:
        extras.feedback_plus += points
    else:
        extras.feedback_minus += points
    if not late and shows_life(model, event):
        state.last_activity = at
    return awarded


def rule_could_match(rule: dict[str, Any], event: NaiveEvent) -> bool:
    """Return whether the rule's condition holds for *event*, once and limits aside."""
    machine = rule.get("machine", False)
    return machine in {event.machine, "any"} and event_matches(event, rule["when"])


def shows_life(model: Model, event: NaiveEvent) -> bool:
    """Return whether *event* is a sign of life."""
    return not event.machine and event.type not in RESERVED and is_sign_of_life(model, event.type)


def feedback_of(model: Model, event: NaiveEvent) -> dict[str, Any]:
    """Return what the model does about this word from sales; nothing when it is meant for another model."""
    meant_for = event.properties.get("model")
    if meant_for is not None and meant_for != model["model"]:
        return {}
    return (model.get("feedback") or {}).get(event.type) or {}


def _give(given: Given, points: float, own: int, half_life: int | None) -> None:
    if given.reference is None:
        given.value, given.reference = 0.0 + points, own
    elif half_life is None:
        given.value += points
    elif own >= given.reference:
        given.value = given.value * exp2((given.reference - own) / half_life) + points
        given.reference = own
    else:
        given.value += points * exp2((own - given.reference) / half_life)


def _once_allows(state: State, index: int, event: NaiveEvent) -> bool:
    rule = rules_of(state.model)[index]
    return "once_per" not in rule or _once_key(rule, event) not in state.given[index].keys


def _once_key(rule: dict[str, Any], event: NaiveEvent) -> Any:
    fields = rule["once_per"]
    if fields == "contact":
        return ()
    names = fields if isinstance(fields, list) else [fields]
    return tuple(_json_value(field_of(event, name)) for name in names)


def _json_value(value: Any) -> Any:
    """Return a value whose equality keeps the JSON types apart; 1 and 1.0 are one number."""
    if isinstance(value, bool):
        return ("boolean", value)
    if isinstance(value, int | float):
        return ("number", Fraction(value))
    if isinstance(value, list):
        return ("array", tuple(_json_value(one) for one in value))
    if isinstance(value, dict):
        return ("object", tuple(sorted((key, _json_value(one)) for key, one in value.items())))
    return (type(value).__name__, value)


def _limit_allows(state: State, index: int, at: int) -> bool:
    rule = rules_of(state.model)[index]
    if "limit" not in rule:
        return True
    limit = rule["limit"]
    instants = state.given[index].instants
    if "within" in limit:
        counted = [one for one in instants if at - duration_ms(limit["within"]) < one <= at]
    else:
        zone = state.model.get("time_zone", "UTC")
        counted = [one for one in instants if _period(one, limit["per"], zone) == _period(at, limit["per"], zone)]
    return bool(len(counted) < limit["times"])


def _period(at: int, per: str, zone: str) -> tuple[int, ...]:
    civil = (UNIX_EPOCH + timedelta(milliseconds=at)).astimezone(ZoneInfo(zone))
    if per == "day":
        return civil.year, civil.month, civil.day
    if per == "week":
        return tuple(civil.isocalendar()[:2])
    return civil.year, civil.month


# what it comes to


def _rules_in(model: Model, name: str) -> list[int]:
    return [index for index, rule in enumerate(rules_of(model)) if rule_group(rule) == name]


def left_of(state: State, index: int, at: int) -> float:
    """Return what is left at *at* of what rule *index* gave, before its cap."""
    given = state.given[index]
    half_life = half_life_ms(state.model, rules_of(state.model)[index])
    if given.reference is None or half_life is None:
        return given.value
    return given.value * exp2((given.reference - at) / half_life)


def clamp(value: float, floor: float | None, cap: float | None) -> float:
    """Return *value* within its bounds; None is no bound."""
    if floor is not None and value < floor:
        return float(floor)
    if cap is not None and value > cap:
        return float(cap)
    return value


def contribution(state: State, index: int, at: int) -> float:
    """Return what rule *index* adds to its group at *at*: what is left, within its cap."""
    cap = rules_of(state.model)[index].get("cap")
    return clamp(left_of(state, index, at), None if cap is None else -cap, cap)


def raw_group_value(state: State, name: str, at: int) -> float:
    """Return the group's value before its floor and cap; *state* stands at *at*."""
    value = 0.0
    for index in _rules_in(state.model, name):
        value += contribution(state, index, at)
    extras = state.extras[name]
    value += extras.inactivity
    value += extras.feedback_plus
    value += extras.feedback_minus
    return value


def score_of(model: Model, groups: dict[str, float]) -> float:
    """Return the score that the (clamped) group values come to."""
    bounds = model.get("score") or {}
    total = 0.0
    for value in groups.values():
        total += value
    return clamp(total, bounds.get("floor", 0.0), bounds.get("cap"))


def rank_of(model: Model, score: float) -> int:
    """Return the rank of the highest tier that *score* reaches; the lowest when it reaches none."""
    reached = [rank for rank, bound in enumerate((model.get("tiers") or {}).values()) if at_least(score, bound)]
    return max(reached, default=0)


def read(state: State, at: int) -> Score:
    """Return the score as of *at*; *state* stays as it is."""
    advanced = deepcopy_points(state)
    advance(advanced, at)
    return read_here(advanced, at)


def read_here(state: State, at: int) -> Score:
    """Return the score of a state that stands at *at*."""
    groups = {}
    for name in group_names(state.model):
        bounds = group_settings(state.model, name)
        groups[name] = clamp(raw_group_value(state, name, at), bounds.get("floor"), bounds.get("cap"))
    if not state.ever_awarded:
        return Score(unscored=True, score=0.0, groups=groups, rank=0)
    score = score_of(state.model, groups)
    return Score(unscored=False, score=score, groups=groups, rank=rank_of(state.model, score))


def deepcopy_points(state: State) -> State:
    """Return a copy that may be advanced; the model is shared."""
    return State(
        state.model,
        state.instant,
        state.last_activity,
        state.ever_awarded,
        deepcopy(state.given),
        deepcopy(state.extras),
    )
