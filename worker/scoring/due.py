"""When time alone will change something: the earliest instant at which a step acts or a ready lead cools."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.curve import Curve
from worker.scoring.inactivity import acts, advance, next_step, steps_at
from worker.scoring.model import NEVER_MS
from worker.scoring.reading import lowest, read

if TYPE_CHECKING:
    from worker.scoring.model import Model, Qualify, Reading
    from worker.scoring.state import Fold

HORIZON_MS = 4_102_444_800_000
"""2100-01-01: no event lies behind it, so nothing is looked for there."""
_IDLE_STEPS = 64
_LOOKS = 4_000
_SECOND_MS = 1_000
_SAFE_SPANS_MS = (30 * 86_400_000, 3 * 86_400_000, 3 * 3_600_000)


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
    if _is_inert(model, fold):
        step_ms = NEVER_MS
    if step_ms == NEVER_MS and not is_ready:
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


def _is_inert(model: Model, fold: Fold) -> bool:
    """Whether no step can change anything any more: nothing is left to take, to scale or to drop, and none gives points."""
    if any((step.points or 0) > 0 for step in model.inactivity):
        return False
    reaches_all = any(step.reset or step.multiply is not None for step in model.inactivity)
    if reaches_all:
        return not fold.extras and not any(state.value or state.count for state in fold.rules.values())
    return not any(state.value > 0 for state in fold.rules.values()) and not any(
        extras.inactivity + extras.feedback > 0 for extras in fold.extras.values()
    )


def is_safe(model: Model, fold: Fold, after_ms: int, until_ms: int) -> bool:
    """
    Whether a ready lead cools nowhere between *after_ms* and *until_ms*, were it given any points above 0 meanwhile.

    *fold* is advanced to *after_ms*, and no step lies before *until_ms*.
    """
    if model.qualify is None or until_ms <= after_ms:
        return True
    return cools(model.qualify, lowest(model, fold, after_ms, until_ms), model.highest) is False


def safe_until(model: Model, fold: Fold, after_ms: int) -> int:
    """
    Return an instant before which a ready lead cools by no means but penalties; *after_ms* when none is found at once.

    It is one look at a month, else at days, else at hours: most ready leads are far above where they cool.
    """
    for span_ms in _SAFE_SPANS_MS:
        until_ms = min(after_ms + span_ms, fold.next_step_ms)
        if until_ms > after_ms and is_safe(model, fold, after_ms, until_ms):
            return until_ms
    return after_ms


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
    if curve.is_constant:
        first_ms = (after_ms // _SECOND_MS + 1) * _SECOND_MS
        return first_ms if first_ms < before_ms and _cools_at(model, fold, first_ms) else None
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
        # Up to the second after: the time between two spans is looked at, too.
        verdict = cools(qualify, *curve.bounds(first * _SECOND_MS, (last + 1) * _SECOND_MS))
        if verdict is True:
            return first * _SECOND_MS
        if verdict is None:
            middle = (first + last) // 2
            spans.append((middle + 1, last))
            spans.append((first, middle))
    return spans[-1][0] * _SECOND_MS if spans else None
