"""
How far chance alone could have moved a figure: contacts are drawn again with replacement, and everything is judged again.

All contenders are judged on the same draws, so that their difference has an interval of its own, which is narrower than theirs.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, NamedTuple

from worker.fitting.judging import Quality, quality, rank

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class Interval(NamedTuple):
    """The middle 95 % of the draws."""

    low: float
    high: float


class Standing(NamedTuple):
    """One contender on one set of contacts."""

    quality: Quality
    precision: Interval
    auc: Interval
    ahead: Interval  # precision of the reference minus this one's, draw by draw; (0, 0) for the reference itself
    auc_ahead: Interval  # the same for the AUC


def standings(
    contenders: Mapping[str, Sequence[float]], won: Sequence[bool], share: float, draws: int, seed: int
) -> dict[str, Standing]:
    """
    Return how each of *contenders* does; the first is the reference that the others are compared with.

    Args:
        contenders: A score for each contact, by name of the contender.
        won: For each contact whether it won.
        share: Of the contacts that are leads, from 0 to 1.
        draws: How often contacts are drawn again.
        seed: Equal seeds draw equal contacts.
    """
    rankings = {name: rank(scores) for name, scores in contenders.items()}
    drawn: dict[str, list[Quality]] = {name: [] for name in contenders}
    random = Random(seed)  # noqa: S311 - a draw that can be repeated is wanted
    places = range(len(won))
    for _ in range(draws if won else 0):
        weights = [0] * len(won)
        for index in random.choices(places, k=len(won)):
            weights[index] += 1
        for name, ranking in rankings.items():
            drawn[name].append(quality(ranking, won, share, weights))
    reference = next(iter(contenders), "")
    result = {}
    for name, ranking in rankings.items():
        pairs = list(zip(drawn[reference], drawn[name], strict=True))
        result[name] = Standing(
            quality(ranking, won, share),
            middle([one.precision for one in drawn[name]]),
            middle([one.auc for one in drawn[name]]),
            middle([one.precision - other.precision for one, other in pairs]),
            middle([one.auc - other.auc for one, other in pairs]),
        )
    return result


def middle(values: Sequence[float], share: float = 0.95) -> Interval:
    """
    Return the interval that holds the middle *share* of *values*; (0, 0) of none.

    >>> middle([float(one) for one in range(101)], 0.9)
    Interval(low=5.0, high=95.0)
    """
    if not values:
        return Interval(0.0, 0.0)
    ranked = sorted(values)
    edge = (1 - share) / 2 * (len(ranked) - 1)
    return Interval(_at(ranked, edge), _at(ranked, len(ranked) - 1 - edge))


def _at(ranked: Sequence[float], place: float) -> float:
    """Return the value at *place* of *ranked*, between two neighbours in proportion."""
    place = round(place, 9)
    below = int(place)
    above = min(below + 1, len(ranked) - 1)
    return ranked[below] + (ranked[above] - ranked[below]) * (place - below)
