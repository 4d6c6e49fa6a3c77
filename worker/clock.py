"""The only place that reads a clock; everything else is told what time it is."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Return the wall clock: whole milliseconds since 1970-01-01T00:00:00Z. It may jump, backwards too."""
    return time.time_ns() // 1_000_000


def monotonic() -> float:
    """Return seconds since some fixed instant; it never goes back, so differences are durations."""
    return time.monotonic()


def cpu_seconds() -> float:
    """Return the CPU seconds, user and system, that this process has used in all its threads."""
    return time.process_time()


def pause(seconds: float) -> None:
    """Hold the whole process up for *seconds*: for its start only, before anything else runs in it."""
    time.sleep(seconds)


class Deadline:
    """
    One time budget shared by several waits, so that retries never add up to more than was allowed.

    Args:
        seconds: Budget from now on; zero or less has passed at once, ``math.inf`` never does.
    """

    __slots__ = ("_until",)

    def __init__(self, seconds: float) -> None:
        self._until = monotonic() + seconds

    @property
    def has_passed(self) -> bool:
        """Whether the budget is used up."""
        return monotonic() >= self._until

    def remaining(self) -> float:
        """Return the seconds left, never below zero: what the next wait may take."""
        return max(0.0, self._until - monotonic())
