"""How scores are spread: a histogram with round bounds, and the scores at a few ranks."""

from __future__ import annotations

from collections import Counter
from math import ceil, floor, log10
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.export import ScoreLine

_MAX_BINS = 25
_RANKS = (
    ("lowest", 0.0),
    ("a quarter", 0.25),
    ("half", 0.5),
    ("three quarters", 0.75),
    ("nine tenths", 0.9),
    ("highest", 1.0),
)


class Bin(NamedTuple):
    """Contacts whose shown score is at least *low* and less than *high*."""

    low: float
    high: float
    contacts: int


class Distribution(NamedTuple):
    """The spread of the scores of contacts that ever had points; the rest is only counted."""

    scored: int
    unscored: int
    bins: list[Bin]  # without gaps, empty ones included
    ranks: dict[str, float]  # score that this share of the scored contacts does not exceed; empty without any


def distribution(lines: Sequence[ScoreLine]) -> Distribution:
    """Return the spread of shown scores."""
    scores = sorted(line.shown for line in lines if not line.unscored)
    unscored = len(lines) - len(scores)
    if not scores:
        return Distribution(0, unscored, [], {})
    width = _width(scores[-1] - scores[0])
    # Shown scores have at most six decimals: a hair more puts those on a bound into the bin that begins there.
    counted = Counter(floor(score / width + 1e-9) for score in scores)
    bins = [
        Bin(_round(place * width), _round((place + 1) * width), counted[place])
        for place in range(min(counted), max(counted) + 1)
    ]
    ranks = {name: scores[max(0, ceil(share * len(scores)) - 1)] for name, share in _RANKS}
    return Distribution(len(scores), unscored, bins, ranks)


def _width(span: float) -> float:
    """Return the smallest of 1, 2, 5, 10, 20, ... (and tenths of these) that cuts *span* into at most 24 pieces."""
    least = span / (_MAX_BINS - 1)
    if least <= 0:
        return 1.0
    power = 10.0 ** floor(log10(least))
    return next(width for step in (1, 2, 5, 10) if (width := _round(step * power)) >= least * (1 - 1e-9))


def _round(value: float) -> float:
    """Return *value* without the dust of binary fractions."""
    return round(value, 9) + 0.0
