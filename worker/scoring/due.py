"""When time alone will change something: the earliest instant at which a step acts or a ready lead cools."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from worker.scoring.curve import Curve
from worker.scoring.inactivity import acts, advance, next_step, steps_at
from worker.scoring.model import NEVER_MS
from worker.scoring.reading import lowest, read

if TYPE_CHECKING:
    from worker.scoring.model import Model, Qualify, Reading
    from worker.scoring.state import Fold

HORIZON_MS = 4_102_444_800_000
"""2100-01-01: no event lies behind it, so nothing is looked for there."""
_IDLE_STEPS = 64  # passed in one search where each needs a look at the score
_UNWATCHED_STEPS = 1_024  # where none does
_LOOKS = 4_000
_LEAST_LOOKS = 256  # some four times what finds one second among all up to the horizon
_LIGHT = 64  # additions a look up to which looks are not counted dearer
_SECOND_MS = 1_000
_SAFE_SPANS_MS = (30 * 86_400_000, 3 * 86_400_000, 3 * 3_600_000)


def cools(qualify: Qualify, low: Reading, high: Reading, *, is_scored: bool = True) -> bool | None:
    """
    Judge whether a ready lead cools at all readings between *low* and *high*: `rearm` holds and `when` does not.

    True for each, False for none, None unknown. Exact when both are one reading. For a contact that turns out never to have
    been scored (its history was completed in the wrong order) `when` does not hold.
    """
    when = qualify.when.judge(low, high) if is_scored else False
    if when is True:
        return False
    if qualify.rearm is None:
        return None if when is None else True
    rearm = qualify.rearm.judge(low, high)
    if rearm is False:
        return False
    return True if rearm is True and when is False else None


def next_due(
    model: Model, fold: Fold, *, is_ready: bool, after_ms: int, tier: int | None = None, until_ms: int = HORIZON_MS
) -> int | None:
    """
    Return the earliest instant after *after_ms*, up to *until_ms*, at which time alone changes something; None if it never does.

    That is: a step acts; with *is_ready*, the lead cools; with *tier*, the rank told last, the tier is another one.
    Candidates are whole seconds and the steps' own milliseconds. Where the search would become too long it ends early: the answer
    is then a lower bound, and whoever wakes there finds nothing to tell and asks again. Never late.
    """
    if fold.next_step_ms <= after_ms:
        fold = fold.copy()
        advance(model, fold, after_ms)
    step_ms = fold.next_step_ms
    watch = Watch(is_ready, tier, fold.is_scored)
    is_watched = is_ready or tier is not None
    if not is_watched and step_ms <= until_ms and _step_acts(model, fold, step_ms):
        return step_ms  # as most often
    if _is_inert(model, fold):
        step_ms = NEVER_MS
    if step_ms == NEVER_MS and not is_watched:
        return None
    for _ in range(_IDLE_STEPS if is_watched else _UNWATCHED_STEPS):
        stop_ms = min(step_ms, _next_turn(model, fold, after_ms)) if is_watched else step_ms
        if is_watched:
            changed_ms = _first_change(model, fold, watch, after_ms, min(stop_ms, until_ms + 1))
            if changed_ms is not None:
                return changed_ms
        if stop_ms > until_ms:
            return None
        is_step = stop_ms == step_ms
        if (is_step and _step_acts(model, fold, step_ms)) or (is_watched and _changes_at(model, fold, watch, stop_ms)):
            return stop_ms
        after_ms = stop_ms
        step_ms = next_step(model, fold.last_activity_ms, step_ms) if is_step else step_ms
    return None if after_ms == NEVER_MS else after_ms


def _step_acts(model: Model, fold: Fold, at_ms: int) -> bool:
    """Whether any step due at *at_ms* changes something."""
    return any(acts(model, fold, step, at_ms) for step in steps_at(model, fold, at_ms))


class Watch(NamedTuple):
    """What time may change of what was told."""

    is_ready: bool
    tier: int | None  # rank told last; None where tiers are not told
    is_scored: bool

    def changes(self, model: Model, low: Reading, high: Reading) -> bool | None:
        """Judge whether all readings between *low* and *high* ask for news: True for each, False for none, None unknown."""
        cooled: bool | None = False
        if self.is_ready and model.qualify is not None:
            cooled = cools(model.qualify, low, high, is_scored=self.is_scored)
        if self.tier is None or cooled is True:
            return cooled
        if low.tier == high.tier == self.tier:
            return cooled
        return True if low.tier > self.tier or high.tier < self.tier else None


def _next_turn(model: Model, fold: Fold, after_ms: int) -> int:
    """Return the next instant after *after_ms* at which points by hand expire, or an award is no longer seen."""
    turns = [one.expires_ms for one in fold.adjustments]
    for seen in model.seen:
        state = fold.rules.get(seen.rule)
        if seen.within_ms is not None and state is not None and state.seen and len(state.seen) >= seen.times:
            turns.append(state.seen[-seen.times] + seen.within_ms)
    return min((at_ms for at_ms in turns if at_ms > after_ms), default=NEVER_MS)


def _is_inert(model: Model, fold: Fold) -> bool:
    """Whether no step can change anything any more: nothing is left to take, to scale or to drop, and none gives points."""
    if model.idleness_gives or fold.adjustments:
        return False
    if model.idleness_reaches_all:
        return (
            not fold.extras and not fold.pools and not any(state.value or state.count for state in fold.rules.values())
        )
    return (
        not any(state.value > 0 for state in fold.rules.values())
        and not any(extras.positive > 0 for extras in fold.extras.values())
        and not any(pool.value > 0 for pool in fold.pools.values())
    )


def is_safe(model: Model, fold: Fold, after_ms: int, until_ms: int) -> bool:
    """
    Whether a ready lead cools nowhere between *after_ms* and *until_ms*, were it given any points above 0 meanwhile.

    *fold* is advanced to *after_ms*, and no step lies before *until_ms*.
    """
    if model.qualify is None or until_ms <= after_ms:
        return True
    low = lowest(model, fold, after_ms, until_ms)
    return cools(model.qualify, low, model.highest, is_scored=fold.is_scored) is False


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


def _changes_at(model: Model, fold: Fold, watch: Watch, at_ms: int) -> bool:
    """Whether what was told changes at *at_ms*, no step lying between the fold's instant and it."""
    reading = read(model, fold, at_ms)
    return watch.changes(model, reading, reading) is True


