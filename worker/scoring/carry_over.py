"""
State of one version of a model, carried over to the next, by the names of rules and groups.

Rules that are gone are dropped, new ones start empty; what a rule had given stays given and fades from here on as the new version
says. A rule whose good points became bad ones, or the other way round, is a new one whatever its name. The latch stays: what was
told was told.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from worker.scoring.attributes import kept_of
from worker.scoring.contact import ModelState
from worker.scoring.decay import Expire, Linear
from worker.scoring.inactivity import next_step
from worker.scoring.limits import Rolling
from worker.scoring.matching import Given, Matcher, Trace
from worker.scoring.model import Model
from worker.scoring.reading import left
from worker.scoring.state import Adjustment, Fold, RuleState, added

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from worker.scoring.decay import Lots
    from worker.scoring.model import Rule


class Older(NamedTuple):
    """An earlier version of a model."""

    model: Model
    matcher: Matcher


class Lineage:
    """The earlier versions of the models loaded, under which stored states may still be written."""

    def __init__(self, older: Iterable[Model]) -> None:
        self._older = {(model.name, model.version): Older(model, Matcher(model)) for model in older}
        self._passages: dict[tuple[str, int], _Passage] = {}

    def find(self, model: Model, version: int) -> Older | None:
        """Return the version *version* of *model*, None when it is not known or comes after it."""
        return self._older.get((model.name, version)) if version < model.version else None

    def carry(self, model: Model, older: Older, state: ModelState) -> ModelState:
        """Return *state*, written under *older*, as a state under *model*."""
        place = (model.name, older.model.version)
        passage = self._passages.get(place)
        if passage is None:
            passage = self._passages[place] = _Passage(older.model, model)
        return passage.carry(state)


class _Passage:
    """From one version to another: which rule, group, tier and feedback became which."""

    def __init__(self, old: Model, new: Model) -> None:
        self._old = old
        self._new = new
        rules = {rule.name: rule for rule in new.rules if not rule.is_fit}
        self._rules = {
            rule.index: rules[rule.name]
            for rule in old.rules
            if rule.name in rules and not rule.is_fit and (rule.points < 0) == (rules[rule.name].points < 0)
        }
        groups = new.group_index
        self._groups = {group.index: groups[group.name] for group in old.groups if group.name in groups}
        tiers = {tier.name: rank for rank, tier in enumerate(new.tiers)}
        self._tiers = {rank: tiers.get(tier.name, 0) for rank, tier in enumerate(old.tiers)}
        self._feedback = {
            one.index: new.feedback[one.type].index for one in old.feedback_by_index if one.type in new.feedback
        }
        before, after = _conditions(old), _conditions(new)
        self._same_when = {name for name in before if name in after and before[name] == after[name]}

    def carry(self, state: ModelState) -> ModelState:
        carried = ModelState()
        carried.latch = state.latch
        carried.latch.told_tier = self._tiers.get(state.latch.told_tier, 0)
        carried.latch.tier = self._tiers.get(state.latch.tier, 0)
        carried.evaluated_ms = state.evaluated_ms
        carried.row_hash = state.row_hash
        old, new = state.history, carried.history
        if old.base is not None:
            new.base = self._fold(old.base)
        new.restore(old.instants, old.event_ids, [self._trace(trace) for trace in old.traces])
        new.late_ids = old.late_ids
        return carried

    def _fold(self, old: Fold) -> Fold:
        new = Fold()
        new.at_ms = old.at_ms
        new.is_scored = old.is_scored
        new.last_activity_ms = old.last_activity_ms
        self._carry_attributes(old, new)
        new.extras = {
            self._groups[index]: extras.copy() for index, extras in old.extras.items() if index in self._groups
        }
        new.adjustments = tuple(
            Adjustment(self._groups[one.group], one.points, one.expires_ms)
            for one in old.adjustments
            if one.group in self._groups
        )
        for index, state in old.rules.items():
            rule = self._rules.get(index)
            if rule is not None:
                new.rules[rule.index] = self._rule(self._old.rules[index], rule, state, old.at_ms)
        new.rules = dict(sorted(new.rules.items()))
        self._carry_pools(old, new)
        new.next_step_ms = next_step(self._new, new.last_activity_ms, new.at_ms)
        return new

    def _carry_attributes(self, old: Fold, new: Fold) -> None:
        kept = self._new.attributes
        new.attributes = {name: value for name, value in old.attributes.items() if name in kept}
        new.attribute_dates = {name: at_ms for name, at_ms in old.attribute_dates.items() if name in kept}

    def _rule(self, before: Rule, after: Rule, old: RuleState, at_ms: int) -> RuleState:
        """
        Return what *before* gave as a state of *after*.

        Where the decay is another one, what is left at *at_ms* fades on from there, so that no score jumps because a model
        changed; dated lots keep their dates where both forms have them.
        """
        new = old.copy()
        if before.decay != after.decay:
            _convert(before, after, new, at_ms)
        if before.once_per != after.once_per:
            new.keys = [0] if old.keys and after.once_per == () else None
        if after.limit is None or not _remembers_alike(before, after):
            new.times = None
        if self._new.seen_kept.get(after.index) is None:
            new.seen = None
        return new

    def _carry_pools(self, old: Fold, new: Fold) -> None:
        """Carry pools over; where a group became one, its points join it, and where it is none any more, they are points by hand."""
        at_ms = old.at_ms
        for index, pool in old.pools.items():
            target = self._groups.get(index)
            if target is None:
                continue
            if self._new.drains[target] is not None:
                new.pools = {**new.pools, target: pool.copy()}
                continue
            drain = self._old.drains[index]
            left = 0.0 if drain is None else pool.left(drain, at_ms)
            extras = new.group_extras(target)
            if left > 0:
                extras.adjusted += left
            else:
                extras.deducted += left
        for group in self._new.groups:
            if group.drain is not None:
                _fill_pool(self._new, new, group.index, at_ms)

    def _trace(self, old: Trace) -> Trace:
        """Return *old* under the new version. What a condition left open stays open only if it is the very same condition."""
        matches, residues = [], []
        for place, (index, key) in enumerate(old.matches):
            rule = self._rules.get(index)
            if rule is not None:
                matches.append((rule.index, _key_under(rule, key)))
                residue = -1 if old.residues is None else old.residues[place]
                residues.append(residue if rule.name in self._same_when else -1)
        order = sorted(range(len(matches)), key=lambda place: matches[place][0])
        update, given = old.update, old.given
        if update is not None:
            update = kept_of(update.values, self._new.attributes)
        if given is not None:
            group = self._groups.get(given.group)
            given = None if group is None else Given(group, given.points, given.expires_ms)
        return Trace(
            self._new,
            tuple(matches[place] for place in order),
            is_life=old.is_life,
            feedback=self._feedback.get(old.feedback, -1),
            residues=tuple(residues[place] for place in order) if any(one >= 0 for one in residues) else None,
            update=update,
            given=given,
        )


def _key_under(rule: Rule, key: int | None) -> int | None:
    """Return the once-key under *rule* of an event that had *key* before."""
    if rule.once_per is None:
        return None
    return key if rule.once_per else 0


def _convert(before: Rule, after: Rule, state: RuleState, at_ms: int) -> None:
    """Turn *state*, of the decay of *before*, into one of the decay of *after*, as it stands at *at_ms*."""
    if isinstance(after.decay, Linear | Expire) and isinstance(before.decay, Linear | Expire):
        lots: Lots = {}
        for given_ms, points in (state.lots or {}).items():
            bucket_ms = after.decay.bucket(given_ms)
            lots[bucket_ms] = lots.get(bucket_ms, 0.0) + points
        state.lots, state.value = lots, added(lots.values())
        return
    state.value = left(before, state, at_ms)
    state.lots = None
    state.reference_ms = 0 if after.decay is None else at_ms
    if isinstance(after.decay, Linear | Expire):
        state.reference_ms = 0
        state.lots = {after.decay.bucket(at_ms): state.value} if state.value else {}


def _fill_pool(model: Model, fold: Fold, group: int, at_ms: int) -> None:
    """Move what rules and extras of *group* hold into its pool; the rules have no decay any more."""
    points = 0.0
    for index, state in fold.rules.items():
        if model.rules[index].group == group and state.value:
            points += state.value
            state.value = 0.0
    extras = fold.extras.get(group)
    if extras is not None:
        points += extras.positive + extras.penalties + extras.deducted
        fold.extras = {index: one for index, one in fold.extras.items() if index != group}
    points += added(one.points for one in fold.adjustments if one.group == group and one.expires_ms > at_ms)
    fold.adjustments = tuple(one for one in fold.adjustments if one.group != group)
    drain = model.drains[group]
    if points and drain is not None:
        fold.pool(group).give(drain, points, at_ms)


def _remembers_alike(before: Rule, after: Rule) -> bool:
    """Whether what the limit of *before* remembers means the same under that of *after*."""
    if (
        isinstance(before.limit, Rolling)
        or isinstance(after.limit, Rolling)
        or before.limit is None
        or after.limit is None
    ):
        return isinstance(before.limit, Rolling) and isinstance(after.limit, Rolling)
    return (before.limit.per, before.limit.time_zone) == (after.limit.per, after.limit.time_zone)


def _conditions(model: Model) -> Mapping[str, Any]:
    """Return each rule's condition as the file has it."""
    content = json.loads(model.content) if model.content else {}
    return {rule["rule"]: rule["when"] for rule in content.get("rules", ())}
