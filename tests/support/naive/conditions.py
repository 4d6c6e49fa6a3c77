"""Conditions, read literally: on one event, and on what a score is or may be over a span of time."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.naive.events import NaiveEvent, field_of

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


def _operator_holds(operator: str, value: Any, wanted: Any, *, exact: bool) -> bool:
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


def _operators(test: Any) -> Mapping[str, Any]:
    """Write a test in its long form: a scalar means equal, a list one of."""
    if isinstance(test, dict):
        return test
    return {"in": test} if isinstance(test, list) else {"is": test}


def event_matches(event: NaiveEvent, condition: Mapping[str, Any]) -> bool:
    """Return whether *condition* holds for *event*; all of its lines must."""
    for name, test in condition.items():
        if name == "all":
            holds = all(event_matches(event, one) for one in test)
        elif name == "any":
            holds = any(event_matches(event, one) for one in test)
        elif name == "not":
            holds = not event_matches(event, test)
        else:
            value = field_of(event, name)
            exact = name in {"type", "source"}
            holds = all(
                _operator_holds(operator, value, wanted, exact=exact) for operator, wanted in _operators(test).items()
            )
        if not holds:
            return False
    return True


@dataclass(frozen=True)
class Span:
    """The lowest and highest that a number may be; equal ends are a certain number."""

    low: float
    high: float


def _number_verdicts(operator: str, span: Span, wanted: Any) -> Verdicts:
    """Every operator here turns at most twice along the number line, so the ends and the turning points tell all."""
    bounds = wanted if isinstance(wanted, list) else [wanted]
    tried = [span.low, span.high]
    for bound in bounds if operator != "exists" else []:
        tried += [
            point
            for point in (bound - 1.0, bound - TOLERANCE / 2, bound, bound + TOLERANCE / 2, bound + 1.0)
            if span.low <= point <= span.high
        ]
    return frozenset(_operator_holds(operator, one, wanted, exact=True) for one in tried)


def _all_of(verdicts: Sequence[Verdicts]) -> Verdicts:
    may_hold = all(True in one for one in verdicts)
    may_fail = any(False in one for one in verdicts)
    return frozenset({True} if may_hold else ()) | frozenset({False} if may_fail else ())


def judge(condition: Mapping[str, Any], fields: Mapping[str, Span], ranks: Mapping[str, int]) -> Verdicts:
    """
    Return what *condition* on a score may come out as while each field stays within its span.

    *fields* holds `score`, `groups.<name>` and `tier` (as rank); *ranks* gives each tier's rank, since tiers compare by it.
    """
    lines: list[Verdicts] = []
    for name, test in condition.items():
        if name == "all":
            lines.append(_all_of([judge(one, fields, ranks) for one in test]))
        elif name == "any":
            lines.append(negate(_all_of([negate(judge(one, fields, ranks)) for one in test])))
        elif name == "not":
            lines.append(negate(judge(test, fields, ranks)))
        else:
            for operator, wanted in _operators(test).items():
                compared = _by_rank(wanted, ranks) if name == "tier" else wanted
                lines.append(_number_verdicts(operator, fields[name], compared))
    return _all_of(lines)


def negate(verdicts: Verdicts) -> Verdicts:
    """Return what the opposite may come out as."""
    return frozenset(not one for one in verdicts)


def _by_rank(wanted: Any, ranks: Mapping[str, int]) -> Any:
    if isinstance(wanted, list):
        return [ranks[one] for one in wanted]
    return ranks[wanted] if isinstance(wanted, str) else wanted
