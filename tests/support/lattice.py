"""
Where generated instants and spans fall: on a coarse lattice, with a ms more or less, so that every edge is met exactly.

Limits, half-lives, idle steps, the edge of the window, midnights, bucket borders and steps of decay all lie on it.
"""

from __future__ import annotations

from tests.support.choices import Choices

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
STEPS_BEGIN = 978_307_200_000
"""2001-01-01T00:00:00Z, a Monday: steps and buckets count from here."""
START = 1_774_648_800_000
"""2026-03-27T22:00:00Z: two days before the clocks of Berlin go forward."""

SPANS = {
    "0d": 0, "45s": 45 * SECOND, "10m": 10 * MINUTE, "30m": 30 * MINUTE, "1h": HOUR, "12h": 12 * HOUR, "1d": DAY, "2d": 2 * DAY,
    "3d": 3 * DAY, "7d": 7 * DAY, "1w": 7 * DAY, "10d": 10 * DAY, "30d": 30 * DAY, "60d": 60 * DAY, "90d": 90 * DAY,
    "180d": 180 * DAY, "730d": 730 * DAY,
}  # fmt: skip
"""Every duration that a generated model writes, in ms."""

GAPS = (
    0, 0, 0, 1, 999, SECOND, MINUTE, HOUR - 1, HOUR, HOUR, HOUR + 1, 7 * HOUR, 23 * HOUR, DAY - 1, DAY, DAY, DAY + 1,
    2 * DAY, 3 * DAY - 1, 3 * DAY, 3 * DAY + 1, 7 * DAY, 10 * DAY, 10 * DAY + 1, 29 * DAY, 30 * DAY - 1, 30 * DAY,
    30 * DAY + 1, 61 * DAY, 120 * DAY, 365 * DAY,
)  # fmt: skip
BORDERS = (MINUTE, 5 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 12 * HOUR, DAY, DAY, DAY, 7 * DAY)
DELAYS_WITHIN = (0, 0, 0, 1, MINUTE, HOUR)
DELAYS_BEYOND = (HOUR + 1, DAY - 1, DAY, DAY + 1, 3 * DAY, 3 * DAY + 1, 10 * DAY, 40 * DAY)


def next_border(instant: int, period: int) -> int:
    """
    Return the first multiple of *period* since the beginning of steps that lies after *instant*; all in ms.

    >>> (next_border(START, DAY) - START) // HOUR
    2
    """
    return ((instant - STEPS_BEGIN) // period + 1) * period + STEPS_BEGIN


def moved(instant: int, choices: Choices) -> int:
    """Return an instant at or after *instant*: a gap later, or at the next border, or a ms beside it."""
    if choices.below(3) == 2:
        border = next_border(instant, choices.one(BORDERS))
        return border + choices.one((0, 0, -1, 1))
    return instant + choices.one(GAPS)


def within_a_month(instant: int, choices: Choices) -> int:
    """Return an instant as `moved` does, but no more than a month later: for histories that must stay together."""
    return min(moved(instant, choices), instant + 31 * DAY)
