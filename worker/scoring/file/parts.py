"""The shape that every condition shares: a mapping all of whose parts must hold, and the words that combine conditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from worker.scoring.file.fields import RefusedError, join, mapping, read_each

if TYPE_CHECKING:
    from worker.scoring.file.fields import Context
    from worker.scoring.file.tree import Node

T = TypeVar("T")

COMBINATIONS = ("all", "any", "not")
"""Keys that combine conditions instead of testing a field."""


def read_parts(
    context: Context, node: Node, path: str, hint: str, read_part: Callable[[Context, str, Node, Node, str], T]
) -> list[T]:
    """
    Return what *read_part* makes of each entry of the condition at *node*; the reader goes on after a refusal, to find them all.

    Raises:
        RefusedError: the condition is empty (*hint* says what to name), or something in it was refused.
    """
    entries = mapping(context, node, path).entries
    if not entries:
        raise context.refusal("model.empty_condition", node, path, "the condition is empty", hint)
    parts = []
    for key, (key_node, value) in entries.items():
        try:
            parts.append(read_part(context, key, key_node, value, join(path, key)))
        except RefusedError:
            continue
    if len(parts) < len(entries):
        raise RefusedError
    return parts


def read_combined(context: Context, node: Node, path: str, read: Callable[[Context, Node, str], Any]) -> list[Any]:
    """Return the conditions listed at *node*; raises RefusedError when there are none."""
    conditions: list[Any] = read_each(context, node, path, read)
    if not conditions:
        raise context.refusal(
            "model.empty_condition", node, path, "the list of conditions is empty", "name at least one condition"
        )
    return conditions
