"""
From a regression to a scorecard: coefficients become whole points on a scale that people can hold in their heads.

20 points more double the odds of winning. Nothing here is fitted, so that all of it can be checked by hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, floor, log
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.fitting.features import Feature

DOUBLING = 20
"""Points that double the odds, as scorecards of lenders have it."""
_SCALE = DOUBLING / log(2)


class Evidence(NamedTuple):
    """What history says of one feature, over the looks that were learned from."""

    having: int  # looks that show it
    having_won: int  # of these, won
    lacking: int
    lacking_won: int
    contacts: int  # distinct contacts that show it

    @property
    def share_having(self) -> float:
        """Share of the looks with it that won; 0 without any."""
        return self.having_won / self.having if self.having else 0.0

    @property
    def share_lacking(self) -> float:
        """Share of the looks without it that won; 0 without any."""
        return self.lacking_won / self.lacking if self.lacking else 0.0

    @property
    def lift(self) -> float:
        """How many times as often as all of them those with it win; 0 when nobody wins."""
        won = self.having_won + self.lacking_won
        return self.share_having * (self.having + self.lacking) / won if won else 0.0


@dataclass(frozen=True, slots=True)
class Line:
    """One rule of the scorecard."""

    feature: Feature
    points: int  # for each occurrence that counts
    coefficient: float
    evidence: Evidence
    same_as: tuple[Feature, ...] = ()  # what history can't tell apart from it


@dataclass(frozen=True, slots=True)
class Scorecard:
    """Rules, and how a score reads as a chance."""

    lines: tuple[Line, ...]
    intercept: float  # log odds at 0 points

    @property
    def lowest(self) -> int:
        """The lowest sum of points there can be."""
        return sum(line.points * line.feature.most for line in self.lines if line.points < 0)

    @property
    def highest(self) -> int:
        """The highest sum of points there can be."""
        return sum(line.points * line.feature.most for line in self.lines if line.points > 0)

    def chance(self, score: float) -> float:
        """Return the share of contacts with *score* that win, as the regression has it."""
        return chance_of(self.intercept + score / _SCALE)


def to_points(coefficient: float) -> int:
    """
    Return whole points for a coefficient (log odds for each unit), halves away from 0.

    >>> to_points(log(2)), to_points(-log(4)), to_points(0.01)
    (20, -40, 0)
    """
    size = floor(abs(coefficient) * _SCALE + 0.5)
    return size if coefficient > 0 else -size


def points_sum(lines: Sequence[Line], row: Sequence[float]) -> float:
    """Return the points that *row*, a number for each line's feature, comes to: what the engine must say of the same contact."""
    return sum(line.points * value for line, value in zip(lines, row, strict=True))


def evidence_of(column: Sequence[float], won: Sequence[bool], contacts: Sequence[str]) -> Evidence:
    """Return what the looks say of a feature; the arguments are its number, the outcome and the contact of each look."""
    having = [place for place, value in enumerate(column) if value > 0]
    having_won = sum(won[place] for place in having)
    return Evidence(
        len(having),
        having_won,
        len(column) - len(having),
        sum(won) - having_won,
        len({contacts[place] for place in having}),
    )


def chance_of(log_odds: float) -> float:
    """
    Return the probability of *log_odds*, any size.

    >>> chance_of(0.0), chance_of(-10_000.0)
    (0.5, 0.0)
    """
    if log_odds >= 0:
        return 1.0 / (1.0 + exp(-log_odds))
    odds = exp(max(log_odds, -745.0)) if log_odds > -745.0 else 0.0
    return odds / (1.0 + odds)
