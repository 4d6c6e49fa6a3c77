"""Conditions on one event, read literally; tests of attributes may be left open."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.support.naive.events import NaiveEvent, at_path, field_of

TOLERANCE = 1e-9
Verdicts = frozenset[bool]
"""What a condition may come out as: one of the two when it is certain, both when it is not."""


def is_number(value: Any) -> bool:
    """Whether *value* is a number; booleans are not."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def at_least(value: float, bound: float) -> bool:
    """Return whether *value* reaches *bound*."""
    return value + TOLERANCE >= bound


def more_than(value: float, bound: float) -> bool:
    """Return whether *value* is above *bound*."""
    return value - TOLERANCE > bound


def _equal(value: Any, wanted: Any, *, exact: bool) -> bool:
    if value is None or wanted is None:
        return value is None and wanted is None
    if is_number(value) and is_number(wanted):
        return bool(abs(value - wanted) <= TOLERANCE)
    if isinstance(value, bool) and isinstance(wanted, bool):
        return value == wanted
    if isinstance(value, str) and isinstance(wanted, str):
        return value == wanted if exact else value.casefold() == wanted.casefold()
    return False


def _text(value: Any, wanted: Any, compare: Callable[[str, str], bool], *, exact: bool) -> bool:
    if not isinstance(value, str) or not isinstance(wanted, str):
        return False
    return compare(value, wanted) if exact else compare(value.casefold(), wanted.casefold())


def _like(value: str, glob: str) -> bool:
    pattern = "".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in glob)
    return re.fullmatch(pattern, value, re.DOTALL) is not None


def _contains(value: Any, wanted: Any, *, exact: bool) -> bool:
    if isinstance(value, list):
        return any(_equal(one, wanted, exact=exact) for one in value)
    return _text(value, wanted, lambda text, part: part in text, exact=exact)


_OF_NUMBERS: dict[str, Callable[[float, float], bool]] = {
    "at_least": at_least,
    "less_than": lambda value, bound: not at_least(value, bound),
    "more_than": more_than,
    "at_most": lambda value, bound: not more_than(value, bound),
}
_OF_TEXTS: dict[str, Callable[[str, str], bool]] = {
    "starts_with": str.startswith,
    "ends_with": str.endswith,
    "like": _like,
}


def operator_holds(operator: str, value: Any, wanted: Any, *, exact: bool) -> bool:
    """Return whether *value* passes one operator; null is a value to the first four only."""
    if operator in {"is", "not"}:
        return _equal(value, wanted, exact=exact) == (operator == "is")
    if operator in {"in", "not_in"}:
        return any(_equal(value, one, exact=exact) for one in wanted) == (operator == "in")
    if operator == "exists":
        return bool((value is not None) == wanted)
    if operator in _OF_NUMBERS:
        return is_number(value) and is_number(wanted) and _OF_NUMBERS[operator](value, wanted)
    if operator in _OF_TEXTS:
        return _text(value, wanted, _OF_TEXTS[operator], exact=exact)
    if operator == "contains":
        return _contains(value, wanted, exact=exact)
    raise NotImplementedError(operator)


def operators(test: Any) -> Mapping[str, Any]:
    """Return a test in its long form: a scalar means equal, a list one of."""
    if isinstance(test, dict):
        return test
    return {"in": test} if isinstance(test, list) else {"is": test}


def holds(condition: Mapping[str, Any], decide: Callable[[str, Any], bool]) -> bool:
    """Return whether all lines of *condition* hold; *decide* says so of one field and its test."""
    for name, test in condition.items():
        if name == "all":
            line = all(holds(one, decide) for one in test)
        elif name == "any":
            line = any(holds(one, decide) for one in test)
        elif name == "not":
            line = not holds(test, decide)
        else:
            line = decide(name, test)
        if not line:
            return False
    return True


def event_matches(event: NaiveEvent, condition: Mapping[str, Any], attributes: Mapping[str, Any]) -> bool:
    """Return whether *condition* holds for *event* of a contact with *attributes*."""
    return holds(condition, lambda name, test: _field_passes(event, name, test, attributes))


def attributes_match(attributes: Mapping[str, Any], condition: Mapping[str, Any]) -> bool:
    """Return whether a *condition* holds that names nothing but attributes."""
    return holds(condition, lambda name, test: passes(test, at_path(attributes, name.split(".")[1:])))


def event_may_match(event: NaiveEvent, condition: Mapping[str, Any]) -> bool:
    """Return whether *condition* may hold for *event*, whatever each test of an attribute says."""
    return True in _open_verdicts(event, condition)


def _open_verdicts(event: NaiveEvent, condition: Mapping[str, Any]) -> Verdicts:
    """Return what *condition* may come out as when every test of an attribute is open, each on its own."""
    lines: list[Verdicts] = []
    for name, test in condition.items():
        if name == "all":
            lines += [_open_verdicts(event, one) for one in test]
        elif name == "any":
            lines.append(any_of([_open_verdicts(event, one) for one in test]))
        elif name == "not":
            lines.append(negate(_open_verdicts(event, test)))
        elif name.startswith("attributes."):
            lines.append(frozenset({True, False}))
        else:
            lines.append(frozenset({_field_passes(event, name, test, {})}))
    return all_of(lines)


def _field_passes(event: NaiveEvent, name: str, test: Any, attributes: Mapping[str, Any]) -> bool:
    return passes(test, field_of(event, name, attributes), exact=name in {"type", "source"})


def passes(test: Any, value: Any, *, exact: bool = False) -> bool:
    """Return whether *value* passes a whole test: a scalar, a list, or operators that must all hold."""
    return all(operator_holds(operator, value, wanted, exact=exact) for operator, wanted in operators(test).items())


def all_of(verdicts: Sequence[Verdicts]) -> Verdicts:
    """Return what all of them together may come out as, each on its own."""
    may_hold = all(True in one for one in verdicts)
    may_fail = any(False in one for one in verdicts)
    return frozenset({True} if may_hold else ()) | frozenset({False} if may_fail else ())


def any_of(verdicts: Sequence[Verdicts]) -> Verdicts:
    """Return what "one of them" may come out as, each on its own."""
    return negate(all_of([negate(one) for one in verdicts]))


def negate(verdicts: Verdicts) -> Verdicts:
    """Return what the opposite may come out as."""
    return frozenset(not one for one in verdicts)
