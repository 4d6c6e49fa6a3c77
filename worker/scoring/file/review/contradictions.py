"""Conditions that nothing can meet, because their own tests exclude each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.file.findings import shown
from worker.scoring.file.review.branches import Branch, TooManyError, branches, by_field, can_hold_together
from worker.scoring.file.tree import ListNode, MappingNode

if TYPE_CHECKING:
    from worker.scoring.file.fields import Context
    from worker.scoring.file.tree import Node
    from worker.scoring.model import Model

_FIX = "for one of several values write one list, [a, b]; for one of several tests write `any`"


def contradictions(context: Context, _: Model, root: MappingNode) -> None:
    """Report each condition, and each alternative in one, that can never hold."""
    rules = root.entries["rules"][1]
    for place, rule in enumerate(rules.items if isinstance(rules, ListNode) else ()):
        if isinstance(rule, MappingNode):
            _check(context, rule.entries["when"][1], f"rules[{place}].when", "no event can meet this")
    qualify = root.entries["qualify"][1] if "qualify" in root.entries else None
    for name in ("when", "rearm", "exclude"):
        if isinstance(qualify, MappingNode) and name in qualify.entries:
            _check(context, qualify.entries[name][1], f"qualify.{name}", "no lead can meet this")


def _check(context: Context, condition: Node, key: str, problem: str) -> None:
    try:
        alternatives = [_excluded(context, branch) for branch in branches(condition)]
    except TooManyError:
        return
    dead = [parts for parts in alternatives if parts]
    if not dead:
        return
    if len(dead) == len(alternatives):
        node, field = dead[0][-1].node, dead[0][-1].field
        context.report("model.contradiction", node, key, f"{problem}: {_said(field)}", _FIX)
        return
    told = set()
    for parts in dead:
        node, field = parts[-1].node, parts[-1].field
        if (node.line, node.column) not in told:
            told.add((node.line, node.column))
            context.report("model.contradiction", node, key, f"this part can never hold: {_said(field)}", _FIX)


def _said(field: str) -> str:
    return f'the tests of "{shown(field)}" exclude each other'


def _excluded(context: Context, branch: Branch) -> Branch:
    """Return the tests of the first field of *branch* that exclude each other; none if they all go together."""
    for field, parts in by_field(branch).items():
        if not can_hold_together(_ranked(context, parts) if field == "tier" else parts):
            return parts
    return []


def _ranked(context: Context, parts: Branch) -> Branch:
    """Return tests of the tier with ranks instead of names, as they are compared."""
    ranks = context.tiers
    return [
        part._replace(
            operand=[ranks[name] for name in part.operand] if isinstance(part.operand, list) else ranks[part.operand]
        )
        for part in parts
    ]
