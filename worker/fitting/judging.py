"""
How well a ranking finds the winners. A score only has to rank: every contender is judged at the same number of leads.

Equal scores share their places: where the last place falls among equals, each of them has it in part, so that no order of rows
helps anybody. All of it works on counts, so that a resampled set of contacts is judged by the same code.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate, groupby, pairwise
from operator import add, mul, sub
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Ranking(NamedTuple):
    """Contacts by falling score."""

    order: tuple[int, ...]  # indexes of the contacts
    ends: tuple[int, ...]  # where a run of equal scores ends in the order, the place after it; ascending


class Quality(NamedTuple):
    """How a ranking did on one set of contacts."""

    contacts: float
    won: float
    volume: float  # leads that were counted
    right: float  # of these, won
    auc: float  # chance that a winner ranks above another; 0.5 is a coin

    @property
    def base(self) -> float:
        """Share of all contacts that won."""
        return self.won / self.contacts if self.contacts else 0.0

    @property
    def precision(self) -> float:
        """Share of the leads that won."""
        return self.right / self.volume if self.volume else 0.0

    @property
    def recall(self) -> float:
        """Share of the winners that were among the leads."""
        return self.right / self.won if self.won else 0.0

    @property
    def lift(self) -> float:
        """How many times better than picking contacts blindly."""
        return self.precision / self.base if self.base else 0.0


class Decile(NamedTuple):
    """A tenth of the contacts by score."""

    contacts: int
    lowest: float
    highest: float
    expected: float  # mean chance that the scorecard gives them
    won: float  # share that won


def rank(scores: Sequence[float]) -> Ranking:
    """
    Return the ranking of *scores*.

    >>> rank([1.0, 3.0, 1.0])
    Ranking(order=(1, 0, 2), ends=(1, 3))
    """
    order = sorted(range(len(scores)), key=lambda index: -scores[index])
    sizes = (sum(1 for _ in group) for _, group in groupby(order, key=lambda index: scores[index]))
    return Ranking(tuple(order), tuple(accumulate(sizes)))


def quality(ranking: Ranking, won: Sequence[bool], share: float, weights: Sequence[int] | None = None) -> Quality:
    """
    Return how *ranking* does when the first *share* of the contacts are leads.

    Args:
        ranking: Of all contacts.
        won: For each contact whether it won.
        share: From 0 to 1.
        weights: How often each contact is there, for resampling; once each by default.

    >>> quality(rank([3.0, 2.0, 2.0, 1.0]), [True, True, False, False], 0.5)
    Quality(contacts=4, won=2, volume=2.0, right=1.5, auc=0.875)
    """
    # Sums from the top, read off where runs of equal scores end; without a loop of its own, as it runs for each of many draws.
    counts = [1] * len(won) if weights is None else [*map(weights.__getitem__, ranking.order)]
    from_top = list(accumulate(counts, initial=0))
    right_from_top = list(accumulate(map(mul, counts, map(won.__getitem__, ranking.order)), initial=0))
    reached = [0, *map(from_top.__getitem__, ranking.ends)]
    right = [0, *map(right_from_top.__getitem__, ranking.ends)]
    contacts, winners = reached[-1], right[-1]
    volume = share * contacts
    place = min(bisect_left(reached, volume), len(reached) - 1)
    hits = float(right[place])
    if place and reached[place] > volume:  # the last place falls among equals
        part = (volume - reached[place - 1]) / (reached[place] - reached[place - 1])
        hits = right[place - 1] + part * (right[place] - right[place - 1])
    losers = contacts - winners
    # Each run: its losers stand below all winners before it, and level with those of its own.
    lost = map(sub, map(sub, reached[1:], reached), map(sub, right[1:], right))
    pairs = sum(map(mul, lost, map(add, right[1:], right)))
    auc = pairs / (2 * winners * losers) if winners and losers else 0.5
    return Quality(contacts, winners, volume, hits, auc)


def deciles(scores: Sequence[float], chances: Sequence[float], won: Sequence[bool]) -> list[Decile]:
    """Return the contacts in ten parts of falling score; equal scores stay together, so that there may be fewer parts."""
    parts: list[list[int]] = [[]]
    total = len(scores)
    done = 0
    ranking = rank(scores)
    for start, end in pairwise((0, *ranking.ends)):
        tie = ranking.order[start:end]
        if parts[-1] and done >= total * len(parts) / 10:
            parts.append([])
        parts[-1].extend(tie)
        done += len(tie)
    return [_decile(part, scores, chances, won) for part in parts if part]


def _decile(part: Sequence[int], scores: Sequence[float], chances: Sequence[float], won: Sequence[bool]) -> Decile:
    n = len(part)
    inside = [scores[index] for index in part]
    expected = sum(chances[index] for index in part) / n
    return Decile(n, min(inside), max(inside), expected, sum(won[index] for index in part) / n)
