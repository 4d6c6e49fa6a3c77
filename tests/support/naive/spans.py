"""Conditions on numbers that are only known to lie within a span: what they may come out as."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.support.naive.conditions import TOLERANCE, Verdicts, all_of, any_of, negate, operator_holds, operators


@dataclass(frozen=True)
class Span:
    """The lowest and highest that a number may be; equal ends are a certain number."""

    low: float
    high: float


@dataclass(frozen=True)
class Fields:
    """
    What a condition on a score may ask for while time stays within a span.

    *numbers* holds `score`, `groups.<name>` and `tier` (as rank); *ranks* gives each tier's rank, since tiers compare by
    it; *settled* decides every other test (of attributes, of what was seen), which does not change within the span.
    """

    numbers: Mapping[str, Span]
    ranks: Mapping[str, int]
    settled: Callable[[str, Any], bool]


def judge(condition: Mapping[str, Any], fields: Fields) -> Verdicts:
    """Return what *condition* on a score may come out as while each field stays within its span."""
    lines: list[Verdicts] = []
    for name, test in condition.items():
        if name == "all":
            lines += [judge(one, fields) for one in test]
        elif name == "any":
            lines.append(any_of([judge(one, fields) for one in test]))
        elif name == "not":
            lines.append(negate(judge(test, fields)))
        elif name in fields.numbers:
            for operator, wanted in operators(test).items():
                compared = _by_rank(wanted, fields.ranks) if name == "tier" else wanted
                lines.append(_number_verdicts(operator, fields.numbers[name], compared))
        else:
            lines.append(frozenset({fields.settled(name, test)}))
    return all_of(lines)


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
    return frozenset(operator_holds(operator, one, wanted, exact=True) for one in tried)


def _by_rank(wanted: Any, ranks: Mapping[str, int]) -> Any:
    if isinstance(wanted, list):
        return [ranks[one] for one in wanted]
    return ranks[wanted] if isinstance(wanted, str) else wanted
