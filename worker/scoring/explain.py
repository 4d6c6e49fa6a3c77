"""Why a score is what it is: the contributions behind it, largest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from worker.scoring.reading import contribution

if TYPE_CHECKING:
    from worker.scoring.model import Model
    from worker.scoring.state import Fold

REASONS = 10
"""Contributions a transition names at most."""


class Contribution(NamedTuple):
    """What one rule, or one source of points outside the rules, adds now."""

    rule: str
    points: float  # now, after decay and the rule's cap
    awarded: float  # when given
    awards: int
    last_ms: int | None


def contributions(model: Model, fold: Fold, at_ms: int) -> list[Contribution]:
    """
    Return every contribution at *at_ms*, largest absolute one first, ties in file order.

    Points of a group that no rule gave are named `<group>: inactivity` and `<group>: feedback`. Their sum, group by group and
    within the clamps, is the score.
    """
    found = [
        Contribution(
            model.rules[index].name,
            contribution(model.rules[index], state, at_ms),
            state.awarded,
            state.count,
            state.last_ms,
        )
        for index, state in fold.rules.items()
        if state.count
    ]
    for index, extras in fold.extras.items():
        name = model.groups[index].name
        if extras.inactivity:
            found.append(Contribution(f"{name}: inactivity", extras.inactivity, extras.inactivity, 1, None))
        if extras.feedback or extras.penalties:
            points = extras.feedback + extras.penalties
            found.append(Contribution(f"{name}: feedback", points, points, 1, None))
    found.sort(key=lambda item: -abs(item.points))
    return found
