"""A fold's points as few fading sums, so that a search in time looks at it cheaply; for bounds only, never for a score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.decay import HalfLife
from worker.scoring.reading import clamp, contribution

if TYPE_CHECKING:
    from worker.scoring.model import Model, Reading, Rule
    from worker.scoring.state import Fold, RuleState

_ROUNDING = 2.0**-51
"""
What one addition may lose, as a share of the points it adds, twice over. Merged sums round otherwise than the score does, and bounds
are wider by that and no more: points that never fade often add up to just a threshold, and points that fade cross one of 0 where
next to nothing is left of them. Any fixed width would leave many seconds open there.
"""
_TERMS = 8
"""Additions for the powers and clamps behind each term."""


class Curve:
    """The group sums of a fold from *start_ms* on, up to its next step. Points of one half-life and sign are one term."""

    __slots__ = ("_capped", "_constant", "_fading", "_model", "_share", "_start_ms")

    def __init__(self, model: Model, fold: Fold, start_ms: int) -> None:
        self._model = model
        self._start_ms = start_ms
        self._constant = [0.0] * len(model.groups)
        self._capped: list[tuple[Rule, RuleState]] = []
        fading: dict[tuple[int, int, bool], float] = {}
        for index, state in fold.rules.items():
            rule = model.rules[index]
            decay = rule.decay
            if rule.cap is not None:
                self._capped.append((rule, state))
            elif decay is None:
                self._constant[rule.group] += state.value
            else:
                term = (rule.group, decay.ms, state.value > 0)
                fading[term] = fading.get(term, 0.0) + decay.left(state.value, state.reference_ms, start_ms)
        for index, extras in fold.extras.items():
            self._constant[index] += extras.inactivity + extras.feedback + extras.penalties
        self._share = _ROUNDING * (len(fold.rules) + len(fold.extras) + _TERMS)
        self._fading = [(group, HalfLife(ms), value) for (group, ms, _), value in fading.items()]

    @property
    def is_constant(self) -> bool:
        """Whether nothing of it fades."""
        return not self._fading and all(rule.decay is None for rule, _ in self._capped)

    def bounds(self, first_ms: int, last_ms: int) -> tuple[Reading, Reading]:
        """Return readings that no reading between *first_ms* and *last_ms* goes below or above."""
        low, low_size = self._sums(last_ms, first_ms)
        high, high_size = self._sums(first_ms, last_ms)
        margin = self._share * (low_size + high_size)
        low = [value - margin for value in low]
        high = [value + margin for value in high]
        return clamp(self._model, low), clamp(self._model, high)

    def _sums(self, positive_ms: int, negative_ms: int) -> tuple[list[float], float]:
        """Return group sums with points above 0 read at *positive_ms* and those below at *negative_ms*, and their absolute sum."""
        sums = self._constant.copy()
        size = sum(map(abs, sums))
        start_ms = self._start_ms
        for group, decay, value in self._fading:
            left = decay.left(value, start_ms, positive_ms if value > 0 else negative_ms)
            sums[group] += left
            size += abs(left)
        for rule, state in self._capped:
            left = contribution(rule, state, positive_ms if state.value > 0 else negative_ms)
            sums[rule.group] += left
            size += abs(left)
        return sums, size
