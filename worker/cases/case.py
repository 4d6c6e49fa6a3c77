"""What a case is: events of one contact, and what must be true at instants; nothing here reads a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["lead.sales_ready", "lead.cooled", "lead.tier_changed"]


@dataclass(frozen=True, slots=True)
class Number:
    """A number that is expected: as shown, or, with *within*, before any rounding and so close to *value*."""

    value: float
    within: float | None = None

    def __str__(self) -> str:
        return f"{self.value:.10g}" + ("" if self.within is None else f" (exact, within {self.within:g})")


@dataclass(frozen=True, slots=True)
class CaseEvent:
    """One event, in the order of arrival."""

    line: int
    at_ms: int
    payload: bytes  # the event as JSON


@dataclass(frozen=True, slots=True)
class ExpectedTransition:
    """One transition; what is None is not looked at."""

    line: int
    kind: Kind
    at_ms: int | None = None
    sequence: int | None = None
    cause: str | None = None
    score: float | None = None  # as shown
    tier: str | None = None
    reasons: Mapping[str, float | None] = field(default_factory=dict)  # points now by rule; None: any
    attributes: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Expectation:
    """What must be true at *at_ms*, with no event later than that; what is None is not looked at."""

    line: int
    at_ms: int
    score: Number | None = None
    groups: Mapping[str, Number] = field(default_factory=dict)
    tier: str | None = None
    status: str | None = None
    unscored: bool | None = None
    reasons: Mapping[str, float | None] = field(default_factory=dict)  # points now by rule; None: any
    told: tuple[ExpectedTransition, ...] | None = None  # since the expectation before, all of it, in order


@dataclass(frozen=True, slots=True)
class Case:
    """A story about one contact."""

    name: str
    line: int
    start_ms: int  # day 0
    events: tuple[CaseEvent, ...]
    expectations: tuple[Expectation, ...]  # in the order of time
