"""
What a supervisor does when a process ends or a signal comes: pure, told what time it is.

70 and a crash: again, after a while. 69 and 78: a restart would not help, so all stop and the supervisor ends with that code, for
whoever is above it. A signal is passed on once, the next one hurries, and who has not ended in time is killed.
"""

from __future__ import annotations

import math
import signal
from collections.abc import Iterable

from worker.errors import ConfigError, DependencyError, RestartRequired

FIRST_S = 1.0
"""Between an end and the next start, at least."""
LONGEST_S = 30.0
"""The same, at most: each early end doubles it."""
HEALTHY_S = 300.0
"""A process that has run for so long begins with the shortest wait again."""
HURRIED_S = 5.0
"""How long processes have after a second signal."""
MARGIN_S = 2.0
"""Beyond the stop timeout, within which a process ends by itself."""
_STOP_ALL = frozenset({ConfigError.exit_code, DependencyError.exit_code})
_TIDY = frozenset({0, -signal.SIGTERM})
"""Ends of a process that was told to stop; the second one comes while it still imports, before it has begun anything."""


class BackOff:
    """How long to wait before a process is started again."""

    def __init__(self) -> None:
        self._next_s = FIRST_S

    def after(self, ran_s: float) -> float:
        """Return the seconds to wait after a run of *ran_s* seconds."""
        wait_s = FIRST_S if ran_s >= HEALTHY_S else self._next_s
        self._next_s = min(wait_s * 2, LONGEST_S)
        return wait_s


class Supervision:
    """
    Which processes to start and which signals to send, when.

    Args:
        processes: Their numbers; all are to be started at once.
        stop_s: The stop timeout of each.
    """

    def __init__(self, processes: Iterable[int], stop_s: float) -> None:
        self._starts_at = dict.fromkeys(processes, -math.inf)
        self._backs_off = {number: BackOff() for number in self._starts_at}
        self._running: dict[int, float] = {}  # since when
        self._stop_s = stop_s
        self._kills_at = math.inf
        self._told = 0
        self._signals: list[tuple[int, signal.Signals]] = []
        self.exit_code = 0
        """The supervisor's own, once all is over."""
        self.cause: int | None = None
        """The process whose end gave that code."""

    @property
    def is_stopping(self) -> bool:
        """Whether nothing is started any more."""
        return self._told > 0 or self.cause is not None

    @property
    def is_over(self) -> bool:
        """Whether all have ended and none is to come."""
        return not self._running and self.is_stopping

    def starts_in(self, number: int, now_s: float) -> float | None:
        """Return the seconds until *number* starts again; None when it runs, or never will."""
        at_s = self._starts_at.get(number)
        return None if at_s is None else max(0.0, at_s - now_s)

    def to_start(self, now_s: float) -> list[int]:
        """Return those to be started now; tell `started` of each."""
        return [number for number, at_s in self._starts_at.items() if at_s <= now_s]

    def to_signal(self, now_s: float) -> list[tuple[int, signal.Signals]]:
        """Return what is to be sent now, to which; each once."""
        if now_s >= self._kills_at:
            self._kills_at = math.inf
            self._signals = [(number, signal.SIGKILL) for number in self._running]
        found, self._signals = self._signals, []
        return [(number, sent) for number, sent in found if number in self._running]

    def wakes_at(self) -> float:
        """Return when there is something to do next, if nothing happens before; infinity: never."""
        return min([*self._starts_at.values(), self._kills_at])

    def started(self, number: int, now_s: float) -> None:
        """Note that *number* runs."""
        del self._starts_at[number]
        self._running[number] = now_s

    def ended(self, number: int, code: int, now_s: float) -> None:
        """Note that *number* has ended with exit *code*, negative for a signal."""
        ran_s = now_s - self._running.pop(number)
        if code in _STOP_ALL:
            if not self.is_stopping:
                self._stop(now_s)
            if code > self.exit_code:  # what an operator has to mend goes before what time may
                self.exit_code, self.cause = code, number
        elif not self.is_stopping:
            self._starts_at[number] = now_s + self._backs_off[number].after(ran_s)
        elif code not in _TIDY and self.exit_code == 0:
            self.exit_code = RestartRequired.exit_code  # as one worker that cannot stop in time

    def told(self, now_s: float) -> None:
        """Note a signal to stop; the second one hurries, the third one kills."""
        self._told += 1
        if self._told == 1 and self.cause is None:
            self._stop(now_s)
            return
        self._signals = [(number, signal.SIGTERM) for number in self._running]
        self._kills_at = now_s if self._told > 2 else min(self._kills_at, now_s + HURRIED_S)

    def _stop(self, now_s: float) -> None:
        self._starts_at.clear()
        self._signals = [(number, signal.SIGTERM) for number in self._running]
        self._kills_at = now_s + self._stop_s + MARGIN_S
