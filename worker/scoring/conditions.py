"""Conditions on one event and on a contact's attributes, compiled to closures: a few reads a call, nothing interpreted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from worker.scoring.operators import OPERATORS, Test, exact

if TYPE_CHECKING:
    from worker.contracts.event import Event
    from worker.scoring.model import FieldPath

Holds = Callable[["Event"], bool]
Attributes = Mapping[str, Any]
Decide = Callable[[int, Attributes], bool]
"""Whether a condition holds, given the verdicts of its leaves as bits, and the attributes."""

MAX_LEAVES = 60
"""Parts of one condition that look at the event, where others look at attributes: their verdicts are kept as one number."""


class Condition:
    """
    A compiled condition: the types it can hold for, and the closures that decide (slots: no method look-up).

    One that names attributes cannot be decided on the event alone. Then every test of an attribute counts as open, `holds` says
    whether it can hold, and the verdicts of its *leaves*, the parts that look at the event, are what has to be kept of the event.
    """

    __slots__ = ("_decide", "_must_hold", "holds", "is_fit", "is_type_only", "leaves", "on_property", "types")

    def __init__(
        self,
        holds: Holds,
        types: frozenset[str] | None = None,
        *,
        is_type_only: bool = False,
        on_property: tuple[str, Test] | None = None,
        mixture: Mixture | None = None,
    ) -> None:
        self.holds = holds
        self.types = types  # None: it may hold for any type; never too small, at times too large
        self.is_type_only = is_type_only  # holds exactly when the event's type is one of `types`
        self.on_property = on_property  # all it looks at, if that is one property at the top
        self.leaves: tuple[Holds, ...] = () if mixture is None else mixture.leaves
        self.is_fit = mixture is not None and not mixture.leaves  # it looks at attributes only
        self._must_hold = holds if mixture is None else mixture.must_hold
        self._decide = None if mixture is None else mixture.decide

    @property
    def is_mixed(self) -> bool:
        """Whether it looks at attributes and at the event."""
        return bool(self.leaves)

    def residue(self, event: Event) -> int:
        """Return the verdicts of the leaves on *event*, the first in the lowest bit; -1 when it holds whatever the attributes are."""
        if self._must_hold(event):
            return -1
        bits = 0
        for place, leaf in enumerate(self.leaves):
            if leaf(event):
                bits |= 1 << place
        return bits

    def settles(self, residue: int, attributes: Attributes) -> bool:
        """Whether an event that left *residue* meets it with these *attributes*; one on attributes only is asked with 0."""
        return residue < 0 or self._decide is None or self._decide(residue, attributes)

    def mixture(self) -> Mixture:
        """Return it as a part of a mixed condition."""
        if self._decide is None:
            return Mixture((self.holds,), lambda bits, _: bool(bits & 1), self.holds)
        return Mixture(self.leaves, self._decide, self._must_hold)


class Mixture:
    """How a condition that names attributes is decided."""

    __slots__ = ("decide", "leaves", "must_hold")

    def __init__(self, leaves: tuple[Holds, ...], decide: Decide, must_hold: Holds) -> None:
        self.leaves = leaves
        self.decide = decide
        self.must_hold = must_hold  # whether it holds whatever the attributes are


def field_condition(field: FieldPath, tests: Mapping[str, Any]) -> Condition:
    """
    Return the condition that *field* passes every one of *tests* (operator name to operand).

    Raises:
        ValueError: *tests* is empty.
        KeyError: an operator does not exist.
    """
    fold = exact if field.root in ("type", "source") else str.casefold
    test = _both([OPERATORS[name].build(operand, fold) for name, operand in tests.items()])
    match field.root:
        case "type":
            return _type_condition(test, tests)
        case "source":
            return Condition(lambda event: test(event.source))
        case "properties":
            return _property_condition(field.path, test)
        case "attributes":
            holds = attribute_test(field.path, test)
            return Condition(_always, mixture=Mixture((), lambda _, attributes: holds(attributes), _never))


def attribute_test(path: tuple[str, ...], test: Test) -> Callable[[Attributes], bool]:
    """Return *test* of the attribute at *path*; what is missing on the way is null."""
    return lambda attributes: test(attribute_at(attributes, path))


def attribute_at(attributes: Attributes, path: tuple[str, ...]) -> Any:  # noqa: ANN401 - any JSON value
    """
    Return the attribute at *path*, None when anything on the way is missing.

    >>> attribute_at({"company": {"size": 5}}, ("company", "size")), attribute_at({"company": 1}, ("company", "size"))
    (5, None)
    """
    value: Any = attributes.get(path[0])
    for name in path[1:]:
        if type(value) is not dict:
            return None
        value = value.get(name)
    return value


def _always(_: Event) -> bool:
    return True


def _never(_: Event) -> bool:
    return False


def all_of(conditions: Sequence[Condition]) -> Condition:
    """Return the condition that all of *conditions* hold; tests of the type alone come first, they are the cheapest."""
    if len(conditions) == 1:
        return conditions[0]
    pinned = [one.types for one in conditions if one.types is not None]
    types = frozenset.intersection(*pinned) if pinned else None
    if any(one.is_fit or one.is_mixed for one in conditions):
        return _mix(conditions, all_of, all, types)
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
    pinned = [one.types for one in conditions if one.types is not None]
    types = frozenset().union(*pinned) if len(pinned) == len(conditions) else None
    if any(one.is_fit or one.is_mixed for one in conditions):
        return _mix(conditions, any_of, any, types)
    tests = tuple(one.holds for one in conditions)

    def holds(event: Event) -> bool:
        return any(test(event) for test in tests)

    return Condition(holds, types)


def negation(condition: Condition) -> Condition:
    """Return the condition that *condition* does not hold; it may then hold for any type."""
    test = condition.holds
    if not (condition.is_fit or condition.is_mixed):
        return Condition(lambda event: not test(event))
    part = condition.mixture()
    must, decide = part.must_hold, part.decide
    mixture = Mixture(part.leaves, lambda bits, attributes: not decide(bits, attributes), lambda event: not test(event))
    return Condition(lambda event: not must(event), mixture=mixture)


def _mix(
    conditions: Sequence[Condition],
    join: Callable[[Sequence[Condition]], Condition],
    quantifier: Callable[[Iterable[bool]], bool],
    types: frozenset[str] | None,
) -> Condition:
    """Return the all or any of *conditions*, some of which name attributes; those that do not are one leaf together."""
    on_event = [one for one in conditions if not (one.is_fit or one.is_mixed)]
    parts = [one for one in conditions if one.is_fit or one.is_mixed]
    if on_event:
        parts.insert(0, join(on_event))
    leaves: tuple[Holds, ...] = ()
    decisions: list[Decide] = []
    for part in (one.mixture() for one in parts):
        decisions.append(_shifted(part.decide, len(leaves)))
        leaves += part.leaves
    possible = tuple(one.holds for one in parts)
    certain = tuple(one.mixture().must_hold for one in parts)
    mixture = Mixture(
        leaves,
        lambda bits, attributes: quantifier(decide(bits, attributes) for decide in decisions),
        lambda event: quantifier(test(event) for test in certain),
    )
    return Condition(lambda event: quantifier(test(event) for test in possible), types, mixture=mixture)


def _shifted(decide: Decide, places: int) -> Decide:
    return decide if not places else lambda bits, attributes: decide(bits >> places, attributes)


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
