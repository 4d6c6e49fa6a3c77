"""One step of the fold: advance to the event, decide its awards on the state before it, reset, then give points."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.attributes import merge
from worker.scoring.decay import Expire, Linear
from worker.scoring.fit import fit_of
from worker.scoring.inactivity import advance, reset_group
from worker.scoring.once import KEYS_KEPT
from worker.scoring.state import FEW_KEYS, Adjustment, added

if TYPE_CHECKING:
    from worker.scoring.decay import Dated
    from worker.scoring.matching import Given, Match, Trace
    from worker.scoring.model import Model, Rule
    from worker.scoring.state import Fold, RuleState

ADJUSTMENTS_KEPT = 64
"""Points by hand that expire, kept a contact; when there are more, the soonest to expire goes."""


def apply(model: Model, fold: Fold, at_ms: int, trace: Trace, own_ms: int | None = None) -> bool:
    """
    Fold one event and return whether it gave an award or adjustment of 0 or more points.

    Args:
        model: The model that scores.
        fold: Changed in place.
        at_ms: Instant at which the event is folded, at or after the fold's own: limits, steps and pools use it.
        trace: What the model keeps of the event.
        own_ms: For a late event its own instant, before *at_ms*: decay starts there. Such an event is no sign of life.
    """
    if fold.next_step_ms <= at_ms:
        advance(model, fold, at_ms)
    gained = False
    if not trace.is_plain:
        gained = _apply_all(model, fold, at_ms, at_ms if own_ms is None else own_ms, trace)
    else:
        given_ms = at_ms if own_ms is None else own_ms
        # Without resets no award changes what decides about another one: each is given as soon as it is decided.
        for index, key in trace.matches:
            state = fold.rules.get(index)
            rule = model.rules[index]
            if state is None or _allows(rule, state, at_ms, key):
                _award(model, fold, rule, at_ms, given_ms, key, state)
                gained = gained or rule.points >= 0
    if not fold.is_scored and model.fit_rules and fit_of(model, fold).rules:
        fold.is_scored = True
    if trace.is_life and own_ms is None:
        fold.last_activity_ms = at_ms
        fold.next_step_ms = at_ms + model.first_step_ms
    fold.at_ms = max(fold.at_ms, at_ms)
    return gained


def _allows(rule: Rule, state: RuleState, at_ms: int, key: int | None) -> bool:
    """Whether *rule*, which has given to *state*, may give once more: the once-key is new and its limit allows it."""
    if key is not None and state.keys is not None and key in state.keys:
        return False
    limit = rule.limit
    return limit is None or not state.times or limit.allows(state.times, at_ms)


def _allowed(model: Model, fold: Fold, at_ms: int, matches: tuple[Match, ...]) -> list[Match]:
    """Return those of *matches* that give an award."""
    states = fold.rules
    return [
        (index, key)
        for index, key in matches
        if (state := states.get(index)) is None or _allows(model.rules[index], state, at_ms, key)
    ]


def _apply_all(model: Model, fold: Fold, at_ms: int, given_ms: int, trace: Trace) -> bool:
    """
    Fold an event that does more than give awards.

    Its attributes are merged first; all awards are decided before any reset, and all resets come before any points.
    """
    if trace.update is not None:
        merge(fold, trace.update.values, given_ms)
    matches = trace.matches
    if trace.residues is not None:
        attributes = fold.attributes
        matches = tuple(
            match
            for match, residue in zip(matches, trace.residues, strict=True)
            if residue < 0 or model.rules[match[0]].when.settles(residue, attributes)
        )
    allowed = _allowed(model, fold, at_ms, matches)
    feedback = model.feedback_by_index[trace.feedback] if trace.feedback >= 0 else None
    resets = [group for index, _ in allowed for group in model.rules[index].reset]
    for group in (*resets, *(feedback.reset if feedback is not None else ())):
        reset_group(model, fold, group)
    gained = False
    for index, key in allowed:
        rule = model.rules[index]
        if rule.gives:
            _award(model, fold, rule, at_ms, given_ms, key, fold.rules.get(index))
            gained = gained or rule.points >= 0
    if trace.given is not None:
        _adjust(model, fold, at_ms, trace.given)
        gained = gained or trace.given.points >= 0
    if feedback is not None and feedback.points:
        _give_feedback(model, fold, at_ms, feedback.group, feedback.points)
    return gained


def _award(
    model: Model, fold: Fold, rule: Rule, at_ms: int, given_ms: int, key: int | None, state: RuleState | None
) -> None:
    """Give the points of *rule* to its *state*; only here, or by a reset, does a reference instant move."""
    fold.is_scored = True
    if state is None:
        state = fold.rule(rule.index)
    points = rule.points
    decay = rule.decay
    if decay is None:
        if model.has_pools and (drain := model.drains[rule.group]) is not None:
            fold.pool(rule.group).give(drain, points, at_ms)
        else:
            state.value += points
    elif isinstance(decay, Linear | Expire):
        _add_lot(decay, state, points, at_ms, given_ms)
    elif not state.value:
        state.value = points
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
    if rule.limit is not None or model.seen_kept:
        _remember_instant(model, rule, state, at_ms)
    if key is not None:
        fold.dropped_keys += _remember_key(state, key)


def _remember_instant(model: Model, rule: Rule, state: RuleState, at_ms: int) -> None:
    """Remember an award at *at_ms*, for the rule's limit and for a `seen`."""
    if rule.limit is not None:
        if state.times is None:
            state.times = []
        rule.limit.record(state.times, at_ms)
    kept = model.seen_kept.get(rule.index)
    if kept:
        if state.seen is None:
            state.seen = []
        state.seen.append(at_ms)
        del state.seen[:-kept]


