"""When time alone will change something: the earliest instant at which a step acts or a ready lead cools."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from worker.scoring.curve import Curve
from worker.scoring.inactivity import acts, advance, next_step, steps_at
from worker.scoring.model import NEVER_MS, Reading
from worker.scoring.reading import bounds, read

if TYPE_CHECKING:
    from worker.scoring.model import Model, Qualify
    from worker.scoring.state import Fold

HORIZON_MS = 4_102_444_800_000
"""2100-01-01: no event lies behind it, so nothing is looked for there."""
_IDLE_STEPS = 64
_LOOKS = 4_000
_SECOND_MS = 1_000


def cools(qualify: Qualify, low: Reading, high: Reading) -> bool | None:
    """
    Judge whether a ready lead cools at all readings between *low* and *high*: `rearm` holds and `when` does not.

    True for each, False for none, None unknown. Exact when both are one reading.
    """
    when = qualify.when.judge(low, high)
    if when is True:
        return False
    if qualify.rearm is None:
        return None if when is None else True
    rearm = qualify.rearm.judge(low, high)
    if rearm is False:
        return False
    return True if rearm is True and when is False else None


def next_due(model: Model, fold: Fold, *, is_ready: bool, after_ms: int, until_ms: int = HORIZON_MS) -> int | None:
    """
    Return the earliest instant after *after_ms*, up to *until_ms*, at which a step acts or, with *is_ready*, the lead cools.

    Candidates are whole seconds and the steps' own milliseconds. Where the search would become too long it ends early: the answer
    is then a lower bound, and whoever wakes there finds nothing to tell and asks again. Never late.
    """
    if fold.next_step_ms <= after_ms:
        fold = fold.copy()
        advance(model, fold, after_ms)
    step_ms = fold.next_step_ms
    if not is_ready and not fold.rules and not fold.extras and all(not (s.points or 0) > 0 for s in model.inactivity):
        return None
    for _ in range(_IDLE_STEPS):
        if is_ready:
            cooled_ms = _first_cool(model, fold, after_ms, min(step_ms, until_ms + 1))
            if cooled_ms is not None:
                return cooled_ms
        if step_ms > until_ms:
            return None
        if any(acts(model, fold, step, step_ms) for step in steps_at(model, fold, step_ms)):
            return step_ms
        if is_ready and _cools_at(model, fold, step_ms):
            return step_ms
        after_ms = step_ms
        step_ms = next_step(model, fold.last_activity_ms, step_ms)
    return None if step_ms == NEVER_MS else step_ms


def may_be_due(model: Model, fold: Fold, *, is_ready: bool, after_ms: int, until_ms: int) -> bool:
    """Whether anything may be due after *after_ms* and up to *until_ms*: one cheap look, never wrongly False."""
    if until_ms <= after_ms:
        return False
    if fold.next_step_ms <= until_ms:
        return True
    if not is_ready or model.qualify is None:
        return False
    return cools(model.qualify, *bounds(model, fold, after_ms, until_ms)) is not False


def outlasts_good_signs(model: Model, fold: Fold, at_ms: int) -> bool:
    """
    Whether a lead that does not cool at *at_ms* would not with more points either.

    So it is under any sensible model, and then a due instant stays a lower bound when points are added.
    """
    if model.qualify is None:
        return True
    reading = read(model, fold, at_ms)
    most = Reading(inf, (inf,) * len(reading.groups), max(0, len(model.tiers) - 1))
    return cools(model.qualify, reading, most) is False


def _cools_at(model: Model, fold: Fold, at_ms: int) -> bool:
    """Whether a ready lead cools at *at_ms*, no step lying between the fold's instant and it."""
    if model.qualify is None:
        return False
    reading = read(model, fold, at_ms)
    return cools(model.qualify, reading, reading) is True


def _first_cool(model: Model, fold: Fold, after_ms: int, before_ms: int) -> int | None:
    """Return the first whole second after *after_ms* and before *before_ms* at which a ready lead cools."""
    qualify = model.qualify
    if qualify is None:
        return None
    curve = Curve(model, fold, after_ms)
    spans = [(after_ms // _SECOND_MS + 1, (min(before_ms, HORIZON_MS) - 1) // _SECOND_MS)]
    for _ in range(_LOOKS):
        if not spans:
            return None
        first, last = spans.pop()
        if first > last:
            continue
        if first == last:
            if _cools_at(model, fold, first * _SECOND_MS):
                return first * _SECOND_MS
            continue
        verdict = cools(qualify, *curve.bounds(first * _SECOND_MS, last * _SECOND_MS))
        if verdict is True:
            return first * _SECOND_MS
        if verdict is None:
            middle = (first + last) // 2
            spans.append((middle + 1, last))
            spans.append((first, middle))
    return spans[-1][0] * _SECOND_MS if spans else None
