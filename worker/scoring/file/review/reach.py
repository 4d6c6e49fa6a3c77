"""How high and how low rules can bring a score, given their caps and limits; and what lies beyond."""

from __future__ import annotations

from math import ceil, inf
from typing import TYPE_CHECKING

from worker.scoring.decay import Dated, HalfLife, Percent
from worker.scoring.file.fields import join
from worker.scoring.file.findings import shown
from worker.scoring.file.tree import ListNode, MappingNode, plain
from worker.scoring.limits import Calendar, Rolling
from worker.scoring.model import Model, Reading, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.scoring.file.fields import Context
    from worker.scoring.file.tree import Node

_HOUR_MS = 3_600_000
_SHORTEST_MS = {"day": 23 * _HOUR_MS, "week": 167 * _HOUR_MS, "month": 671 * _HOUR_MS}
"""Of a civil day, week and month, clocks being put forward."""


def out_of_reach(context: Context, model: Model, root: MappingNode) -> None:
    """Report thresholds, tiers and counts that no contact comes to by the rules, and points that no cap lets through."""
    low, high = reading_bounds(model)
    _check_when(context, model, root, low, high)
    _check_tiers(context, model, root, high)
    _check_seen(context, model, root)
    _check_caps(context, model, root)


def reading_bounds(model: Model) -> tuple[Reading, Reading]:
    """Return readings below and above which no contact comes by rules, feedback and idleness; points given by hand are left out."""
    lows = tuple(_group_bound(model, group.index, -1) for group in model.groups)
    highs = tuple(_group_bound(model, group.index, 1) for group in model.groups)
    low = max(model.floor, sum(lows))
    high = max(model.floor, min(inf if model.cap is None else model.cap, sum(highs)))
    tier = max((rank for rank, tier in enumerate(model.tiers) if tier.threshold <= high), default=0)
    return Reading(low, lows, 0), Reading(high, highs, tier)


def _group_bound(model: Model, index: int, sign: int) -> float:
    """Return the highest value of a group, or with *sign* -1 its lowest."""
    group = model.groups[index]
    bound = sum(_rule_bound(rule, sign) for rule in model.rules if rule.group == index)
    if any(points * sign > 0 for points in points_beside_rules(model, index)) or _grows(model, index):
        bound = inf
    bound = min(inf if group.cap is None else group.cap, sign * bound)
    return max(-inf if group.floor is None else group.floor, bound)


def points_beside_rules(model: Model, index: int) -> list[float]:
    """Return the points that feedback and idleness give to a group."""
    given = [(one.group, one.points) for one in model.feedback.values()]
    given += [(one.group, one.points) for one in model.inactivity]
    return [points for group, points in given if group == index and points is not None]


def _grows(model: Model, index: int) -> bool:
    """Whether idleness multiplies what a group holds by more than 1."""
    return any((step.multiply or 0) > 1 and step.group == index for step in model.inactivity)


def _rule_bound(rule: Rule, sign: int) -> float:
    """Return the most that *rule* contributes upwards, or with *sign* -1 downwards, as a number from 0."""
    points = rule.points * sign
    if points <= 0:
        return 0.0
    awards = 1.0 if rule.is_fit or rule.once_per == () else _awards_at_once(rule)
    most = points * awards
    return most if rule.cap is None else min(most, rule.cap)


def _awards_at_once(rule: Rule) -> float:
    """Return how many whole awards the limited and fading awards of *rule* come to at most."""
    if rule.limit is None or rule.decay is None:
        return inf
    span_ms = rule.limit.within_ms if isinstance(rule.limit, Rolling) else _SHORTEST_MS[rule.limit.per]
    times = rule.limit.times
    extra = times if isinstance(rule.limit, Calendar) else 0  # two civil days touch at midnight
    decay = rule.decay
    if isinstance(decay, Dated):
        return extra + times * ceil((decay.ms + decay.width_ms) / span_ms)
    left = 0.5 ** (span_ms / decay.ms) if isinstance(decay, HalfLife) else _left_after(decay, span_ms)
    return inf if left >= 1 else extra + times / (1 - left)


