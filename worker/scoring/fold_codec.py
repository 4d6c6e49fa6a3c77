"""The stored form of a fold: sums, keys, pools and attributes in arrays, instants as milliseconds before the newest event."""

from __future__ import annotations

from math import copysign
from typing import TYPE_CHECKING, Any

from worker.scoring.inactivity import next_step
from worker.scoring.limits import Rolling
from worker.scoring.state import FEW_KEYS, Adjustment, Extras, Fold, RuleState, added
from worker.scoring.trace_codec import pack_value, unpack_value

if TYPE_CHECKING:
    from worker.scoring.model import Model

_EXACT_INTEGERS = float(1 << 53)


def pack_fold(model: Model, fold: Fold, newest_ms: int) -> list[Any]:
    """Return `[instant, is scored, rules, last activity, extras, pools, adjustments, attributes]`, trailing empty places cut."""
    rules = [_pack_rule(model, index, rule, newest_ms) for index, rule in fold.rules.items()]
    extras = [
        cut([index, *map(_number_or_none, (e.inactivity, e.feedback, e.penalties, e.adjusted, e.deducted))])
        for index, e in fold.extras.items()
    ]
    last_ms = fold.last_activity_ms
    idle = None if last_ms is None else newest_ms - last_ms
    pools = [
        [index, newest_ms - p.reference_ms, _number(p.value), _number(p.awarded), p.count, newest_ms - p.last_ms]
        for index, p in fold.pools.items()
    ]
    adjustments = [[a.group, _number(a.points), newest_ms - a.expires_ms] for a in fold.adjustments]
    dates = fold.attribute_dates
    attributes = {  # in one order, whatever came first
        place: [newest_ms - dates[name], pack_value(fold.attributes.get(name))]
        for place, name in enumerate(model.attribute_names)
        if name in dates
    }
    return cut(
        [
            newest_ms - fold.at_ms,
            fold.is_scored,
            rules,
            idle,
            extras or None,
            pools or None,
            adjustments or None,
            attributes or None,
        ]
    )


def unpack_fold(model: Model, packed: list[Any], newest_ms: int) -> Fold:
    """Return the fold that was packed as *packed* under *model*."""
    packed += [None] * (8 - len(packed))
    ago, is_scored, rules, idle, extras, pools, adjustments, attributes = packed
    fold = Fold()
    fold.at_ms = newest_ms - ago
    fold.is_scored = is_scored
    for rule in rules:
        fold.rules[rule[0]] = _unpack_rule(model, rule, newest_ms)
    fold.last_activity_ms = None if idle is None else newest_ms - idle
    fold.next_step_ms = next_step(model, fold.last_activity_ms, fold.at_ms)
    for index, *points in extras or ():
        fold.extras = {**fold.extras, index: Extras(*(0.0 if one is None else float(one) for one in points))}
    for index, reference, value, awarded, count, last in pools or ():
        pool = fold.pool(index)
        pool.reference_ms, pool.value, pool.awarded = newest_ms - reference, float(value), float(awarded)
        pool.count, pool.last_ms = count, newest_ms - last
    fold.adjustments = tuple(
        Adjustment(group, float(points), newest_ms - expires) for group, points, expires in adjustments or ()
    )
    if attributes:
        names = model.attribute_names
        fold.attribute_dates = {names[place]: newest_ms - dated for place, (dated, _) in attributes.items()}
        fold.attributes = {
            names[place]: unpack_value(value) for place, (_, value) in attributes.items() if value is not None
        }
    return fold


def _pack_rule(model: Model, index: int, state: RuleState, newest_ms: int) -> list[Any]:
    """
    Return `[rule, count, last, value, reference, awarded, once-keys, times, seen]`, trailing empty places cut.

    Where the decay keeps dated lots, these stand in the place of the value: `[bucket, points, ...]`.
    """
    rule = model.rules[index]
    value: Any = _number(state.value)
    if state.lots is not None:
        value = [part for given_ms, points in state.lots.items() for part in (newest_ms - given_ms, _number(points))]
    packed: list[Any] = [index, state.count, newest_ms - state.last_ms, value]
    reference = newest_ms - state.reference_ms if rule.decay is not None and state.lots is None else None
    awarded = None if state.awarded == state.value else _number(state.awarded)
    keys = list(state.keys) if state.keys else None
    times = state.times
    if times is not None and isinstance(rule.limit, Rolling):
        times = [newest_ms - at_ms for at_ms in times]
    seen = None if state.seen is None else [newest_ms - at_ms for at_ms in state.seen]
    if seen is not None or times is not None:
        packed += (reference, awarded, keys, times, seen)
    elif keys is not None:
        packed += (reference, awarded, keys)
    elif awarded is not None:
        packed += (reference, awarded)
    elif reference is not None:
        packed.append(reference)
    return cut(packed)


def _unpack_rule(model: Model, packed: list[Any], newest_ms: int) -> RuleState:
    packed += [None] * (9 - len(packed))
    index, count, last, value, reference, awarded, keys, times, seen = packed
    state = RuleState()
    state.count = count
    state.last_ms = newest_ms - last
    if isinstance(value, list):
        pairs = zip(value[::2], value[1::2], strict=True)
        state.lots = {newest_ms - given: float(points) for given, points in pairs}
        state.value = added(state.lots.values())
    else:
        state.value = float(value)
    state.reference_ms = 0 if reference is None else newest_ms - reference
    state.awarded = state.value if awarded is None else float(awarded)
    if keys:
        state.keys = keys if len(keys) <= FEW_KEYS else dict.fromkeys(keys)
    if times and isinstance(model.rules[index].limit, Rolling):
        times = [newest_ms - ago for ago in times]
    state.times = times
    state.seen = None if seen is None else [newest_ms - ago for ago in seen]
    return state


def _number(value: float) -> float | int:
    """Return whole numbers as integers: three bytes at most for the usual points instead of nine; never loses a bit."""
    if value.is_integer() and abs(value) < _EXACT_INTEGERS and (value or copysign(1.0, value) > 0):
        return int(value)
    return value


def _number_or_none(value: float) -> float | int | None:
    number = _number(value)
    return None if number == 0 and isinstance(number, int) else number


def cut(places: list[Any]) -> list[Any]:
    """Cut trailing empty places."""
    while places and places[-1] is None:
        places.pop()
    return places
