"""The test of a field: a scalar (equal), a list (one of), or a mapping of operators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker.scoring.file import values
from worker.scoring.file.fields import RefusedError, join, read_each
from worker.scoring.file.findings import nearest, shown
from worker.scoring.file.tree import ListNode, MappingNode, ScalarNode
from worker.scoring.operators import OPERATORS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from worker.scoring.file.fields import Context, Reader
    from worker.scoring.file.tree import Node, Scalar

TEXT_OPERATORS = ("is", "not", "in", "not_in", "starts_with", "ends_with", "contains", "like", "exists")

_SYNONYMS = {
    "begins_with": "starts_with",
    "equals": "is",
    "eq": "is",
    "is_not": "not",
    "ne": "not",
    "gt": "more_than",
    "greater_than": "more_than",
    "gte": "at_least",
    "lt": "less_than",
    "lte": "at_most",
    "matches": "like",
    "regex": "like",
    "one_of": "in",
    "includes": "contains",
}
"""What other tools call our operators: advice only, they are not read."""


def read_tests(context: Context, node: Node, path: str, *, is_text_only: bool) -> dict[str, Any]:
    """
    Return the tests of one field of an event, operator name to operand.

    *is_text_only* says that the field is text or missing, so that a number there would be a mistake.

    Raises:
        RefusedError: something in them was refused.
    """
    names = TEXT_OPERATORS if is_text_only else tuple(OPERATORS)
    scalar = _text_or_null if is_text_only else values.scalar
    readers: dict[str, Reader] = {
        "scalar": scalar,
        "list": list_of(scalar),
        "number": values.number,
        "text": values.text,
        "member": values.text if is_text_only else _member,
        "boolean": values.boolean,
    }
    return operators(context, node, path, {name: readers[OPERATORS[name].operand] for name in names})


def operators(context: Context, node: Node, path: str, readers: Mapping[str, Reader]) -> dict[str, Any]:
    """
    Return operator name to operand; *readers* are the operators that apply here, each with the reader of its operand.

    Raises:
        RefusedError: something was refused; every wrong operator has been reported.
    """
    match node:
        case ListNode():
            return {"in": readers["in"](context, node, path)}
        case MappingNode(entries=entries) if not entries:
            raise context.refusal(
                "model.empty_condition",
                node,
                path,
                "the test is empty",
                "write a value, a list, or an operator and its value",
            )
        case MappingNode(entries=entries):
            tests = {}
            for name, (key_node, value) in entries.items():
                try:
                    _check_operator(context, key_node, join(path, name), name, readers)
                    tests[name] = readers[name](context, value, join(path, name))
                except RefusedError:
                    continue
            if len(tests) < len(entries):
                raise RefusedError
            return tests
    return {"is": readers["is"](context, node, path)}


def _check_operator(context: Context, node: Node, path: str, name: str, valid: Iterable[str]) -> None:
    if name in valid:
        return
    if name in OPERATORS:
        problem = f'the operator "{name}" does not apply to this field'
        raise context.refusal("model.unknown_operator", node, path, problem, f"use one of: {', '.join(sorted(valid))}")
    raise context.refusal(
        "model.unknown_operator",
        node,
        path,
        f'there is no operator "{shown(name)}"',
        nearest(_SYNONYMS.get(name, name), valid),
    )


def list_of(read: Reader) -> Reader:
    """Return a reader of lists, not empty, of what *read* reads."""

    def read_list(context: Context, node: Node, path: str) -> list[Any]:
        operands = read_each(context, node, path, read)
        if not operands:
            raise context.refusal("model.empty_condition", node, path, "the list is empty", "name at least one value")
        return operands

    return read_list


def _text_or_null(context: Context, node: Node, path: str) -> str | None:
    if isinstance(node, ScalarNode) and node.value is None:
        return None
    return values.text(context, node, path)


def _member(context: Context, node: Node, path: str) -> Scalar:
    value = values.scalar(context, node, path)
    if value is None or value == "":
        raise context.refusal(
            "model.bad_value", node, path, "nothing can contain this", "write the text or the member to look for"
        )
    return value
