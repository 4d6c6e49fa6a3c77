"""Why a score is what it is: lines that add up to it, those of rules with what was given, what is left and what became of the rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

from worker.scoring.decay import Expire, Linear
from worker.scoring.fit import fit_of
from worker.scoring.reading import contribution, group_values, left, read

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.scoring.model import Model, Reading, Rule
    from worker.scoring.state import Fold, Pool, RuleState

REASONS = 10
"""Contributions a transition names at most."""

Kind = Literal["rule", "fit", "pool", "adjustment", "inactivity", "feedback", "floor", "cap", "unscored"]

_UNSCORED = "nothing gave points yet"
_NOISE = 1e-9
"""Differences of doubles up to here are roundings, no points."""


class Contribution(NamedTuple):
    """What one rule, or one source of points outside the rules, adds now."""

    rule: str
    points: float  # now, after decay and the rule's cap
    awarded: float  # when given
    awards: int
    last_ms: int | None


@dataclass(frozen=True, slots=True)
class Line:
    """
    One line of an explanation; *points* of all lines add up to the score.

    Of a rule and of a pool ``points = awarded - faded - taken - faded_or_taken - capped``.
    """

    name: str
    kind: Kind
    points: float  # what it adds now
    awarded: float | None = None  # when given; None where that is not kept
    awards: int = 0
    last_ms: int | None = None  # event time of the newest award
    faded: float = 0.0  # what decay, or the drain of a pool, took
    taken: float = 0.0  # what idleness took; below 0 it gave
    faded_or_taken: float = 0.0  # the sum of both where the state no longer tells them apart
    capped: float = 0.0  # what lies beyond the rule's own cap
    expires_ms: int | None = None  # when points by hand go
    parts: tuple[Contribution, ...] = ()  # of a pool: what its rules gave, before it drained

    @property
    def is_clamp(self) -> bool:
        """Whether it says what a floor, a cap, or the lack of any award makes of the lines above it."""
        return self.kind in ("floor", "cap", "unscored")


@dataclass(frozen=True, slots=True)
class GroupExplanation:
    """The lines of one group; they add up to its value."""

    name: str
    lines: tuple[Line, ...]
    value: float  # within the group's floor and cap


@dataclass(frozen=True, slots=True)
class Explanation:
    """A score, line by line."""

    at_ms: int
    reading: Reading
    groups: tuple[GroupExplanation, ...]  # those with any line
    clamps: tuple[Line, ...]  # what the score's own floor and cap make of the sum of the groups

    @property
    def lines(self) -> tuple[Line, ...]:
        """Every line; their points add up to the score."""
        return tuple(line for group in self.groups for line in group.lines) + self.clamps


def names_of_lines(model: Model) -> list[str]:
    """Return every name that a line under *model* may have: its rules, what else gives points to a group, and the clamps."""
    names = [rule.name for rule in model.rules if rule.gives]
    for group in model.groups:
        others = ("adjustment", "inactivity", "feedback") if group.drain is None else ("pool",)
        names += [f"{group.name}: {other}" for other in others]
        names += _clamp_names(group.name, group.floor, group.cap)
    return [*names, *_clamp_names("score", model.floor, model.cap), _UNSCORED]


def _clamp_names(of: str, floor: float | None, cap: float | None) -> list[str]:
    return [f"{of}: {kind} {bound:g}" for kind, bound in (("floor", floor), ("cap", cap)) if bound is not None]


def contributions(model: Model, fold: Fold, at_ms: int) -> list[Contribution]:
    """
    Return every contribution at *at_ms*, largest absolute one first, ties in file order.

    A pool is one line, named `<group>: pool`. Points that no rule gave are named `<group>: adjustment` (all of those for good are
    one line, each of those that expire is one), `<group>: inactivity` and `<group>: feedback`. Their sum, group by group and
    within the clamps, is the score. *fold* is advanced to *at_ms*, or has no step before it.
    """
    found = [
        Contribution(
            line.name, line.points, line.points if line.awarded is None else line.awarded, line.awards, line.last_ms
        )
        for _, line in _all_lines(model, fold, at_ms)
    ]
    found.sort(key=lambda item: -abs(item.points))
    return found


def explain(model: Model, fold: Fold, at_ms: int) -> Explanation:
    """
    Return the score of *fold* at *at_ms*, line by line; clamps are lines of their own.

    *fold* is advanced to *at_ms*, or no inactivity step lies between its instant and *at_ms*.
    """
    by_group: dict[int, list[Line]] = {}
    for index, line in _all_lines(model, fold, at_ms):
        by_group.setdefault(index, []).append(line)
    before = group_values(model, fold, at_ms)
    reading = read(model, fold, at_ms)
    groups = []
    total = 0.0
    for group, value, clamped in zip(model.groups, before, reading.groups, strict=True):
        lines = by_group.get(group.index, [])
        if clamped != value:
            bound: Literal["floor", "cap"] = "floor" if clamped > value else "cap"
            lines.append(
                Line(f"{group.name}: {bound} {clamped:g}", bound, clamped - sum(line.points for line in lines))
            )
        if lines:
            groups.append(GroupExplanation(group.name, tuple(lines), clamped))
        total += clamped
    return Explanation(at_ms, reading, tuple(groups), tuple(_score_clamps(model, fold, reading.score, total)))


def _score_clamps(model: Model, fold: Fold, score: float, total: float) -> Iterator[Line]:
    if not fold.is_scored:
        if total:
            yield Line(_UNSCORED, "unscored", -total)
    elif score > total:
        yield Line(f"score: floor {model.floor:g}", "floor", score - total)
    elif score < total:
        yield Line(f"score: cap {score:g}", "cap", score - total)


def _all_lines(model: Model, fold: Fold, at_ms: int) -> Iterator[tuple[int, Line]]:
    """Yield the index of the group, and the line, of everything that adds to a group at *at_ms*."""
    for index, state in fold.rules.items():
        rule = model.rules[index]
        if state.count and model.drains[rule.group] is None:
            yield rule.group, _rule_line(model, fold, rule, state, at_ms)
    for index in fit_of(model, fold).rules:
        rule = model.rules[index]
        yield rule.group, Line(rule.name, "fit", rule.points, awarded=rule.points, awards=1)
    for index, pool in fold.pools.items():
        drain = model.drains[index]
        if drain is not None:
            yield index, _pool_line(model, fold, index, pool, pool.left(drain, at_ms))
    yield from _lines_beside_rules(model, fold, at_ms)


def _pool_line(model: Model, fold: Fold, group: int, pool: Pool, points: float) -> Line:
    gone = _points(pool.awarded - points)
    is_certain = not _may_scale(model, fold, group, is_negative=False)
    parts = tuple(
        Contribution(model.rules[index].name, state.awarded, state.awarded, state.count, state.last_ms)
        for index, state in fold.rules.items()
        if state.count and model.rules[index].group == group
    )
    return Line(
        f"{model.groups[group].name}: pool",
        "pool",
        points,
        pool.awarded,
        pool.count,
        pool.last_ms,
        faded=gone if is_certain else 0.0,
        faded_or_taken=0.0 if is_certain else gone,
        parts=parts,
    )


def _rule_line(model: Model, fold: Fold, rule: Rule, state: RuleState, at_ms: int) -> Line:
    points = contribution(rule, state, at_ms)
    uncapped = left(rule, state, at_ms)
    gone = state.awarded - uncapped
    faded = taken = either = 0.0
    if not _may_scale(model, fold, rule.group, is_negative=rule.points < 0):
        faded = gone
    elif rule.decay is None:
        taken = gone
    elif state.count == 1:  # one award: what decay alone would have left of it is known
        undisturbed = _undisturbed(rule, state, at_ms)
        faded, taken = state.awarded - undisturbed, undisturbed - uncapped
    else:
        either = gone
    return Line(
        rule.name,
        "rule",
        points,
        state.awarded,
        state.count,
        state.last_ms,
        faded=_points(faded),
        taken=_points(taken),
        faded_or_taken=_points(either),
        capped=uncapped - points,
    )


def _undisturbed(rule: Rule, state: RuleState, at_ms: int) -> float:
    """Return what would be left at *at_ms* of the only award of *rule*, had idleness never touched it."""
    decay = rule.decay
    if decay is None:
        return state.awarded
    if isinstance(decay, Linear | Expire):
        return decay.left_of({decay.bucket(state.last_ms): state.awarded}, at_ms)
    return decay.left(state.awarded, state.last_ms, at_ms)


def _may_scale(model: Model, fold: Fold, group: int, *, is_negative: bool) -> bool:
    """Whether idleness may have scaled points of *group*: those below 0 by `multiply` only, none before a sign of life."""
    if fold.last_activity_ms is None:
        return False
    return any(
        step.group == group and (step.multiply is not None or (not is_negative and (step.points or 0) < 0))
        for step in model.inactivity
    )


def _points(value: float) -> float:
    return 0.0 if abs(value) <= _NOISE else value


def _lines_beside_rules(model: Model, fold: Fold, at_ms: int) -> Iterator[tuple[int, Line]]:
    for index, extras in fold.extras.items():
        name = model.groups[index].name
        beside: tuple[tuple[Kind, tuple[float, ...]], ...] = (
            ("adjustment", (extras.adjusted, extras.deducted)),
            ("inactivity", (extras.inactivity,)),
            ("feedback", (extras.feedback, extras.penalties)),
        )
        for kind, parts in beside:
            if any(parts):
                yield index, Line(f"{name}: {kind}", kind, sum(parts), awards=1)
    for one in fold.adjustments:
        if one.expires_ms > at_ms:
            name = f"{model.groups[one.group].name}: adjustment"
            yield one.group, Line(name, "adjustment", one.points, awards=1, expires_ms=one.expires_ms)
