"""What a rule can reward, as a number of a contact at an instant: the same number that the written rule's points are multiplied by."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from worker.fitting.timelines import Scalar, attributes_at
from worker.scoring.operators import TOLERANCE, double

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from worker.fitting.looks import Look
    from worker.fitting.timelines import Happening, Timeline

Form = Literal["once", "count", "recent", "holds"]


@dataclass(frozen=True, slots=True)
class Condition:
    """Events of *type*, or attributes when it is None, that pass one test or none."""

    type: str | None
    path: str = ""  # of the property or attribute tested; empty when the type is all there is to it
    equals: Scalar | None = None
    at_least: float | None = None

    def matches(self, happening: Happening) -> bool:
        """Whether an event meets this; machine events meet nothing."""
        if happening.is_machine or happening.type != self.type:
            return False
        return not self.path or self.holds(happening.values.get(self.path))

    def holds(self, value: Scalar | None) -> bool:
        """Whether *value* passes the test, as the engine compares: text after casefolding, booleans are no numbers."""
        if self.at_least is not None:
            number = double(value)
            return number is not None and number + TOLERANCE >= self.at_least
        return value is not None and same(value, self.equals)


@dataclass(frozen=True, slots=True)
class Feature:
    """A condition and how its occurrences count."""

    condition: Condition
    form: Form  # once: at all; count: each, up to *most*; recent: each, halving, up to *most*; holds: an attribute
    most: int = 1
    half_life_ms: int = 0

    def value(self, times: Sequence[int], at_ms: int) -> float:
        """
        Return the number for occurrences at *times* (ascending, none after *at_ms*).

        >>> Feature(Condition("a"), "recent", most=2, half_life_ms=10).value([0, 10], 20)
        0.75
        """
        if self.form == "recent":
            left: float = sum(2.0 ** ((one - at_ms) / self.half_life_ms) for one in times)
            return min(float(self.most), left)
        return float(min(len(times), self.most))


def same(one: Scalar, other: Scalar | None) -> bool:
    """Whether two values are equal as a model compares them."""
    if isinstance(one, str) or isinstance(other, str):
        return isinstance(one, str) and isinstance(other, str) and one.casefold() == other.casefold()
    number, wanted = double(one), double(other)
    if number is None or wanted is None:
        return one is other
    return abs(number - wanted) <= TOLERANCE


def rows_of(features: Sequence[Feature], looks: Iterable[Look]) -> list[list[float]]:
    """Return a row for each of *looks* with a number for each of *features*."""
    matcher = _Matcher(features)
    rows = []
    known: Timeline | None = None
    times: dict[Condition, list[int]] = {}
    for look in looks:
        if look.timeline is not known:  # looks at one contact stand side by side
            known = look.timeline
            times = matcher.times(known)
        row = [0.0] * len(features)
        for condition, instants in times.items():
            seen = instants[: bisect_right(instants, look.at_ms)]
            if seen:
                for index in matcher.features[condition]:
                    row[index] = features[index].value(seen, look.at_ms)
        if matcher.of_attributes:
            attributes = attributes_at(look.timeline, look.at_ms)
            for index in matcher.of_attributes:
                condition = features[index].condition
                row[index] = float(condition.holds(attributes.get(condition.path)))
        rows.append(row)
    return rows


class _Matcher:
    """The distinct conditions of features by event type, so that an event is tested against few."""

    def __init__(self, features: Sequence[Feature]) -> None:
        self.features: dict[Condition, list[int]] = {}
        self.of_attributes: list[int] = []
        self._by_type: dict[str, list[Condition]] = {}
        for index, feature in enumerate(features):
            condition = feature.condition
            if condition.type is None:
                self.of_attributes.append(index)
                continue
            if condition not in self.features:
                self._by_type.setdefault(condition.type, []).append(condition)
            self.features.setdefault(condition, []).append(index)

    def times(self, timeline: Timeline) -> dict[Condition, list[int]]:
        """Return the instants at which each condition was met, ascending."""
        times: dict[Condition, list[int]] = {}
        for happening in timeline.happenings:
            for condition in self._by_type.get(happening.type, ()):
                if condition.matches(happening):
                    times.setdefault(condition, []).append(happening.at_ms)
        return times