def _left_after(decay: Percent, span_ms: int) -> float:
    steps = span_ms // decay.every_ms
    return float((1 - decay.rate) ** steps)


def _check_when(context: Context, model: Model, root: MappingNode, low: Reading, high: Reading) -> None:
    if model.qualify is None or model.qualify.when.judge(low, high) is not False:
        return
    parts = ", ".join(
        f"{group.name} {most:g}" for group, most in zip(model.groups, high.groups, strict=True) if most != 0
    )
    problem = f"the rules bring a score to {high.score:g} at most ({parts or 'no points'}), so this never holds"
    fix = "lower the threshold, or raise points or caps (points given by hand are not counted here)"
    context.report("model.out_of_reach", child(root, "qualify", "when"), "qualify.when", problem, fix)


def _check_tiers(context: Context, model: Model, root: MappingNode, high: Reading) -> None:
    for tier in model.tiers[1:]:
        if tier.threshold > high.score:
            problem = f"the rules bring a score to {high.score:g} at most, and this tier begins at {tier.threshold:g}"
            fix = "lower the threshold, or raise points or caps (points given by hand are not counted here)"
            node = child(root, "tiers", tier.name)
            context.report("model.out_of_reach", node, join("tiers", tier.name), problem, fix)


def _check_seen(context: Context, model: Model, root: MappingNode) -> None:
    by_name = {rule.name: rule for rule in model.rules}
    for node, path in _seen_in(child(root, "qualify"), "qualify"):
        rule = by_name[str(plain(child(node, "rule")))]
        times = plain(child(node, "times")) if "times" in node.entries else 1
        if rule.once_per == () and times != 1:
            problem = f'"{shown(rule.name)}" gives one award to a contact, and {times} are asked for'
            fix = "write `times: 1`, or change `once_per` of the rule"
            context.report("model.out_of_reach", node, path, problem, fix)


def _seen_in(node: Node, path: str) -> Iterator[tuple[MappingNode, str]]:
    """Yield every `seen` below *node* with its path."""
    if isinstance(node, ListNode):
        for place, item in enumerate(node.items):
            yield from _seen_in(item, f"{path}[{place}]")
    elif isinstance(node, MappingNode) and "rule" in node.entries:  # of all that a condition holds only a `seen` has it
        yield node, path
    elif isinstance(node, MappingNode):
        for name, (_, value) in node.entries.items():
            yield from _seen_in(value, join(path, name))


def _check_caps(context: Context, model: Model, root: MappingNode) -> None:
    """Report points that a bound cuts even when they are given alone."""
    for rule in model.rules:
        bound = _bound_of(model, rule)
        if bound is not None:
            name, value = bound
            problem = f"{rule.points:g} points can never count whole: {name} {value:g}"
            fix = "raise the bound, or write the points that it lets through"
            node = child(root, "rules", rule.index, "points")
            context.report("model.points_above_cap", node, f"rules[{rule.index}].points", problem, fix)


def _bound_of(model: Model, rule: Rule) -> tuple[str, float] | None:
    """Return the name and value of a bound that the points of *rule* alone go beyond."""
    group = model.groups[rule.group]
    if rule.cap is not None and abs(rule.points) > rule.cap:
        return "the rule has cap", rule.cap
    if group.cap is not None and rule.points > max(group.cap, 0):
        return f"the group {group.name} has cap", group.cap
    if group.floor is not None and rule.points < min(group.floor, 0):
        return f"the group {group.name} has floor", group.floor
    if model.cap is not None and rule.points > max(model.cap, 0):
        return "the score has cap", model.cap
    return None


def child(node: Node, *steps: str | int) -> Node:
    """Return what stands below *steps* (keys, places in lists) of *node*; where they end early, the last that is there."""
    for step in steps:
        if isinstance(node, MappingNode) and step in node.entries:
            node = node.entries[str(step)][1]
        elif isinstance(node, ListNode) and isinstance(step, int):
            node = node.items[step]
    return node
