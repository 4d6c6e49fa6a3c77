"""What each rule gave: awards, points then, points now, contacts touched."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from worker.export import folds_as_of
from worker.scoring.explain import contributions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.scoring.contact import Contact
    from worker.scoring.model import Model


class RuleLine(NamedTuple):
    """One rule, or one source of points outside the rules, summed over all contacts; each since the last reset of its group."""

    name: str
    group: str  # empty outside the rules
    contacts: int  # that it gave something to
    awards: int
    awarded: float  # points when given
    points: float  # what they are worth now
    share: float  # of all points now, above and below 0 alike; 0 to 1


class _Sum:
    __slots__ = ("awarded", "awards", "contacts", "points", "touched")

    def __init__(self) -> None:
        self.contacts = 0
        self.awards = 0
        self.awarded = 0.0
        self.points = 0.0
        self.touched = b""  # the contact that was counted last

    def add(self, key: bytes, awards: int, awarded: float, points: float) -> None:
        self.contacts += key != self.touched  # adjustments by hand are several lines of one name
        self.touched = key
        self.awards += awards
        self.awarded += awarded
        self.points += points


def rule_lines(contacts: Sequence[tuple[bytes, Contact]], model: Model, index: int, as_of_ms: int) -> list[RuleLine]:
    """
    Return a line for each rule of *model*, the one at *index*, in file order, silent ones too; then for what is no rule.

    Rules of a group that drains share one pool: they are worth nothing by themselves, the line of the pool says what is left.
    """
    rules = [rule for rule in model.rules if rule.gives]
    sums: dict[str, _Sum] = {rule.name: _Sum() for rule in rules}
    pooled = [rule for rule in rules if model.groups[rule.group].drain is not None]
    for key, _, fold in folds_as_of(contacts, model, index, as_of_ms):
        for item in contributions(model, fold, as_of_ms):
            sums.setdefault(item.rule, _Sum()).add(key, item.awards, item.awarded, item.points)
        for rule in pooled:
            state = fold.rules.get(rule.index)
            if state is not None and state.count:
                sums[rule.name].add(key, state.count, state.awarded, 0.0)
    whole = sum(abs(found.points) for found in sums.values())
    groups = {rule.name: model.groups[rule.group].name for rule in rules}
    return [
        RuleLine(
            name,
            groups.get(name, ""),
            found.contacts,
            found.awards,
            found.awarded,
            found.points,
            abs(found.points) / whole if whole else 0.0,
        )
        for name, found in sums.items()
    ]
