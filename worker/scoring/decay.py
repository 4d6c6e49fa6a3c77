"""What is left of an award as it ages: one form a class; it never looks at a clock."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp2


@dataclass(frozen=True, slots=True)
class HalfLife:
    """
    Points halve every *ms* milliseconds: ``p * 2^(-(T - t) / d)``.

    Curves of one half-life add up exactly, so (value, reference instant) is all the state there is.
    """

    ms: int

    def left(self, value: float, reference_ms: int, at_ms: int) -> float:
        """
        Return what is left at *at_ms* of *value* that stood at *reference_ms*.

        >>> HalfLife(14 * 86_400_000).left(25.0, 0, 14 * 86_400_000)
        12.5
        """
        return value * exp2((reference_ms - at_ms) / self.ms)


Decay = HalfLife
"""Every form of decay; None stands for points that never fade. The state of each is (value, reference instant)."""
