"""What is left of an award as it ages: one form a class; it never looks at a clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import exp2
from typing import Final

E0_MS: Final = 978_307_200_000
"""2001-01-01T00:00:00Z, a Monday: steps of decay, drain and buckets count from here, in UTC."""

_MINUTE_MS: Final = 60_000
BUCKET_WIDTHS_MS: Final = tuple(minutes * _MINUTE_MS for minutes in (1_440, 720, 120, 30, 5, 1))
"""A bucket is as wide as the first of these that is at most a 24th of the decay's span, and never below a minute."""

Lots = dict[int, float]
"""Points by the start of the bucket in which they were given, ascending."""


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


@dataclass(frozen=True, slots=True)
class Percent:
    """
    A share *rate* of what is left goes at each multiple of *every_ms* since E0: ``p * (1 - r)^k``.

    The state is (value, reference instant), as with a half-life.
    """

    rate: float  # above 0, at most 1
    every_ms: int

    def left(self, value: float, reference_ms: int, at_ms: int) -> float:
        """
        Return what is left at *at_ms* of *value* that stood at *reference_ms*.

        >>> Percent(0.02, 86_400_000).left(100.0, 0, 86_400_000)
        98.0
        """
        every_ms = self.every_ms
        steps = (at_ms - E0_MS) // every_ms - (reference_ms - E0_MS) // every_ms
        return value * (1.0 - self.rate) ** steps


def bucket_width(span_ms: int) -> int:
    """
    Return the width in ms of the buckets in which awards that last *span_ms* are kept.

    >>> bucket_width(90 * 86_400_000) // 60_000, bucket_width(3_600_000) // 60_000
    (1440, 1)
    """
    return next((width for width in BUCKET_WIDTHS_MS if width * 24 <= span_ms), _MINUTE_MS)


@dataclass(frozen=True, slots=True)
class _Dated:
    """Points that last a span, kept by the bucket in which they were given: their state stays bounded."""

    ms: int
    width_ms: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "width_ms", bucket_width(self.ms))

    def bucket(self, at_ms: int) -> int:
        """Return the start of the bucket of *at_ms*."""
        return at_ms - (at_ms - E0_MS) % self.width_ms

    def prune(self, lots: Lots, at_ms: int) -> None:
        """Drop the lots that are worth nothing from *at_ms* on."""
        start_ms = self.bucket(at_ms) - self.ms
        for given_ms in [given_ms for given_ms in lots if given_ms <= start_ms]:
            del lots[given_ms]


@dataclass(frozen=True, slots=True)
class Linear(_Dated):
    """Points go evenly over *ms*: ``p * max(0, 1 - a / d)``, a in whole buckets. At most 730 days."""

    def left_of(self, lots: Lots, at_ms: int) -> float:
        """
        Return what is left of *lots* at *at_ms*.

        >>> day = 86_400_000
        >>> Linear(90 * day).left_of({E0_MS: 9.0}, E0_MS + 3 * day)
        8.7
        """
        bucket_ms = self.bucket(at_ms)
        total = 0.0
        for given_ms, points in lots.items():
            total += points * max(0.0, 1 - (bucket_ms - given_ms) / self.ms)
        return total


@dataclass(frozen=True, slots=True)
class Expire(_Dated):
    """Points stay whole for *ms*, in whole buckets, then they are gone: a sliding window. At most 730 days."""

    def left_of(self, lots: Lots, at_ms: int) -> float:
        """
        Return what is left of *lots* at *at_ms*.

        >>> day = 86_400_000
        >>> (
        ...     Expire(180 * day).left_of({E0_MS: 10.0}, E0_MS + 180 * day - 1),
        ...     Expire(day).left_of({E0_MS: 1.0}, E0_MS + day),
        ... )
        (10.0, 0.0)
        """
        start_ms = self.bucket(at_ms) - self.ms
        total = 0.0
        for given_ms, points in lots.items():
            if given_ms > start_ms:
                total += points
        return total


Curve = HalfLife | Percent
"""Forms whose state is (value, reference instant)."""
Dated = Linear | Expire
"""Forms whose state is dated lots."""
Decay = Curve | Dated
"""Every form of decay; None stands for points that never fade."""


@dataclass(frozen=True, slots=True)
class Drain:
    """At each multiple of *every_ms* since E0 a pool moves *points* towards 0, never across it."""

    points: float  # above 0
    every_ms: int

    def left(self, value: float, reference_ms: int, at_ms: int) -> float:
        """
        Return what is left at *at_ms* of a pool that stood at *value* at *reference_ms*.

        >>> day = 86_400_000
        >>> Drain(1.0, day).left(3.0, 0, 2 * day), Drain(1.0, day).left(-3.0, 0, 5 * day)
        (1.0, 0.0)
        """
        every_ms = self.every_ms
        steps = (at_ms - E0_MS) // every_ms - (reference_ms - E0_MS) // every_ms
        if not steps:
            return value
        left = max(0.0, abs(value) - self.points * steps)
        return left if value > 0 else 0.0 - left
