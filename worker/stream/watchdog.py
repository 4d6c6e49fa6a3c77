"""Notices that the worker has stopped to be one: a background task that ended, work that does not move, a loop that stands still."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from worker.clock import monotonic, now_ms
from worker.errors import RestartRequired
from worker.kafka.aiokafka_private import coordination_error, ended_parts

if TYPE_CHECKING:
    import aiokafka

    from worker.stream.assignment import Assignment
    from worker.stream.fatal import Die
    from worker.stream.rounds import OwnedPartition
    from worker.stream.timers import Timers

INTERVAL_S = 1.0
_STALL_S = 60.0
_BLOCKED_S = 120.0
"""How long the event loop may stand still; opening a large store, or a slow disk, may take a minute."""
_FRESH_MS = 10_000
"""A poll as recent as this says that the broker answers, so that a stall is ours."""


class Watchdog:
    """
    Looks each second; what it finds ends the process, and the supervisor starts a new one.

    Args:
        assignment: The partitions at work.
        consumer: Gives the running consumer, None before it has started.
        timers: What fires due instants.
        is_excused: Whether something outside is known to be away, brokers or a store: nothing can move then, and a restart
            would mend nothing. What stood still meanwhile has all its time again afterwards.
    """

    def __init__(
        self,
        assignment: Assignment,
        consumer: Callable[[], aiokafka.AIOKafkaConsumer | None],
        timers: Timers,
        is_excused: Callable[[], bool] = lambda: False,
    ) -> None:
        self._assignment = assignment
        self._consumer = consumer
        self._timers = timers
        self._is_excused = is_excused
        self._excused_at = -_STALL_S  # when something was last known to be away
        self.looked_at = monotonic()

    async def run(self) -> None:
        """
        Look each second until cancelled.

        Raises:
            RestartRequired: something has ended or does not move.
            KafkaError: the group does not let us in.
        """
        while True:
            await asyncio.sleep(INTERVAL_S)
            self.look()

    def look(self) -> None:
        """Look once; raises as `run` does."""
        now = self.looked_at = monotonic()
        consumer = self._consumer()
        # Nothing is polled before partitions are assigned, and so nobody else would hear of it.
        if consumer is not None and (error := coordination_error(consumer)) is not None:
            raise error
        if consumer is not None and (ended := ended_parts(consumer)):
            raise RestartRequired(what="Kafka client", problem=f"{' and '.join(ended)} ended in silence")
        if self._is_excused():
            self._excused_at = now
            return
        if self._assignment.owned and self._stands_since(self._timers.moved_at, now):
            raise RestartRequired(what="timers", problem=f"nothing was looked for within {_STALL_S:g} s")
        for one in self._assignment.owned.values():
            if (problem := self._stall(one, now)) is not None:
                raise RestartRequired(what=f"partition {one.number}", problem=problem)

    def _stands_since(self, moved_at: float, now: float) -> bool:
        return now - max(moved_at, self._excused_at) > _STALL_S

    def _stall(self, one: OwnedPartition, now: float) -> str | None:
        if one.under_way is not None and self._stands_since(one.under_way_since, now):
            return f"a round has not become durable within {_STALL_S:g} s, though the broker answers"
        progress = one.progress
        if progress is None or one.stopped is not None or not self._stands_since(one.moved_at, now):
            return None
        # Up to the last stable offset only: what lies behind an open transaction cannot be read by anybody.
        if (
            progress.stable > one.next_offset
            and progress.position < progress.stable
            and now_ms() - progress.polled_ms < _FRESH_MS
        ):
            return f"records wait and none was read for {_STALL_S:g} s, though the broker answers"
        return None


class LoopGuard:
    """
    A thread that ends the process when the event loop, and with it every watchdog in it, stands still.

    Heartbeats have a thread of their own: without this a worker that hangs would keep its partitions for ever.

    Args:
        looked_at: Gives the instant at which something in the loop last had its turn; it must change at least each second or so.
        die: Ends the process.
        blocked_s: How long it may stand still.
    """

    def __init__(self, looked_at: Callable[[], float], die: Die, blocked_s: float = _BLOCKED_S) -> None:
        self._looked_at = looked_at
        self._die = die
        self._blocked_s = blocked_s
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loop guard", daemon=True)

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more."""
        self._ended.set()

    def _run(self) -> None:
        # Ticks are counted, not seconds: a process that was frozen as a whole wakes up with an old clock and a sound loop.
        tick_s = min(INTERVAL_S, self._blocked_s / 4)
        last, still_s = self._looked_at(), 0.0
        while not self._ended.wait(tick_s):
            if (now := self._looked_at()) != last:
                last, still_s = now, 0.0
                continue
            still_s += tick_s
            if still_s > self._blocked_s:
                self._die(RestartRequired(what="event loop", problem=f"it has not turned for {still_s:.0f} s"))
                return
