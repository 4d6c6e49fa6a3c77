"""What idleness does to a fold, and when: steps that count from the last sign of life."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.model import NEVER_MS
from worker.scoring.reading import contribution, left
from worker.scoring.state import scaled

if TYPE_CHECKING:
    from worker.scoring.model import InactivityStep, Model
    from worker.scoring.state import Fold


def advance(model: Model, fold: Fold, to_ms: int) -> None:
    """Run every step due up to and at *to_ms*. Advancing in parts equals advancing at once; going back does nothing."""
    while fold.next_step_ms <= to_ms:
        at_ms = fold.next_step_ms
        for step in steps_at(model, fold, at_ms):
            run(model, fold, step, at_ms)
        fold.next_step_ms = next_step(model, fold.last_activity_ms, at_ms)
    fold.at_ms = max(fold.at_ms, to_ms)


def next_step(model: Model, last_activity_ms: int | None, after_ms: int) -> int:
    """Return the soonest instant after *after_ms* at which a step is due, NEVER_MS when none is."""
    if last_activity_ms is None:
        return NEVER_MS
    soonest = NEVER_MS
    for index, step in enumerate(model.inactivity):
        at_ms = _next_of(model, index, step, last_activity_ms, after_ms)
        soonest = min(soonest, at_ms)
    return soonest


def _next_of(model: Model, index: int, step: InactivityStep, last_activity_ms: int, after_ms: int) -> int:
    """Return when *step* is due next after *after_ms*; a reset listed behind it ends its repeats."""
    first_ms = last_activity_ms + step.after_ms
    if after_ms < first_ms:
        return first_ms
    if step.every_ms is None:
        return NEVER_MS
    at_ms = first_ms + ((after_ms - first_ms) // step.every_ms + 1) * step.every_ms
    for later in model.inactivity[index + 1 :]:
        if later.reset and last_activity_ms + later.after_ms < at_ms:
            return NEVER_MS
    return at_ms


def steps_at(model: Model, fold: Fold, at_ms: int) -> list[InactivityStep]:
    """Return the steps due exactly at *at_ms*, in file order."""
    last_ms = fold.last_activity_ms
    if last_ms is None:
        return []
    return [
        step for index, step in enumerate(model.inactivity) if _next_of(model, index, step, last_ms, at_ms - 1) == at_ms
    ]


def acts(model: Model, fold: Fold, step: InactivityStep, at_ms: int) -> bool:
    """Whether *step* would change anything at *at_ms*."""
    if any(_has_points(model, fold, group, at_ms) for group in step.reset):
        return True
    if step.multiply is not None and step.multiply != 1 and _has_value(model, fold, step.group, at_ms):
        return True
    if step.points is None or step.points == 0:
        return False
    return step.points > 0 or _is_all_good(model, fold, step.group, at_ms) or _taken(model, fold, step, at_ms)[0] > 0


def _is_all_good(model: Model, fold: Fold, group: int, at_ms: int) -> bool:
    """Whether *group* holds points above 0 and none below, so that a step surely finds some to take: no sum is needed to see that."""
    floor = model.groups[group].floor
    extras = fold.extras.get(group)
    if (floor is not None and floor > 0) or (extras is not None and (extras.penalties or extras.deducted)):
        return False
    if fold.adjustments or group in fold.pools:
        return False
    has_some = extras is not None and extras.positive > 0
    for index, state in fold.rules.items():
        value = state.value
        if value and model.rules[index].group == group:
            if value < 0:
                return False
            # Without decay it is worth something still; whatever fades may be worth nothing by now.
            has_some = has_some or model.rules[index].decay is None or left(model.rules[index], state, at_ms) > 0
    return has_some


def run(model: Model, fold: Fold, step: InactivityStep, at_ms: int) -> None:
    """Do what *step* does at *at_ms*: reset, multiply, points, in this order."""
    for group in step.reset:
        reset_group(model, fold, group)
    if step.multiply is not None:
        _scale(model, fold, step.group, step.multiply, at_ms, also_negative=True)
    if step.points is None:
        return
    drain = model.drains[step.group]
    if step.points > 0:
        if drain is None:
            fold.group_extras(step.group).inactivity += step.points
        else:
            fold.pool(step.group).give(drain, step.points, at_ms)
    else:
        taken, positive = _taken(model, fold, step, at_ms)
        if taken > 0:
            _scale(model, fold, step.group, (positive - taken) / positive, at_ms, also_negative=False)


def reset_group(model: Model, fold: Fold, group: int) -> None:
    """Drop the points of *group* and free the once-keys of its rules; what limits remember stays."""
    rules = fold.rules
    for index in [index for index in rules if model.rules[index].group == group]:
        times = rules[index].times
        if times:
            kept = rules[index] = type(rules[index])()
            kept.times = times
        else:
            del rules[index]
    if group in fold.extras:
        fold.extras = {index: extras for index, extras in fold.extras.items() if index != group}
    if group in fold.pools:
        fold.pools = {index: pool for index, pool in fold.pools.items() if index != group}
    if fold.adjustments:
        fold.adjustments = tuple(one for one in fold.adjustments if one.group != group)


def _has_points(model: Model, fold: Fold, group: int, at_ms: int) -> bool:
    """Whether a reset of *group* would change anything."""
    return (
        group in fold.extras
        or group in fold.pools
        or any(one.group == group and one.expires_ms > at_ms for one in fold.adjustments)
        or any(state.count for index, state in fold.rules.items() if model.rules[index].group == group)
    )


def _has_value(model: Model, fold: Fold, group: int, at_ms: int) -> bool:
    """Whether *group* holds any points that are not 0."""
    extras = fold.extras.get(group)
    if extras is not None and extras.has_any:
        return True
    pool, drain = fold.pools.get(group), model.drains[group]
    if pool is not None and drain is not None and pool.left(drain, at_ms):
        return True
    if any(one.group == group and one.expires_ms > at_ms and one.points for one in fold.adjustments):
        return True
    return any(
        left(model.rules[index], state, at_ms)
        for index, state in fold.rules.items()
        if state.value and model.rules[index].group == group
    )


def _taken(model: Model, fold: Fold, step: InactivityStep, at_ms: int) -> tuple[float, float]:
    """
    Return what a step of negative points takes, and the positive points that it takes from.

    At most the group's value, at most what lies above a floor that is above 0: idleness makes no debt.
    """
    group = step.group
    value, positive = _worth(model, fold, group, at_ms)
    taken = min(-(step.points or 0.0), value)
    floor = model.groups[group].floor
    if floor is not None and floor > 0:
        taken = min(taken, value - floor)
    return (taken, positive) if positive > 0 else (0.0, 0.0)


def _worth(model: Model, fold: Fold, group: int, at_ms: int) -> tuple[float, float]:
    """Return the value of *group* before its floor and cap, fit rules apart, and what is positive in it before caps."""
    drain = model.drains[group]
    if drain is not None:
        pool = fold.pools.get(group)
        value = 0.0 if pool is None else pool.left(drain, at_ms)
        return value, max(0.0, value)
    value = positive = 0.0
    for index, state in fold.rules.items():
        rule = model.rules[index]
        if rule.group == group and state.value:
            value += contribution(rule, state, at_ms)
            if state.value > 0:
                positive += left(rule, state, at_ms)
    extras = fold.extras.get(group)
    if extras is not None:
        value = value + extras.adjusted + extras.deducted
        positive += extras.adjusted
    for one in fold.adjustments:
        if one.group == group and one.expires_ms > at_ms:
            value += one.points
            positive += max(0.0, one.points)
    if extras is not None:
        value = value + extras.inactivity + extras.feedback + extras.penalties
        positive = positive + extras.inactivity + extras.feedback
    return value, positive


def _scale(model: Model, fold: Fold, group: int, factor: float, at_ms: int, *, also_negative: bool) -> None:
    """Multiply the positive points of *group*, or all of them, by *factor*; reference instants stay, but those of pools."""
    for index, state in fold.rules.items():
        if model.rules[index].group == group and (also_negative or state.value > 0):
            state.scale(factor)
    extras = fold.extras.get(group)
    if extras is not None:
        extras.scale(factor, also_negative=also_negative)
    if fold.adjustments:
        fold.adjustments = tuple(
            one._replace(points=scaled(one.points, factor))
            if one.group == group and (also_negative or one.points > 0)
            else one
            for one in fold.adjustments
        )
    pool, drain = fold.pools.get(group), model.drains[group]
    if pool is not None and drain is not None and (also_negative or pool.value > 0):
        pool.scale(drain, factor, at_ms)
