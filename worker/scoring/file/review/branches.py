"""What a condition asks for, as alternatives: each a list of tests that must all hold; and whether tests can hold together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import inf
from typing import TYPE_CHECKING, Any, NamedTuple

from worker.scoring.file.tree import ListNode, MappingNode, ScalarNode, plain
from worker.scoring.operators import OPERATORS, Fold, exact

if TYPE_CHECKING:
    from worker.scoring.file.tree import Node

MAX_BRANCHES = 256
"""Alternatives, and values of a list, that are looked at; a condition with more is not judged."""

_OPPOSITES = {
    "is": "not",
    "not": "is",
    "in": "not_in",
    "not_in": "in",
}
_NUMBER_TESTS = {"at_least", "more_than", "at_most", "less_than"}
_TEXT_TESTS = {"starts_with", "ends_with", "like"}


class Part(NamedTuple):
    """One test of one field."""

    field: str
    operator: str
    operand: Any
    node: Node  # of the field's name


Branch = list[Part]


class TooManyError(Exception):
    """More alternatives than are looked at."""


def branches(condition: Node) -> list[Branch]:
    """
    Return the alternatives of *condition*; what cannot be told from the file alone (`seen`, most of `not`) asks for nothing.

    Raises:
        TooManyError: there are more than 256.
    """
    ways: list[Branch] = [[]]
    for key, (key_node, value) in condition.entries.items() if isinstance(condition, MappingNode) else ():
        ways = _both(ways, _ways(key, key_node, value))
    return ways


def _both(ways: list[Branch], others: list[Branch]) -> list[Branch]:
    if len(ways) * len(others) > MAX_BRANCHES:
        raise TooManyError
    return [way + other for way in ways for other in others]


def _ways(key: str, key_node: Node, value: Node) -> list[Branch]:
    items = value.items if isinstance(value, ListNode) else []
    if key == "any":
        if len(items) > MAX_BRANCHES:
            raise TooManyError
        return [way for item in items for way in branches(item)]
    if key == "all":
        ways: list[Branch] = [[]]
        for item in items:
            ways = _both(ways, branches(item))
        return ways
    if key == "not":
        return [_negated(value)]
    return [[] if key == "seen" else list(tests_of(key, key_node, value))]


def _negated(value: Node) -> Branch:
    """Return what `not` of a single test asks for; nothing for any other condition."""
    if isinstance(value, MappingNode) and len(value.entries) == 1:
        ((key, (key_node, tested)),) = value.entries.items()
        if key not in ("all", "any", "not", "seen"):
            parts = list(tests_of(key, key_node, tested))
            if len(parts) == 1 and parts[0].operator in _OPPOSITES:
                return [parts[0]._replace(operator=_OPPOSITES[parts[0].operator])]
    return []


def tests_of(field: str, node: Node, value: Node) -> Iterator[Part]:
    """Yield the tests of *field* in their long form."""
    if isinstance(value, MappingNode):
        for operator, (_, operand) in value.entries.items():
            yield Part(field, operator, plain(operand), node)
    elif isinstance(value, ScalarNode):
        yield Part(field, "is", value.value, node)
    else:
        yield Part(field, "in", plain(value), node)


def by_field(branch: Branch) -> Mapping[str, Branch]:
    """Return the tests of each field of *branch*."""
    fields: dict[str, Branch] = {}
    for part in branch:
        fields.setdefault(part.field, []).append(part)
    return fields


def can_hold_together(parts: Branch) -> bool:
    """Return whether some value passes all of *parts*, tests of one field; True when that cannot be told."""
    if any(isinstance(part.operand, list) and len(part.operand) > MAX_BRANCHES for part in parts):
        return True
    fold: Fold = exact if parts[0].field in ("type", "source") else str.casefold
    tests = [OPERATORS[part.operator].build(part.operand, fold) for part in parts]
    for part in parts:
        named = _named_values(part)
        if named is not None:
            return any(all(test(value) for test in tests) for value in named)
    operators = {part.operator for part in parts}
    if operators & _NUMBER_TESTS and operators & (_TEXT_TESTS | {"contains"}):
        return False
    return _have_numbers(parts, tests) and _have_text(parts, fold)


def _named_values(part: Part) -> list[Any] | None:
    """Return the only values that can pass *part*, where it names them."""
    if part.operator == "is":
        return [part.operand]
    if part.operator == "in":
        return list(part.operand)
    return [None] if part.operator == "exists" and part.operand is False else None


def _have_numbers(parts: Branch, tests: list[Callable[[object], bool]]) -> bool:
    """Whether a number lies within the bounds of *parts*: if any does, their ends or the middle do."""
    lows = [part.operand for part in parts if part.operator in ("at_least", "more_than")]
    highs = [part.operand for part in parts if part.operator in ("at_most", "less_than")]
    if not lows or not highs:
        return True
    low, high = max(lows, default=-inf), min(highs, default=inf)
    bounds = [
        test
        for part, test in zip(parts, tests, strict=True)
        if part.operator in _NUMBER_TESTS or (part.operator in ("not", "not_in") and low == high)
    ]
    return any(all(test(value) for test in bounds) for value in (low, high, (low + high) / 2))


def _have_text(parts: Branch, fold: Fold) -> bool:
    """Whether beginnings and ends that are asked for go together."""
    starts = sorted((fold(part.operand) for part in parts if part.operator == "starts_with"), key=len)
    ends = sorted((fold(part.operand) for part in parts if part.operator == "ends_with"), key=len)
    return all(starts[-1].startswith(one) for one in starts) and all(ends[-1].endswith(one) for one in ends)
