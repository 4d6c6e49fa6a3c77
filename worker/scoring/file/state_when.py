"""Conditions of `qualify`: on score, groups, tier, attributes and awards seen, from the tree to their compiled form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker.scoring.file import values
from worker.scoring.file.attribute_paths import attribute_path
from worker.scoring.file.durations import duration_from
from worker.scoring.file.field_tests import list_of, operators, read_tests
from worker.scoring.file.fields import Key, defined, describes, read_each, read_section, whole
from worker.scoring.file.findings import nearest, shown
from worker.scoring.file.parts import COMBINATIONS, read_combined, read_parts
from worker.scoring.file.tree import ListNode
from worker.scoring.model import Seen
from worker.scoring.state_conditions import (
    SPAN_OPERATORS,
    JudgedCondition,
    Read,
    all_hold,
    any_holds,
    attribute_condition,
    group_field,
    none_holds,
    score_field,
    seen_condition,
    span_condition,
    tier_field,
)

if TYPE_CHECKING:
    from worker.scoring.file.fields import Context, Reader
    from worker.scoring.file.tree import Node

MAX_TIMES = 1_000

_FIELDS = ("score", "tier", "groups.<name>", "attributes.<name>", "seen", *COMBINATIONS)


@describes(defined("state_condition"))
def state_condition(context: Context, node: Node, path: str) -> JudgedCondition:
    """
    Return the compiled condition on the state.

    Raises:
        RefusedError: something in it was refused.
    """
    hint = "name at least one of score, groups.<name>, tier, attributes.<name>, seen"
    return all_hold(read_parts(context, node, path, hint, _part))


def _part(context: Context, key: str, key_node: Node, value: Node, path: str) -> JudgedCondition:
    if key == "not":
        return none_holds(state_condition(context, value, path))
    if key in COMBINATIONS:
        conditions: list[JudgedCondition] = read_combined(context, value, path, state_condition)
        return all_hold(conditions) if key == "all" else any_holds(conditions)
    if key == "seen":
        return _seen(context, value, path)
    if key.partition(".")[0] == "attributes":
        names = attribute_path(context, key_node, path, key)
        tests: dict[str, Any] = read_tests(context, value, path, is_text_only=False)
        return attribute_condition(names, tests)
    field, read_operand = _field(context, key, key_node, path)
    readers = {name: list_of(read_operand) if name.endswith("in") else read_operand for name in SPAN_OPERATORS}
    return span_condition(field, operators(context, value, path, readers))


def _seen(context: Context, node: Node, path: str) -> JudgedCondition:
    """Return the condition that a rule, or each of a list of rules, has given so many awards."""
    if not isinstance(node, ListNode):
        return _seen_one(context, node, path)
    conditions: list[JudgedCondition] = read_each(context, node, path, _seen_one)
    if not conditions:
        problem = "the list is empty"
        raise context.refusal("model.empty_condition", node, path, problem, "write {rule: <name>} into it")
    return all_hold(conditions)


def _seen_one(context: Context, node: Node, path: str) -> JudgedCondition:
    fields = whole(read_section(context, node, path, SEEN))
    seen = Seen(fields["rule"], fields.get("times", 1), fields.get("within"))
    return seen_condition(context.seen.setdefault(seen, len(context.seen)))


@describes({"type": "string", "minLength": 1})
def _awarding_rule(context: Context, node: Node, path: str) -> int:
    """Return the index of a rule that gives awards."""
    name = values.text(context, node, path)
    if name not in context.rules:
        fix = nearest(name, context.rules)
        raise context.refusal("model.unknown_name", node, path, f'there is no rule "{shown(name)}"', fix)
    rule = context.rules[name]
    if rule.is_fit:
        problem = f'"{shown(name)}" reads attributes only: it holds or does not, and gives no awards to count'
        fix = "test its attributes here: attributes.<name>"
        raise context.refusal("model.conflict", node, path, problem, fix)
    if not rule.gives:
        problem = f'"{shown(name)}" has no points, so it gives no awards to count'
        raise context.refusal("model.conflict", node, path, problem, "add `points: 0` to that rule")
    return rule.place


SEEN = (
    Key("rule", _awarding_rule, "name of a rule", "the rule whose awards are counted", is_required=True),
    Key("times", values.integer_between(1, MAX_TIMES), "1 to 1000", "so many awards at least", "1"),
    Key(
        "within",
        duration_from(1_000),
        "duration",
        "in this time up to now; without it, since the group was last reset",
    ),
)


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
    fix = nearest(key, ("score", "tier", "groups.engagement", "seen", *COMBINATIONS))
    fix = fix if fix.startswith("write") else f"use one of: {', '.join(_FIELDS)}"
    raise context.refusal("model.unknown_field", node, path, f'a score has no field "{shown(key)}"', fix)


def _tier(context: Context, node: Node, path: str) -> int:
    return values.reference("tier", context.tiers, context, node, path)
