"""A fold's points as few fading sums, so that a search in time looks at it cheaply; for bounds only, never for a score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.decay import Expire, HalfLife, Linear
from worker.scoring.fit import fit_of
from worker.scoring.reading import clamp, contribution, facts_of

if TYPE_CHECKING:
    from worker.scoring.decay import Curve as Fading
    from worker.scoring.decay import Drain
    from worker.scoring.model import Model, Reading, Rule
    from worker.scoring.state import Fold, Pool, RuleState

_ROUNDING = 2.0**-51
"""
What one addition may lose, as a share of the points it adds, twice over. Merged sums round otherwise than the score does, and bounds
are wider by that and no more: points that never fade often add up to just a threshold, and points that fade cross one of 0 where
next to nothing is left of them. Any fixed width would leave many seconds open there.
"""
_TERMS = 8
"""Additions for the powers and clamps behind each term."""


class Curve:
    """
    The group sums of a fold from *start_ms* on, up to the next instant at which a step, an expiry or a `seen` changes it.

    Points of one form of decay in a group are one term: together they keep one sign while they fade.
    """

    __slots__ = (
        "_constant",
        "_facts",
        "_fading",
        "_model",
        "_pools",
        "_share",
        "_single",
        "_start_ms",
        "work",
    )

    def __init__(self, model: Model, fold: Fold, start_ms: int) -> None:
        self._model = model
        self._start_ms = start_ms
        self._facts = facts_of(model, fold, start_ms)
        self._constant = [0.0] * len(model.groups)
        self._single: list[tuple[Rule, RuleState]] = []  # read one by one: capped, or dated lots
        fading: dict[tuple[int, Fading], float] = {}
        sizes: dict[tuple[int, Fading], float] = {}
        lots = 0
        for index, state in fold.rules.items():
            rule = model.rules[index]
            decay = rule.decay
            if rule.cap is not None or isinstance(decay, Linear | Expire):
                if state.value:
                    self._single.append((rule, state))
                    lots += len(state.lots or ())
            elif decay is None:
                self._constant[rule.group] += state.value
            else:
                term = (rule.group, decay)
                left = decay.left(state.value, state.reference_ms, start_ms)
                fading[term] = fading.get(term, 0.0) + left
                sizes[term] = sizes.get(term, 0.0) + abs(left)
        self._add_constants(model, fold, start_ms)
        self._pools: list[tuple[int, Drain, Pool]] = [
            (index, drain, pool)
            for index, pool in fold.pools.items()
            if (drain := model.drains[index]) is not None and pool.value
        ]
        terms = len(fold.rules) + 2 * len(fold.extras) + len(fold.adjustments) + len(model.fit_rules) + lots
        self._share = _ROUNDING * (terms + _TERMS)
        # The sum, and how large its parts are: where they cancel each other out, rounding is still theirs.
        self._fading = [
            (term[0], term[1], value, sizes[term] / abs(value) if value else 0.0, sizes[term])
            for term, value in fading.items()
            if sizes[term]
        ]
        self.work = terms + lots
        """About how many additions one look takes."""

    def _add_constants(self, model: Model, fold: Fold, start_ms: int) -> None:
        """Add what does not fade: fit, points by hand, those of idleness and of sales."""
        for group, points in fit_of(model, fold).sums:
            self._constant[group] += points
        for index, extras in fold.extras.items():
            self._constant[index] += extras.positive + extras.penalties + extras.deducted
        for one in fold.adjustments:
            if one.expires_ms > start_ms:
                self._constant[one.group] += one.points

    @property
    def is_constant(self) -> bool:
        """Whether nothing of it fades."""
        return not self._fading and not self._pools and all(rule.decay is None for rule, _ in self._single)

    @property
    def is_stepped(self) -> bool:
        """Whether it only changes at whole steps, so that it may stand still for long."""
        return not any(isinstance(decay, HalfLife) for _, decay, _, _, _ in self._fading) and not any(
            isinstance(rule.decay, HalfLife) for rule, _ in self._single
        )

    def bounds(self, first_ms: int, last_ms: int) -> tuple[Reading, Reading]:
        """Return readings that no reading between *first_ms* and *last_ms* goes below or above."""
        low, low_size = self._sums(last_ms, first_ms)
        high, high_size = self._sums(first_ms, last_ms)
        margin = self._share * (low_size + high_size)
        low = [value - margin for value in low]
        high = [value + margin for value in high]
        return clamp(self._model, low, self._facts), clamp(self._model, high, self._facts)

    def stands_still(self, first_ms: int, last_ms: int) -> bool:
        """Whether it surely is the same at all instants between *first_ms* and *last_ms*."""
        if first_ms == last_ms:
            return True
        return self.is_stepped and self._sums(first_ms, first_ms) == self._sums(last_ms, last_ms)

    def _sums(self, positive_ms: int, negative_ms: int) -> tuple[list[float], float]:
        """Return group sums with points above 0 read at *positive_ms* and those below at *negative_ms*, and their absolute sum."""
        sums = self._constant.copy()
        size = sum(map(abs, sums))
        start_ms = self._start_ms
        for group, decay, value, share, parts in self._fading:
            at_ms = positive_ms if value > 0 else negative_ms
            left = decay.left(value, start_ms, at_ms)
            sums[group] += left
            size += abs(left) * share if share else decay.left(parts, start_ms, at_ms)
        for rule, state in self._single:
            left = contribution(rule, state, positive_ms if state.value > 0 else negative_ms)
            sums[rule.group] += left
            size += abs(left)
        for group, drain, pool in self._pools:
            left = pool.left(drain, positive_ms if pool.value > 0 else negative_ms)
            sums[group] += left
            size += abs(left)
        return sums, size
