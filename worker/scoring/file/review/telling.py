"""Leads that are told again and again, never cool, or never fade; and what was left out of telling sales."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.file.parts import COMBINATIONS
from worker.scoring.file.review.branches import TooManyError, branches
from worker.scoring.file.review.reach import reading_bounds
from worker.scoring.file.tree import ListNode, MappingNode
from worker.scoring.limits import Calendar

if TYPE_CHECKING:
    from worker.scoring.file.fields import Context
    from worker.scoring.file.tree import Node
    from worker.scoring.model import Model

_LOWER = ("at_least", "more_than", "is")
_UPPER = ("at_most", "less_than", "is")


def telling_in_doubt(context: Context, model: Model, root: MappingNode) -> None:
    """Report what will hardly go as meant between a lead becoming ready and cooling again."""
    if "qualify" not in root.entries:
        problem = "there is no `qualify`, so sales is never told of a lead"
        context.report("model.no_qualify", root, "", problem, "add `qualify: {when: {score: {at_least: 100}}}`")
    else:
        qualify_node, qualify = root.entries["qualify"]
        if isinstance(qualify, MappingNode):
            _check_rearm(context, model, qualify_node, qualify)
            _check_fading(context, model, root, qualify)
        _check_feedback(context, model, qualify_node)
    _check_signs(context, model, root)
    _check_time_zone(context, model, root)


def _check_rearm(context: Context, model: Model, qualify_node: Node, qualify: MappingNode) -> None:
    if model.qualify is None:
        return
    if model.qualify.rearm is None:
        problem = (
            "without `rearm` a lead cools as soon as `when` fails, and may be told again and again at the threshold"
        )
        fix = "add `rearm: {score: {less_than: ...}}`, some points below the threshold"
        context.report("model.no_rearm", qualify_node, "qualify", problem, fix)
        return
    node = qualify.entries["rearm"][1]
    verdict = model.qualify.rearm.judge(*reading_bounds(model))
    if verdict is False:
        problem = "no score of this model can meet this, so a ready lead never cools"
        fix = "compare it with the floors of score and groups, or remove `rearm`"
        context.report("model.rearm_never_holds", node, "qualify.rearm", problem, fix)
    elif verdict is True:
        problem = "every score of this model meets this, so it is as if there were no `rearm`"
        context.report("model.rearm_always_holds", node, "qualify.rearm", problem, "write a bound below the threshold")
    else:
        _check_gap(context, qualify)


def _check_gap(context: Context, qualify: MappingNode) -> None:
    """Report a field whose bound in `rearm` is not below its bound in `when`."""
    thresholds = _bounds(qualify.entries["when"][1], _LOWER)
    rearms = _bounds(qualify.entries["rearm"][1], _UPPER)
    for field, (upper, node) in rearms.items():
        lower = thresholds.get(field)
        if lower is not None and upper >= lower[0]:
            problem = f"{field} {upper:g} is not below the threshold {lower[0]:g}: a lead at it is told again and again"
            fix = f"write a number some points below {lower[0]:g}"
            context.report("model.rearm_above_threshold", node, f"qualify.rearm.{field}", problem, fix)


def _bounds(condition: Node, operators: tuple[str, ...]) -> dict[str, tuple[float, Node]]:
    """Return the first bound of each number that *condition* tests: field to the bound and its place."""
    try:
        alternatives = branches(condition)
    except TooManyError:
        return {}
    found: dict[str, tuple[float, Node]] = {}
    for branch in alternatives:
        for part in branch:
            is_number = part.field == "score" or part.field.startswith("groups.")
            if is_number and part.operator in operators and part.field not in found:
                found[part.field] = float(part.operand), part.node
    return found


def _check_feedback(context: Context, model: Model, node: Node) -> None:
    missing = [name for name in ("sales.rejected", "sales.recycled") if name not in model.feedback]
    if missing:
        problem = f"nothing follows when sales answers {' or '.join(missing)}: the lead stays as ready as it was"
        fix = f"add `feedback: {{{missing[0]}: {{reset: [engagement], latch: open}}}}`"
        context.report("model.no_feedback", node, "feedback", problem, fix)


def _check_fading(context: Context, model: Model, root: MappingNode, qualify: MappingNode) -> None:
    """Report points that pile up for good, where the score is what makes a lead ready."""
    events = [rule for rule in model.rules if rule.gives and not rule.is_fit]
    if model.inactivity or any(rule.decay for rule in events) or any(model.drains):
        return
    if not any(rule.points > 0 for rule in events) or not _asks_for_points(qualify.entries["when"][1]):
        return
    problem = "no points ever go: nothing fades, and there is no `inactivity`; in time every contact becomes ready"
    fix = "add `decay: {half_life: 30d}` to rules or groups, or `inactivity: [{after: 120d, reset: [engagement]}]`"
    context.report("model.never_fades", root.entries["rules"][0], "rules", problem, fix)


def _asks_for_points(condition: Node) -> bool:
    """Whether *condition* looks at the score, at groups or at the tier."""
    if isinstance(condition, ListNode):
        return any(map(_asks_for_points, condition.items))
    entries = condition.entries if isinstance(condition, MappingNode) else {}
    return any(
        key in ("score", "tier") or key.startswith("groups.") or (key in COMBINATIONS and _asks_for_points(value))
        for key, (_, value) in entries.items()
    )


def _check_signs(context: Context, model: Model, root: MappingNode) -> None:
    if any(rule.points < 0 or rule.reset for rule in model.rules):
        return
    problem = "no rule has points below 0 or a reset: nothing that a contact does speaks against it"
    fix = "add a rule for email.unsubscribed, a hard bounce or a visit of the careers page"
    context.report("model.no_negative_signals", root.entries["rules"][0], "rules", problem, fix)


def _check_time_zone(context: Context, model: Model, root: MappingNode) -> None:
    if "time_zone" in root.entries:
        return
    for rule in model.rules:
        if isinstance(rule.limit, Calendar):
            problem = (
                f"days, weeks and months are those of UTC: `time_zone` is missing, and limits say per {rule.limit.per}"
            )
            fix = "add `time_zone: Europe/Berlin`, or UTC if that is meant"
            context.report("model.time_zone_missing", root, "time_zone", problem, fix)
            return