def _first_change(model: Model, fold: Fold, watch: Watch, after_ms: int, before_ms: int) -> int | None:
    """Return the first whole second after *after_ms* and before *before_ms* at which what was told changes."""
    first = after_ms // _SECOND_MS + 1
    if first * _SECOND_MS >= before_ms:
        return None
    curve = Curve(model, fold, after_ms)
    if curve.is_constant or not fold.is_scored:
        return first * _SECOND_MS if _changes_at(model, fold, watch, first * _SECOND_MS) else None
    spans = [(first, (min(before_ms, HORIZON_MS) - 1) // _SECOND_MS)]
    for _ in range(max(_LEAST_LOOKS, _LOOKS * _LIGHT // (_LIGHT + curve.work))):
        if not spans:
            return None
        first, last = spans.pop()
        # Up to the second after: the time between two spans is looked at, too.
        verdict = watch.changes(model, *curve.bounds(first * _SECOND_MS, (last + 1) * _SECOND_MS))
        if verdict is None and curve.stands_still(first * _SECOND_MS, last * _SECOND_MS):
            verdict = _changes_at(model, fold, watch, first * _SECOND_MS)  # one look decides for all of the span
        if verdict is True:
            return first * _SECOND_MS
        if verdict is None:
            middle = (first + last) // 2
            spans.append((middle + 1, last))
            spans.append((first, middle))
    return spans[-1][0] * _SECOND_MS if spans else None