def _remember_key(state: RuleState, key: int) -> int:
    """Remember a once-key; return how many older ones went for it."""
    dropped = 0
    keys = state.keys
    if keys is None:
        state.keys = [key]
    elif isinstance(keys, list):
        keys.append(key)
        if len(keys) > FEW_KEYS:
            state.keys = dict.fromkeys(keys)
    else:
        if len(keys) >= KEYS_KEPT:
            del keys[next(iter(keys))]
            dropped = 1
        keys[key] = None
    return dropped


def _add_lot(decay: Dated, state: RuleState, points: float, at_ms: int, given_ms: int) -> None:
    """Add *points* to the lot of their bucket; lots that are worth nothing any more go."""
    lots = state.lots
    if lots is None:
        lots = state.lots = {}
    bucket_ms = decay.bucket(given_ms)
    if bucket_ms in lots:
        lots[bucket_ms] += points
    else:
        is_newest = not lots or next(reversed(lots)) < bucket_ms
        lots[bucket_ms] = points
        if not is_newest:
            lots = state.lots = dict(sorted(lots.items()))
    decay.prune(lots, at_ms)
    state.value = added(lots.values())


def _adjust(model: Model, fold: Fold, at_ms: int, given: Given) -> None:
    """Give points by hand."""
    fold.is_scored = True
    group, points, expires_ms = given
    drain = model.drains[group]
    if drain is not None:
        fold.pool(group).give(drain, points, at_ms)
    elif expires_ms is None:
        extras = fold.group_extras(group)
        if points > 0:
            extras.adjusted += points
        else:
            extras.deducted += points
    else:
        kept = [one for one in (*fold.adjustments, Adjustment(group, points, expires_ms)) if one.expires_ms > at_ms]
        if len(kept) > ADJUSTMENTS_KEPT:
            kept.remove(min(kept, key=lambda one: one.expires_ms))  # of equals the first: the one given first
        fold.adjustments = tuple(kept)


def _give_feedback(model: Model, fold: Fold, at_ms: int, group: int, points: float) -> None:
    """Give the points that follow from what sales did."""
    drain = model.drains[group]
    if drain is not None:
        fold.pool(group).give(drain, points, at_ms)
        return
    extras = fold.group_extras(group)
    if points > 0:
        extras.feedback += points
    else:
        extras.penalties += points
