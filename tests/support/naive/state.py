"""One contact's points, and what they come to at an instant. Nothing is cached."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from tests.support.naive.attributes import Known
from tests.support.naive.conditions import at_least, attributes_match
from tests.support.naive.decay import Curve, Pool, curve_left, pool_left
from tests.support.naive.model import (
    Model,
    decay_of,
    drain_of,
    group_names,
    group_settings,
    is_fit_rule,
    kept_attributes,
    rule_group,
    rules_of,
)


@dataclass
class Given(Curve):
    """What one rule has given, its once-keys, and its award instants: all of them, and those since the last reset."""

    keys: list[Any] = field(default_factory=list)
    instants: list[int] = field(default_factory=list)
    seen: list[int] = field(default_factory=list)


@dataclass
class Extras:
    """Points of a group that no rule gave; a group that drains has its pool and nothing else."""

    adjusted_plus: float = 0.0
    adjusted_minus: float = 0.0
    inactivity: float = 0.0
    feedback_plus: float = 0.0
    feedback_minus: float = 0.0
    pool: Pool = field(default_factory=Pool)


@dataclass
class Expiring:
    """Points given by hand to *group* until *expires_at*."""

    group: str
    points: float
    expires_at: int


@dataclass
class State:
    """Everything that the points of one contact depend on; *fit* says of each rule whether it only reads attributes."""

    model: Model
    fit: list[bool] = field(default_factory=list)
    instant: int | None = None
    last_activity: int | None = None
    is_scored: bool = False
    given: list[Given] = field(default_factory=list)
    extras: dict[str, Extras] = field(default_factory=dict)
    expiring: list[Expiring] = field(default_factory=list)
    known: Known = field(default_factory=Known)


@dataclass(frozen=True)
class Score:
    """A score as of an instant, unrounded, and the state as it stood then."""

    unscored: bool
    score: float
    groups: dict[str, float]
    rank: int
    at: int
    state: State


def empty_state(model: Model) -> State:
    """Return the state before the first event."""
    return State(
        model,
        fit=[is_fit_rule(rule) for rule in rules_of(model)],
        given=[Given() for _ in rules_of(model)],
        extras={name: Extras() for name in group_names(model)},
        known=Known(kept_attributes(model)),
    )


def copy_of(state: State) -> State:
    """Return a copy that may be advanced; what time does not change is shared."""
    return State(
        state.model,
        state.fit,
        state.instant,
        state.last_activity,
        state.is_scored,
        [replace(one, lots=dict(one.lots)) for one in state.given],
        {name: replace(one, pool=replace(one.pool)) for name, one in state.extras.items()},
        [replace(one) for one in state.expiring],
        state.known,
    )


def event_rules_in(state: State, name: str) -> list[int]:
    """Return the rules, in file order, that give points to the group *name* for events."""
    return [
        index for index, rule in enumerate(rules_of(state.model)) if rule_group(rule) == name and not state.fit[index]
    ]


def left_of(state: State, index: int, at: int) -> float:
    """Return what is left at *at* of what rule *index* gave, before its cap."""
    return curve_left(state.given[index], decay_of(state.model, rules_of(state.model)[index]), at)


def clamp(value: float, floor: float | None, cap: float | None) -> float:
    """Return *value* within its bounds; None is no bound."""
    if floor is not None and value < floor:
        return float(floor)
    if cap is not None and value > cap:
        return float(cap)
    return value


def contribution(state: State, index: int, at: int) -> float:
    """Return what rule *index* adds to its group at *at*: what is left, within its cap."""
    return within_cap(state, index, left_of(state, index, at))


def within_cap(state: State, index: int, left: float) -> float:
    """Return what a rule adds that has *left* points."""
    cap = rules_of(state.model)[index].get("cap")
    return clamp(left, None if cap is None else -cap, cap)


def fit_holds(state: State, index: int) -> bool:
    """Return whether the fit rule *index* holds on what is known of the contact."""
    return attributes_match(state.known.attributes, rules_of(state.model)[index]["when"])


def extra_parts(state: State, name: str, at: int) -> Iterator[float]:
    """Yield the points of the group *name* that no rule gave, in the order in which they add up."""
    extras = state.extras[name]
    yield extras.adjusted_plus
    yield extras.adjusted_minus
    yield from (one.points for one in state.expiring if one.group == name and at < one.expires_at)
    yield extras.inactivity
    yield extras.feedback_plus
    yield extras.feedback_minus


def group_sum(state: State, name: str, at: int, contributions: Mapping[int, float], *, with_fit: bool = True) -> float:
    """Add up a group that is no pool, with what its rules contribute, before its floor and cap."""
    value = 0.0
    for index in event_rules_in(state, name):
        value += contributions[index]
    if with_fit:
        fitting = 0.0
        for index, rule in enumerate(rules_of(state.model)):
            if state.fit[index] and rule_group(rule) == name and fit_holds(state, index):
                fitting += rule["points"]
        value += fitting
    for part in extra_parts(state, name, at):
        value += part
    return value


def raw_group_value(state: State, name: str, at: int, *, with_fit: bool = True) -> float:
    """Return the group's value before its floor and cap; *state* stands at *at*."""
    drain = drain_of(state.model, name)
    if drain is not None:
        return 0.0 + pool_left(state.extras[name].pool, drain, at)
    contributions = {index: contribution(state, index, at) for index in event_rules_in(state, name)}
    return group_sum(state, name, at, contributions, with_fit=with_fit)


def clamped_group(model: Model, name: str, value: float) -> float:
    """Return a group's value within its floor and cap."""
    bounds = group_settings(model, name)
    return clamp(value, bounds.get("floor"), bounds.get("cap"))


def score_of(model: Model, groups: Mapping[str, float]) -> float:
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


def read_here(state: State, at: int) -> Score:
    """Return the score of a state that stands at *at*."""
    groups = {
        name: clamped_group(state.model, name, raw_group_value(state, name, at)) for name in group_names(state.model)
    }
    if not state.is_scored:
        return Score(unscored=True, score=0.0, groups=groups, rank=0, at=at, state=state)
    score = score_of(state.model, groups)
    return Score(unscored=False, score=score, groups=groups, rank=rank_of(state.model, score), at=at, state=state)
