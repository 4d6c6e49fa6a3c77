"""A fold's points as few fading sums, so that a search in time looks at it cheaply; for bounds only, never for a score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.scoring.decay import HalfLife
from worker.scoring.reading import clamp, contribution

if TYPE_CHECKING:
    from worker.scoring.model import Model, Reading, Rule
    from worker.scoring.state import Fold, RuleState

_MARGIN = 1e-10
"""
Merged sums round otherwise than the score does; bounds are this much wider. Well below the tolerance of comparisons: points that
never fade often add up to just the threshold, and there a wider span would leave every second open.
"""
_ROUNDING = 2.0**-51
"""What one addition may lose of the sum of absolute points, twice over, where that is more."""


class Curve:
    """The group sums of a fold from *start_ms* on, up to its next step. Points of one half-life and sign are one term."""

    __slots__ = ("_capped", "_constant", "_fading", "_margin", "_model", "_start_ms")

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
        size = sum(map(abs, self._constant)) + sum(map(abs, fading.values()))
        self._margin = max(_MARGIN, _ROUNDING * (len(fold.rules) + len(fold.extras)) * size)
        self._fading = [(group, HalfLife(ms), value) for (group, ms, _), value in fading.items()]

    @property
    def is_constant(self) -> bool:
        """Whether nothing of it fades."""
        return not self._fading and all(rule.decay is None for rule, _ in self._capped)

    def bounds(self, first_ms: int, last_ms: int) -> tuple[Reading, Reading]:
        """Return readings that no reading between *first_ms* and *last_ms* goes below or above."""
        low = self._sums(last_ms, first_ms, -self._margin)
        high = self._sums(first_ms, last_ms, self._margin)
        return clamp(self._model, low), clamp(self._model, high)

    def _sums(self, positive_ms: int, negative_ms: int, margin: float) -> list[float]:
        """Return group sums with points above 0 read at *positive_ms* and those below at *negative_ms*."""
        sums = [value + margin for value in self._constant]
        start_ms = self._start_ms
        for group, decay, value in self._fading:
            sums[group] += decay.left(value, start_ms, positive_ms if value > 0 else negative_ms)
        for rule, state in self._capped:
            sums[rule.group] += contribution(rule, state, positive_ms if state.value > 0 else negative_ms)
        return sums
