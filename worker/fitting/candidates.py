"""
Which rules could be worth writing: every event type, and every property value or threshold, that enough contacts show.

Only what was seen at a look counts: an event that only ever happens when all is decided never becomes a candidate.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import ceil
from typing import TYPE_CHECKING

from worker.contracts.event import RESERVED_TYPES
from worker.fitting.features import Condition, Feature
from worker.fitting.sayable import can_say
from worker.fitting.timelines import attributes_at
from worker.scoring.operators import double

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from worker.fitting.looks import Look
    from worker.fitting.timelines import Scalar

FEW_VALUES = (
    12  # a property with more distinct values is split by thresholds if it is a number, and left alone if it is text
)
_STEPS = (0.2, 0.4, 0.6, 0.8)
_MOST = 5  # further occurrences say nothing new
_LONGEST = 200  # characters of a text value that a rule can still be read with
_USUAL = 0.9

Place = tuple[str | None, str]
"""Where a value stands: event type (None for attributes) and path."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What makes a candidate worth trying."""

    support: int  # contacts that show it, and as many that do not for a rule that only says "at all"
    ignored: frozenset[str] = frozenset()  # properties that are no reason: running numbers, technical names


@dataclass(slots=True)
class _Seen:
    """What the contacts show before it is too late to look."""

    contacts: int = 0
    counts: dict[str, Counter[int]] = field(default_factory=dict)  # type -> how many contacts had it how often
    values: dict[Place, list[frozenset[Scalar]]] = field(default_factory=dict)  # a set for each contact that has any
    changing: set[str] = field(default_factory=set)  # paths of which some contact has two different values


def propose(looks: Sequence[Look], limits: Limits, half_life_ms: int | None) -> list[Feature]:
    """
    Return candidates, those with the widest support first.

    Args:
        looks: Those learned from, a contact's side by side; what is seen at a contact's last one is seen.
        limits: What is too rare to learn from.
        half_life_ms: Also propose points that fade with this half-life; None for none that fade.
    """
    seen = _survey(looks, limits.ignored)
    features: list[Feature] = []
    supports = {name: counts.total() for name, counts in seen.counts.items()}
    for name in sorted(supports, key=lambda one: -supports[one]):  # of equals the one that history shows first
        if supports[name] >= limits.support:
            features += _of_type(name, seen, limits, half_life_ms)
    for place in _places(seen, supports):
        tests = _tests(place, seen.values[place], limits.support)
        if place[0] is None:
            features += [Feature(test, "holds") for test in tests]
        else:
            features += [Feature(test, "once") for test in tests]
    return [feature for feature in features if can_say(feature.condition)]


def _survey(looks: Iterable[Look], ignored: frozenset[str]) -> _Seen:
    last: dict[str, Look] = {look.timeline.contact_id: look for look in looks}
    seen = _Seen(len(last))
    for look in last.values():
        counts: Counter[str] = Counter()
        values: dict[Place, set[Scalar]] = {}
        for happening in look.timeline.until(look.at_ms):
            if happening.is_machine or happening.type in RESERVED_TYPES:
                continue
            counts[happening.type] += 1
            for path, value in happening.values.items():
                if path not in ignored:
                    values.setdefault((happening.type, path), set()).add(_plain(value))
        for path, value in attributes_at(look.timeline, look.at_ms).items():
            if path not in ignored:
                values[None, path] = {_plain(value)}
        for name, count in counts.items():
            seen.counts.setdefault(name, Counter())[count] += 1
        _note_values(seen, values)
    return seen


def _note_values(seen: _Seen, values: Mapping[Place, set[Scalar]]) -> None:
    first: dict[str, set[Scalar]] = {}
    for place, found in values.items():
        seen.values.setdefault(place, []).append(frozenset(found))
        path = place[1]
        if len(found) > 1 or first.setdefault(path, found) != found:
            seen.changing.add(path)


def _plain(value: Scalar) -> Scalar:
    """Return *value* so that what a model takes for equal is equal here, and true is not 1."""
    if isinstance(value, str):
        return value.casefold()
    number = double(value)
    return str(value) if number is None else number


def _of_type(name: str, seen: _Seen, limits: Limits, half_life_ms: int | None) -> list[Feature]:
    condition = Condition(name)
    counts = seen.counts[name]
    # Of what nearly everybody has, "at all" says nothing, and "lately" only how long the contact has been there.
    is_telling = seen.contacts - counts.total() >= limits.support
    features = [Feature(condition, "once")] if is_telling else []
    most = min(_MOST, _quantile(counts, _USUAL))
    if most > 1 and sum(n for count, n in counts.items() if count > 1) >= limits.support:
        features.append(Feature(condition, "count", most=most))
    if half_life_ms is not None and is_telling:
        features.append(Feature(condition, "recent", most=most, half_life_ms=half_life_ms))
    return features


def _places(seen: _Seen, supports: Mapping[str, int]) -> list[Place]:
    """Return where values are looked at, in an order that depends on nothing but the history."""
    usual: dict[str, str] = {}  # a path whose value a contact never changes is looked at in one type, the most frequent
    for name, path in seen.values:
        if name is not None and path not in seen.changing:
            best = usual.setdefault(path, name)
            usual[path] = name if supports[name] > supports[best] else best
    kept = [(name, path) for name, path in seen.values if name is None or usual.get(path, name) == name]
    return sorted(kept, key=lambda place: (place[0] is None, place[0] or "", place[1]))


def _tests(place: Place, values: Sequence[frozenset[Scalar]], support: int) -> list[Condition]:
    """Return the tests of the values at *place* that enough contacts pass, where there is anything to tell apart."""
    contacts = Counter(value for found in values for value in found)
    if len(contacts) < 2 or len(values) < support:
        return []
    if len(contacts) <= FEW_VALUES:
        common = [value for value, n in contacts.items() if n >= support and _is_readable(value)]
        return [_equals(place, value) for value in sorted(common, key=lambda one: (-contacts[one], str(one)))]
    numbers = sorted(max(found) for found in values if all(isinstance(one, float) for one in found))
    if len(numbers) < len(values) or not numbers:
        return []
    steps = {float(numbers[int(share * len(numbers))]) for share in _STEPS} - {float(numbers[0])}
    return [Condition(place[0], place[1], at_least=step) for step in sorted(steps)]


def _equals(place: Place, value: Scalar) -> Condition:
    flags: dict[Scalar, bool] = {_plain(True): True, _plain(False): False}
    return Condition(place[0], place[1], equals=flags.get(value, value) if isinstance(value, str) else value)


def _is_readable(value: Scalar) -> bool:
    return not isinstance(value, str) or 0 < len(value) <= _LONGEST


def _quantile(counts: Counter[int], share: float) -> int:
    """Return how often a contact had it that has it more often than *share* of those who had it at all."""
    rank = ceil(share * counts.total())
    for count in sorted(counts):
        rank -= counts[count]
        if rank <= 0:
            return count
    return 1
