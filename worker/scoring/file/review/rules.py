"""Rules that count twice, count what machines do, fade or bound nothing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from worker.scoring.file.findings import shown
from worker.scoring.file.review.reach import points_beside_rules
from worker.scoring.file.tree import ListNode, MappingNode, plain

if TYPE_CHECKING:
    from worker.scoring.file.fields import Context
    from worker.scoring.model import Model, Rule

_VIEWS = (".opened", ".viewed", ".loaded", ".rendered", ".displayed")
"""What mail programs, link scanners and crawlers do, too."""

_SHAPE = ("group", "once_per", "limit", "decay", "cap", "machine")


def rules_in_doubt(context: Context, model: Model, root: MappingNode) -> None:
    """Report rules that will hardly count as they were meant."""
    rules = root.entries["rules"][1]
    nodes = [node for node in rules.items if isinstance(node, MappingNode)] if isinstance(rules, ListNode) else []
    _check_repeats(context, nodes)
    for rule, node in zip(model.rules, nodes, strict=True):
        path = f"rules[{rule.index}]"
        _check_views(context, rule, node, path)
        for name in ("decay", "cap", "group") if not rule.gives else ():
            if name in node.entries:
                problem = "this rule gives no points, so it changes nothing"
                context.report(
                    "model.no_effect", node.entries[name][0], f"{path}.{name}", problem, "remove it, or add points"
                )
    _check_groups(context, model, root)


def _check_views(context: Context, rule: Rule, node: MappingNode, path: str) -> None:
    views = sorted(name for name in rule.when.types or () if name.endswith(_VIEWS))
    if not views or rule.points <= 0 or rule.once_per is not None or rule.limit is not None or rule.cap is not None:
        return
    fix = "add `limit: {times: 1, per: day}`, or once_per with the id of the mail or page"
    if rule.decay is None:
        problem = f"every {shown(views[0])} gives points for good, and machines open mails and pages too"
        context.report("model.machine_prone", node.entries["when"][1], path, problem, fix)
    else:
        problem = f"every {shown(views[0])} gives points, and machines open mails and pages too"
        context.report("model.repeatable_view", node.entries["when"][1], path, problem, fix)


def _check_repeats(context: Context, nodes: list[MappingNode]) -> None:
    """Report rules whose condition stands in an earlier rule."""
    first: dict[str, int] = {}
    for place, node in enumerate(nodes):
        condition = _canonical(plain(node.entries["when"][1]))
        machine = plain(node.entries["machine"][1]) if "machine" in node.entries else False
        before = first.setdefault(f"{machine} {condition}", place)
        if before == place:
            continue
        name = nodes[before].entries["rule"][1]
        other = f'"{shown(str(plain(name)))}" in line {name.line}'
        if all(_part(node, key) == _part(nodes[before], key) for key in _SHAPE):
            problem = f"this is {other} once more: each such event counts twice"
            context.report(
                "model.duplicate_rule", node.entries["rule"][1], f"rules[{place}]", problem, "remove one of the two"
            )
        else:
            problem = f"the same condition stands in {other}: some events give points by both rules"
            fix = "fine if that is meant; else remove one of the two"
            context.report("model.same_condition", node.entries["when"][1], f"rules[{place}].when", problem, fix)


def _part(node: MappingNode, key: str) -> object:
    return plain(node.entries[key][1]) if key in node.entries else None


def _canonical(condition: object) -> str:
    """Return *condition* so that two that mean the same by order and case alone are equal."""
    return json.dumps(condition, sort_keys=True).casefold()


def _check_groups(context: Context, model: Model, root: MappingNode) -> None:
    used = {rule.group for rule in model.rules}
    described = root.entries["groups"][1] if "groups" in root.entries else None
    for name, (node, _) in described.entries.items() if isinstance(described, MappingNode) else ():
        if context.groups[name] not in used and not points_beside_rules(model, context.groups[name]):
            problem = "no rule belongs to this group, so only points given by hand can be in it"
            context.report(
                "model.empty_group", node, f"groups.{shown(name)}", problem, f"add `group: {name}` to a rule"
            )
