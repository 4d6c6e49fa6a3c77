"""From a fold to a score: contributions, group values, clamps, tier, and the form that is shown."""

from __future__ import annotations

from math import exp2, floor
from typing import TYPE_CHECKING

from worker.scoring.decay import Expire, Linear
from worker.scoring.fit import fit_of
from worker.scoring.model import UNKNOWN_FACTS, Facts, Reading

if TYPE_CHECKING:
    from worker.scoring.model import Model, Rule, Seen
    from worker.scoring.state import Fold, RuleState

TOLERANCE = 1e-9
"""Sums of decayed points are compared, and rounded for show, with this much in favour of the contact."""


def left(rule: Rule, state: RuleState, at_ms: int) -> float:
    """Return what is left at *at_ms* of the awards of *rule*, before its cap; 0 where a pool has them."""
    decay = rule.decay
    if decay is None:
        return state.value
    if isinstance(decay, Linear | Expire):
        return 0.0 if state.lots is None else decay.left_of(state.lots, at_ms)
    return decay.left(state.value, state.reference_ms, at_ms)


def contribution(rule: Rule, state: RuleState, at_ms: int) -> float:
    """Return what *rule* adds to its group at *at_ms*, within its cap."""
    value = left(rule, state, at_ms)
    cap = rule.cap
    return value if cap is None else max(-cap, min(cap, value))


def group_values(model: Model, fold: Fold, at_ms: int) -> list[float]:
    """Return the value of each group at *at_ms* before its floor and cap. *fold* is advanced to *at_ms* or has no step before."""
    return _sums(model, fold, at_ms, at_ms)


def _sums(model: Model, fold: Fold, positive_ms: int, negative_ms: int) -> list[float]:  # noqa: C901 - the innermost loop
    """Return group sums with points above 0 read at *positive_ms* and those below at *negative_ms*."""
    # The innermost loop of the engine, so written out: a call of `contribution` for each rule makes an event a third dearer.
    sums = [0.0] * len(model.groups)
    plan = model.reading_plan
    for index, state in fold.rules.items():
        value = state.value
        if value:
            group, half_life_ms, decay, cap = plan[index]
            if half_life_ms:
                value *= exp2((state.reference_ms - (positive_ms if value > 0 else negative_ms)) / half_life_ms)
            elif decay is not None:
                value = left(model.rules[index], state, positive_ms if value > 0 else negative_ms)
            if cap is not None:
                value = max(-cap, min(cap, value))
            sums[group] += value
    if model.fit_rules:
        for group, points in fit_of(model, fold).sums:
            sums[group] += points
    if fold.extras or fold.adjustments:
        _add_extras(fold, sums, positive_ms, negative_ms)
    for index, pool in fold.pools.items():
        drain = model.drains[index]
        if drain is not None:
            sums[index] += pool.left(drain, positive_ms if pool.value > 0 else negative_ms)
    return sums


def _add_extras(fold: Fold, sums: list[float], positive_ms: int, negative_ms: int) -> None:
    """Add what no rule gave: points by hand, first those for good; then those of idleness and of sales."""
    for index, extras in fold.extras.items():
        sums[index] = sums[index] + extras.adjusted + extras.deducted
    for one in fold.adjustments:
        if one.expires_ms > (positive_ms if one.points > 0 else negative_ms):
            sums[one.group] += one.points
    for index, extras in fold.extras.items():
        sums[index] = sums[index] + extras.inactivity + extras.feedback + extras.penalties


def positive_sum(model: Model, fold: Fold, at_ms: int) -> float:
    """Return the sum of all that is above 0 at *at_ms*, before any cap: no score lies above it, floors apart."""
    total = 0.0
    for index, state in fold.rules.items():
        if state.value > 0:
            total += left(model.rules[index], state, at_ms)
    for extras in fold.extras.values():
        total += extras.positive
    for one in fold.adjustments:
        total += max(0.0, one.points)
    for pool in fold.pools.values():
        total += max(0.0, pool.value)
    if model.fit_rules:
        total += sum(max(0.0, model.rules[index].points) for index in fit_of(model, fold).rules)
    return total


def facts_of(model: Model, fold: Fold, at_ms: int) -> Facts:
    """Return what conditions may ask of *fold* at *at_ms* beside numbers."""
    if not model.has_facts:
        return UNKNOWN_FACTS
    return Facts(fold.attributes, tuple([is_seen(one, fold, at_ms) for one in model.seen]))


def is_seen(seen: Seen, fold: Fold, at_ms: int) -> bool:
    """Whether *seen* holds at *at_ms*, at or after every award."""
    state = fold.rules.get(seen.rule)
    if state is None:
        return False
    if seen.within_ms is None:
        return state.count >= seen.times
    instants = state.seen
    return instants is not None and len(instants) >= seen.times and instants[-seen.times] > at_ms - seen.within_ms


def clamp(model: Model, sums: list[float], facts: Facts = UNKNOWN_FACTS) -> Reading:
    """Return the reading of group *sums*, which are clamped in place: groups first, then their sum, then the tier."""
    score = 0.0
    for index, group in enumerate(model.groups):
        value = sums[index]
        if group.floor is not None and value < group.floor:
            value = sums[index] = group.floor
        if group.cap is not None and value > group.cap:
            value = sums[index] = group.cap
        score += value
    score = max(model.floor, score)
    if model.cap is not None:
        score = min(model.cap, score)
    return Reading(score, tuple(sums), tier_rank(model, score), facts)


def tier_rank(model: Model, score: float) -> int:
    """Return the rank of the highest tier that *score* reaches; 0, the lowest, when it reaches none."""
    for rank in range(len(model.tiers) - 1, 0, -1):
        if score + TOLERANCE >= model.tiers[rank].threshold:
            return rank
    return 0


def tier_name(model: Model, rank: int) -> str | None:
    """Return the name of the tier of *rank*; None in a model without tiers."""
    return model.tiers[rank].name if model.tiers else None


def read(model: Model, fold: Fold, at_ms: int) -> Reading:
    """
    Return the score, the clamped groups and the tier of *fold* at *at_ms*.

    *fold* is advanced to *at_ms*, or no inactivity step lies between its instant and *at_ms*. An unscored contact reads as 0
    in the lowest tier.
    """
    reading = clamp(model, group_values(model, fold, at_ms), facts_of(model, fold, at_ms))
    return reading if fold.is_scored else Reading(0.0, reading.groups, 0, reading.facts)


def lowest(model: Model, fold: Fold, start_ms: int, end_ms: int) -> Reading:
    """
    Return a reading that no reading between *start_ms* and *end_ms* goes below, field by field.

    Between steps each contribution only moves towards 0, and clamps keep order. Which awards are still seen by then is left open.
    """
    facts = Facts(fold.attributes, None if model.seen else ()) if model.has_facts else UNKNOWN_FACTS
    return clamp(model, _sums(model, fold, end_ms, start_ms), facts)


def highest(model: Model, fold: Fold, start_ms: int, end_ms: int) -> Reading:
    """Return a reading that no reading between *start_ms* and *end_ms* goes above, field by field; facts are left open."""
    return clamp(model, _sums(model, fold, start_ms, end_ms))


def shown(model: Model, value: float) -> float:
    """
    Return *value* as shown: rounded down to the model's precision, so that a shown 100 has really been reached.

    Never a negative zero, which some readers print.
    """
    scale = float(10**model.precision)
    return floor((value + TOLERANCE) * scale) / scale + 0.0
