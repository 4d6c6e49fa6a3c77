"""One step of the fold: advance to the event, decide its awards on the state before it, reset, then give points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.inactivity import advance, reset_group
from worker.scoring.once import KEYS_KEPT

if TYPE_CHECKING:
    from worker.scoring.matching import Trace
    from worker.scoring.model import Model, Rule
    from worker.scoring.state import Fold, RuleState


def apply(model: Model, fold: Fold, at_ms: int, trace: Trace, own_ms: int | None = None) -> bool:
    """
    Fold one event and return whether it gave an award of 0 or more points.

    Args:
        model: The model that scores.
        fold: Changed in place.
        at_ms: Instant at which the event is folded, at or after the fold's own: limits and steps use it.
        trace: What the model keeps of the event.
        own_ms: For a late event its own instant, before *at_ms*: decay starts there. Such an event is no sign of life.
    """
    if fold.next_step_ms <= at_ms:
        advance(model, fold, at_ms)
    given_ms = at_ms if own_ms is None else own_ms
    gained = False
    if trace.feedback >= 0:
        gained = _apply_with_feedback(model, fold, at_ms, given_ms, trace)
    elif trace.matches:
        for index, key in _allowed(model, fold, at_ms, trace):
            rule = model.rules[index]
            fold.dropped_keys += _award(rule, fold.rule(index), at_ms, given_ms, key)
            gained = gained or rule.points >= 0
            fold.is_scored = True
    if trace.is_life and own_ms is None:
        fold.last_activity_ms = at_ms
        fold.next_step_ms = at_ms + model.first_step_ms
    fold.at_ms = max(fold.at_ms, at_ms)
    return gained


def _allowed(model: Model, fold: Fold, at_ms: int, trace: Trace) -> list[tuple[int, int | None]]:
    """Return the matches that give an award: their once-key is new and their limit allows it."""
    allowed = []
    for match in trace.matches:
        index, key = match
        state = fold.rules.get(index)
        if state is not None:
            if key is not None and state.keys is not None and key in state.keys:
                continue
            limit = model.rules[index].limit
            if limit is not None and state.times and not limit.allows(state.times, at_ms):
                continue
        allowed.append(match)
    return allowed


def _apply_with_feedback(model: Model, fold: Fold, at_ms: int, given_ms: int, trace: Trace) -> bool:
    """Give awards and what the model's feedback says: all were decided before any reset, all resets come before any points."""
    allowed = _allowed(model, fold, at_ms, trace)
    feedback = model.feedback_by_index[trace.feedback]
    for group in feedback.reset:
        reset_group(model, fold, group)
    gained = False
    for index, key in allowed:
        rule = model.rules[index]
        fold.dropped_keys += _award(rule, fold.rule(index), at_ms, given_ms, key)
        gained = gained or rule.points >= 0
        fold.is_scored = True
    if feedback.points:
        extras = fold.group_extras(feedback.group)
        if feedback.points > 0:
            extras.feedback += feedback.points
        else:
            extras.penalties += feedback.points
    return gained


def _award(rule: Rule, state: RuleState, at_ms: int, given_ms: int, key: int | None) -> int:
    """Give the points of *rule*; only here, or by a reset, does a reference instant move. Returns once-keys dropped."""
    points = rule.points
    decay = rule.decay
    if decay is None or not state.value:
        state.value += points
        state.reference_ms = given_ms
    elif given_ms >= state.reference_ms:
        state.value = decay.left(state.value, state.reference_ms, given_ms) + points
        state.reference_ms = given_ms
    else:  # late: what is left of it at the reference instant joins the rest
        state.value += decay.left(points, given_ms, state.reference_ms)
    state.count += 1
    state.awarded += points
    if given_ms > state.last_ms or state.count == 1:
        state.last_ms = given_ms
    if rule.limit is not None:
        if state.times is None:
            state.times = []
        rule.limit.record(state.times, at_ms)
    if key is None:
        return 0
    dropped = 0
    if state.keys is None:
        state.keys = {}
    elif len(state.keys) >= KEYS_KEPT:
        del state.keys[next(iter(state.keys))]
        dropped = 1
    state.keys[key] = None
    return dropped
