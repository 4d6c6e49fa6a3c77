"""`when` of a rule: a condition on one event, from the tree to its compiled form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker.scoring.conditions import MAX_LEAVES, Condition, all_of, any_of, field_condition, negation
from worker.scoring.file.attribute_paths import attribute_path
from worker.scoring.file.field_tests import read_tests
from worker.scoring.file.fields import defined, describes
from worker.scoring.file.findings import colon_advice, nearest, shown
from worker.scoring.file.parts import COMBINATIONS, read_combined, read_parts
from worker.scoring.model import FieldPath

if TYPE_CHECKING:
    from worker.scoring.file.fields import Context
    from worker.scoring.file.tree import Node

_FIELDS = (*COMBINATIONS, "type", "source", "properties.<name>", "attributes.<name>")


@describes(defined("event_condition"))
def event_condition(context: Context, node: Node, path: str) -> Condition:
    """
    Return the compiled condition of a rule.

    Raises:
        RefusedError: something in it was refused, or no event can meet it.
    """
    condition = _condition(context, node, path)
    if condition.types is not None and not condition.types:
        problem = "no event can meet this: no type is left"
        raise context.refusal("model.never_holds", node, path, problem, "name each type once, in one list")
    if len(condition.leaves) > MAX_LEAVES:
        problem = (
            f"beside attributes, at most {MAX_LEAVES} separate parts of a condition may look at the event, "
            f"these are {len(condition.leaves)}"
        )
        raise context.refusal("model.too_many", node, path, problem, "use lists, or make several rules of it")
    return condition


def _condition(context: Context, node: Node, path: str) -> Condition:
    return all_of(read_parts(context, node, path, "name at least one field and its test", _part))


def _part(context: Context, key: str, key_node: Node, value: Node, path: str) -> Condition:
    if key == "not":
        return negation(_condition(context, value, path))
    if key in COMBINATIONS:
        conditions: list[Condition] = read_combined(context, value, path, _condition)
        return all_of(conditions) if key == "all" else any_of(conditions)
    field = event_field(context, key_node, path, key)
    tests: dict[str, Any] = read_tests(context, value, path, is_text_only=field.root in ("type", "source"))
    return field_condition(field, tests)


def event_field(context: Context, node: Node, path: str, written: str) -> FieldPath:
    """
    Return the field that *written* names: `type`, `source`, `properties.<path>` or `attributes.<path>`.

    Raises:
        RefusedError: it names none.
    """
    colon = colon_advice(written)
    if colon is not None and colon.startswith(("type:", "source:", "properties.", "attributes.")):
        problem = f'a colon and a space are missing in "{shown(written)}"'
        raise context.refusal("model.unknown_field", node, path, problem, f'write "{shown(colon)}"')
    root, _, rest = written.partition(".")
    match root, rest:
        case "type", "":
            return FieldPath("type")
        case "source", "":
            return FieldPath("source")
        case "properties", _ if rest and all(rest.split(".")):
            return FieldPath("properties", tuple(rest.split(".")))
        case "attributes", _ if rest and all(rest.split(".")):
            return FieldPath("attributes", attribute_path(context, node, path, written))
    if root in ("type", "source", "properties", "attributes"):
        fix = (
            f'write "{root}"'
            if root in ("type", "source")
            else f'write "{root}.<name>", with single dots between names'
        )
    else:
        fix = nearest(root, ("type", "source", "properties", "attributes", *COMBINATIONS))
        fix = (
            fix.replace('"properties"', f'"properties.{rest or root}"').replace(
                '"attributes"', f'"attributes.{rest or root}"'
            )
            if fix.startswith("write")
            else f"use one of: {', '.join(_FIELDS)}"
        )
    raise context.refusal("model.unknown_field", node, path, f'an event has no field "{shown(written)}"', fix)
