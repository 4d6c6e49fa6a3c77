"""`when` and `rearm` of `qualify`: a condition on score, groups and tier, from the tree to its compiled form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.file import values
from worker.scoring.file.field_tests import list_of, operators
from worker.scoring.file.fields import RefusedError, report_unsupported
from worker.scoring.file.findings import nearest, shown
from worker.scoring.file.parts import COMBINATIONS, read_combined, read_parts
from worker.scoring.state_conditions import (
    SPAN_OPERATORS,
    JudgedCondition,
    Read,
    all_hold,
    any_holds,
    group_field,
    none_holds,
    score_field,
    span_condition,
    tier_field,
)

if TYPE_CHECKING:
    from worker.scoring.file.fields import Context, Reader
    from worker.scoring.file.tree import Node

_FIELDS = ("score", "tier", "groups.<name>", *COMBINATIONS)


def state_condition(context: Context, node: Node, path: str) -> JudgedCondition:
    """
    Return the compiled condition on the state.

    Raises:
        RefusedError: something in it was refused.
    """
    return all_hold(read_parts(context, node, path, "name at least one of score, groups.<name>, tier", _part))


def _part(context: Context, key: str, key_node: Node, value: Node, path: str) -> JudgedCondition:
    if key == "not":
        return none_holds(state_condition(context, value, path))
    if key in COMBINATIONS:
        conditions: list[JudgedCondition] = read_combined(context, value, path, state_condition)
        return all_hold(conditions) if key == "all" else any_holds(conditions)
    field, read_operand = _field(context, key, key_node, path)
    readers = {name: list_of(read_operand) if name.endswith("in") else read_operand for name in SPAN_OPERATORS}
    return span_condition(field, operators(context, value, path, readers))


def _field(context: Context, key: str, node: Node, path: str) -> tuple[Read, Reader]:
    """Return how to read the field *key* of the state, and how to read what it is compared with."""
    root, _, rest = key.partition(".")
    if key == "score":
        return score_field, values.number
    if root == "groups" and rest:
        if rest not in context.groups:
            fix = nearest(rest, context.groups)
            raise context.refusal("model.unknown_name", node, path, f'there is no group "{shown(rest)}"', fix)
        return group_field(context.groups[rest]), values.number
    if key == "tier":
        if not context.tiers:
            raise context.refusal(
                "model.unknown_name", node, path, "this model has no tiers", "add `tiers:`, or use score"
            )
        return tier_field, _tier
    if key == "seen" or root == "attributes":
        report_unsupported(context, node, path, f'"{shown(key)}"')
        raise RefusedError
    fix = nearest(key, ("score", "tier", "groups.engagement", *COMBINATIONS))
    fix = fix if fix.startswith("write") else f"use one of: {', '.join(_FIELDS)}"
    raise context.refusal("model.unknown_field", node, path, f'a score has no field "{shown(key)}"', fix)


def _tier(context: Context, node: Node, path: str) -> int:
    return values.reference("tier", context.tiers, context, node, path)
