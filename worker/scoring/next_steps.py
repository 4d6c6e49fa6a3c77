"""What comes next for a lead: which single event would make it ready, what holds it up, and when it cools if nothing happens."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from worker.contracts.event_rules import RESERVED_TYPES
from worker.scoring.due import cools, next_due
from worker.scoring.fold import apply
from worker.scoring.inactivity import advance
from worker.scoring.latch import Status
from worker.scoring.matching import Trace
from worker.scoring.qualification import evaluate, invite, is_held, missing
from worker.scoring.reading import read

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.scoring.latch import Latch
    from worker.scoring.model import Model, Rule
    from worker.scoring.state import Fold

_WAKES = 1_000
"""Due instants that are looked at before giving up: a step that acts each hour for a year changes nothing that sales would see."""

_NEW_KEY = 1 << 64
"""A once-key that no event has had: keys have 64 bits."""

_LEAVES_TRIED = 8


class Gain(NamedTuple):
    """What one more award of a rule would do now."""

    rule: str
    points: float  # by which the score would rise, within all caps
    score: float  # what it would then be
    makes_ready: bool


class Outlook(NamedTuple):
    """What comes next for a lead. Instants in ms."""

    gains: tuple[Gain, ...]  # those that make it ready first, then by what they bring
    missing: tuple[str, ...]  # required attributes that are not known, all that holds it up
    blocked: str | None  # why no event can make it ready now, in words; None: nothing does, or it is ready
    cools_ms: int | None  # when a ready lead cools if nothing happens; None: never, or it is not ready


def outlook(model: Model, fold: Fold, latch: Latch, at_ms: int) -> Outlook:
    """
    Return what comes next for the lead of *fold* and *latch* at *at_ms*; neither is changed.

    *fold* is advanced to *at_ms*. Gains are those that the model can tell by itself: an event of a rule with `once_per` counts as
    one with new values, and what a rule asks of properties is taken as met.
    """
    gains = () if latch.is_ready else tuple(sorted(_gains(model, fold, latch, at_ms), key=_usefulness))
    return Outlook(
        gains=gains,
        missing=missing_attributes(model, fold, latch, at_ms),
        blocked=_blocked(model, fold, latch, at_ms),
        cools_ms=cools_at(model, fold, at_ms) if latch.is_ready else None,
    )


def cools_at(model: Model, fold: Fold, after_ms: int) -> int | None:
    """Return the instant after *after_ms* at which a ready lead cools if nothing happens; None: not before it is forgotten."""
    qualify = model.qualify
    if qualify is None:
        return None
    fold = fold.copy()
    for _ in range(_WAKES):
        due_ms = next_due(model, fold, is_ready=True, after_ms=after_ms)
        if due_ms is None:
            return None
        advance(model, fold, due_ms)
        reading = read(model, fold, due_ms)
        if cools(qualify, reading, reading, is_scored=fold.is_scored) is True:
            return due_ms
        after_ms = due_ms
    return None


def missing_attributes(model: Model, fold: Fold, latch: Latch, at_ms: int) -> tuple[str, ...]:
    """Return the required attributes that are not known, as `attributes.<path>`, if they are all that holds an open lead up."""
    if not is_held(model, fold, latch, at_ms):
        return ()
    return tuple(f"attributes.{'.'.join(path)}" for path in missing(model, fold))


def _not_before(model: Model, latch: Latch, at_ms: int) -> int | None:
    """Return the instant before which the lead may not be ready again, None when that has passed."""
    if model.qualify is None or latch.last_ready_ms is None:
        return None
    free_ms = latch.last_ready_ms + model.qualify.not_within_ms
    return free_ms if at_ms < free_ms else None


def _blocked(model: Model, fold: Fold, latch: Latch, at_ms: int) -> str | None:
    if model.qualify is None:
        return "this model tells sales nothing: it has no `qualify`"
    if latch.status is Status.CLOSED:
        return "closed: sales is never told of this lead again"
    if latch.status is Status.WAITING:
        return "waiting: only sales.recycled makes it count again"
    if latch.status is Status.READY:
        return None
    if _not_before(model, latch, at_ms) is not None:
        return "told too short a time ago: `not_within` has not passed"
    reading = read(model, fold, at_ms)
    if model.qualify.exclude is not None and model.qualify.exclude.judge(reading, reading) is True:
        return "excluded: `exclude` holds for it"
    return None


def _usefulness(gain: Gain) -> tuple[bool, float]:
    return not gain.makes_ready, -gain.points


def _gains(model: Model, fold: Fold, latch: Latch, at_ms: int) -> Iterable[Gain]:
    before = read(model, fold, at_ms).score
    for rule in model.rules:
        if not _may_come(rule) or not _may_match(rule, fold) or not _may_award(rule, fold, at_ms):
            continue
        after, then = fold.copy(), msgspec.structs.replace(latch)
        key = None if rule.once_per is None else 0 if not rule.once_per else _NEW_KEY
        apply(model, after, at_ms, Trace(model, ((rule.index, key),)))
        score = read(model, after, at_ms).score
        invite(then)
        told = evaluate(model, after, then, at_ms, may_qualify=True)
        makes_ready = told is not None and told[0] == "lead.sales_ready"
        if makes_ready or score > before:
            yield Gain(rule.name, score - before, score, makes_ready)


def _may_come(rule: Rule) -> bool:
    """Whether a human's own act can be an event of *rule* that is a good sign."""
    if rule.is_fit or not rule.gives or rule.points < 0 or rule.machine == "only":
        return False
    types = rule.when.types
    return types is None or any(name not in RESERVED_TYPES for name in types)


def _may_match(rule: Rule, fold: Fold) -> bool:
    """Whether some event matches *rule* with the attributes as they are."""
    when = rule.when
    if not when.is_mixed:
        return True
    leaves = getattr(when, "leaves", ())
    if len(leaves) > _LEAVES_TRIED:
        return True
    verdicts = product((0, 1), repeat=len(leaves))
    return any(when.settles(sum(bit << place for place, bit in enumerate(bits)), fold.attributes) for bits in verdicts)


def _may_award(rule: Rule, fold: Fold, at_ms: int) -> bool:
    """Whether once-keys and limits leave room for one more award of *rule*."""
    state = fold.rules.get(rule.index)
    if state is None:
        return True
    if rule.once_per == () and state.keys:
        return False
    return rule.limit is None or not state.times or rule.limit.allows(state.times, at_ms)
