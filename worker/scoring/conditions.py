"""Conditions on one event, compiled to closures: a few attribute reads a call, nothing interpreted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from worker.scoring.operators import OPERATORS, Test, exact

if TYPE_CHECKING:
    from worker.contracts.event import Event
    from worker.scoring.model import FieldPath

Holds = Callable[["Event"], bool]


class Condition:
    """A compiled condition: the types it can hold for, and the closure that decides (a slot: no method look-up)."""

    __slots__ = ("holds", "is_type_only", "on_property", "types")

    def __init__(
        self,
        holds: Holds,
        types: frozenset[str] | None = None,
        *,
        is_type_only: bool = False,
        on_property: tuple[str, Test] | None = None,
    ) -> None:
        self.holds = holds
        self.types = types  # None: it may hold for any type; never too small, at times too large
        self.is_type_only = is_type_only  # holds exactly when the event's type is one of `types`
        self.on_property = on_property  # all it looks at, if that is one property at the top


def field_condition(field: FieldPath, tests: Mapping[str, Any]) -> Condition:
    """
    Return the condition that *field* passes every one of *tests* (operator name to operand).

    Raises:
        ValueError: *tests* is empty.
        KeyError: an operator does not exist.
    """
    fold = str.casefold if field.root == "properties" else exact
    test = _both([OPERATORS[name].build(operand, fold) for name, operand in tests.items()])
    match field.root:
        case "type":
            return _type_condition(test, tests)
        case "source":
            return Condition(lambda event: test(event.source))
        case "properties":
            return _property_condition(field.path, test)


def all_of(conditions: Sequence[Condition]) -> Condition:
    """Return the condition that all of *conditions* hold; tests of the type alone come first, they are the cheapest."""
    if len(conditions) == 1:
        return conditions[0]
    pinned = [one.types for one in conditions if one.types is not None]
    types = frozenset.intersection(*pinned) if pinned else None
    on_type = [one.types for one in conditions if one.is_type_only and one.types is not None]
    others = [one for one in conditions if not one.is_type_only]
    if not on_type:
        return Condition(_all(others), types)
    wanted = frozenset.intersection(*on_type)
    if not others:
        return _type_is(wanted)
    if len(wanted) == 1:
        return Condition(_type_and(next(iter(wanted)), others), types)
    rest = _all(others)
    return Condition(lambda event: event.type in wanted and rest(event), types)


def any_of(conditions: Sequence[Condition]) -> Condition:
    """Return the condition that at least one of *conditions* holds."""
    if len(conditions) == 1:
        return conditions[0]
    tests = tuple(one.holds for one in conditions)
    pinned = [one.types for one in conditions if one.types is not None]
    types = frozenset().union(*pinned) if len(pinned) == len(conditions) else None

    def holds(event: Event) -> bool:
        return any(test(event) for test in tests)

    return Condition(holds, types)


def negation(condition: Condition) -> Condition:
    """Return the condition that *condition* does not hold; it may then hold for any type."""
    test = condition.holds
    return Condition(lambda event: not test(event))


def _type_condition(test: Test, tests: Mapping[str, Any]) -> Condition:
    if "is" in tests:
        named = [tests["is"]]
    elif "in" in tests:
        named = tests["in"]
    else:
        return Condition(lambda event: test(event.type))
    return _type_is(frozenset(name for name in named if isinstance(name, str) and test(name)))


def _type_is(types: frozenset[str]) -> Condition:
    if len(types) != 1:
        return Condition(lambda event: event.type in types, types, is_type_only=True)
    (only,) = types
    return Condition(lambda event: event.type == only, types, is_type_only=True)


def _type_and(only: str, others: Sequence[Condition]) -> Holds:
    """Return the commonest form, one type and one test of a property, with one call fewer than any other form needs."""
    if len(others) == 1 and others[0].on_property is not None:
        name, test = others[0].on_property
        return lambda event: event.type == only and test(event.properties.get(name))
    rest = _all(others)
    return lambda event: event.type == only and rest(event)


def _property_condition(path: tuple[str, ...], test: Test) -> Condition:
    """Return a test of the property at *path*; what is missing on the way is null."""
    if len(path) == 1:
        (name,) = path
        return Condition(lambda event: test(event.properties.get(name)), on_property=(name, test))

    def holds(event: Event) -> bool:
        value: object = event.properties
        for name in path:
            if type(value) is not dict:
                return test(None)
            value = value.get(name)
        return test(value)

    return Condition(holds)


def _both(tests: Sequence[Test]) -> Test:
    if not tests:
        raise ValueError("a field needs at least one test")
    if len(tests) == 1:
        return tests[0]
    return lambda value: all(test(value) for test in tests)


def _all(conditions: Sequence[Condition]) -> Holds:
    tests = tuple(one.holds for one in conditions)
    if len(tests) == 1:
        return tests[0]
    if len(tests) == 2:
        first, second = tests
        return lambda event: first(event) and second(event)
    return lambda event: all(test(event) for test in tests)
