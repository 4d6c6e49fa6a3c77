"""From a fold to a score: contributions, group values, clamps, tier, and the form that is shown."""

from __future__ import annotations

from math import exp2, floor
from typing import TYPE_CHECKING

from worker.scoring.model import Reading

if TYPE_CHECKING:
    from worker.scoring.model import Model, Rule
    from worker.scoring.state import Fold, RuleState

TOLERANCE = 1e-9
"""Sums of decayed points are compared, and rounded for show, with this much in favour of the contact."""


def left(rule: Rule, state: RuleState, at_ms: int) -> float:
    """Return what is left at *at_ms* of the awards of *rule*, before its cap."""
    decay = rule.decay
    return state.value if decay is None else decay.left(state.value, state.reference_ms, at_ms)


def contribution(rule: Rule, state: RuleState, at_ms: int) -> float:
    """Return what *rule* adds to its group at *at_ms*, within its cap."""
    value = left(rule, state, at_ms)
    cap = rule.cap
    return value if cap is None else max(-cap, min(cap, value))


def group_values(model: Model, fold: Fold, at_ms: int) -> list[float]:
    """Return the value of each group at *at_ms* before its floor and cap. *fold* is advanced to *at_ms* or has no step before."""
    return _sums(model, fold, at_ms, at_ms)


def _sums(model: Model, fold: Fold, positive_ms: int, negative_ms: int) -> list[float]:
    """Return group sums with awards above 0 read at *positive_ms* and those below at *negative_ms*."""
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
                value = decay.left(value, state.reference_ms, positive_ms if value > 0 else negative_ms)
            if cap is not None:
                value = max(-cap, min(cap, value))
            sums[group] += value
    for index, extras in fold.extras.items():
        sums[index] = sums[index] + extras.inactivity + extras.feedback + extras.penalties
    return sums


def positive_sum(model: Model, fold: Fold, at_ms: int) -> float:
    """Return the sum of all that is above 0 at *at_ms*, before any cap: no score lies above it, floors apart."""
    total = 0.0
    for index, state in fold.rules.items():
        if state.value > 0:
            total += left(model.rules[index], state, at_ms)
    for extras in fold.extras.values():
        total += extras.inactivity + extras.feedback
    return total


def clamp(model: Model, sums: list[float]) -> Reading:
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
    return Reading(score, tuple(sums), tier_rank(model, score))


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
    reading = clamp(model, group_values(model, fold, at_ms))
    return reading if fold.is_scored else Reading(0.0, reading.groups, 0)


def lowest(model: Model, fold: Fold, start_ms: int, end_ms: int) -> Reading:
    """Return a reading that no reading between *start_ms* and *end_ms* goes below, field by field; see `bounds`."""
    return clamp(model, _sums(model, fold, end_ms, start_ms))


def bounds(model: Model, fold: Fold, start_ms: int, end_ms: int) -> tuple[Reading, Reading]:
    """
    Return readings that no reading between *start_ms* and *end_ms* goes below or above, field by field.

    Between steps each contribution only moves towards 0, and clamps keep order.
    """
    low = lowest(model, fold, start_ms, end_ms)
    high = clamp(model, _sums(model, fold, start_ms, end_ms))
    return low, high


def shown(model: Model, value: float) -> float:
    """
    Return *value* as shown: rounded down to the model's precision, so that a shown 100 has really been reached.

    Never a negative zero, which some readers print.
    """
    scale = float(10**model.precision)
    return floor((value + TOLERANCE) * scale) / scale + 0.0
