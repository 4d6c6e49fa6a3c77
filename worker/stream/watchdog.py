"""Notices that the worker has stopped to be one: a background task that ended, or work that does not move."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from worker.clock import monotonic, now_ms
from worker.errors import RestartRequired
from worker.stream.aiokafka_private import ended_parts

if TYPE_CHECKING:
    import aiokafka

    from worker.stream.assignment import Assignment
    from worker.stream.rounds import OwnedPartition
    from worker.stream.timers import Timers

INTERVAL_S = 1.0
_STALL_S = 60.0
_FRESH_MS = 10_000
"""A poll as recent as this says that the broker answers, so that a stall is ours."""


class Watchdog:
    """
    Looks each second; what it finds ends the process, and the supervisor starts a new one.

    Args:
        assignment: The partitions at work.
        consumer: Gives the running consumer, None before it has started.
        timers: What fires due instants.
    """

    def __init__(
        self, assignment: Assignment, consumer: Callable[[], aiokafka.AIOKafkaConsumer | None], timers: Timers
    ) -> None:
        self._assignment = assignment
        self._consumer = consumer
        self._timers = timers

    async def run(self) -> None:
        """
        Look each second until cancelled.

        Raises:
            RestartRequired: something has ended or does not move.
        """
        while True:
            await asyncio.sleep(INTERVAL_S)
            self.look()

    def look(self) -> None:
        """Look once; raises RestartRequired as `run` does."""
        consumer = self._consumer()
        if consumer is not None and (ended := ended_parts(consumer)):
            raise RestartRequired(what="Kafka client", problem=f"{' and '.join(ended)} ended in silence")
        if self._assignment.owned and monotonic() - self._timers.moved_at > _STALL_S:
            raise RestartRequired(what="timers", problem=f"nothing was looked for within {_STALL_S:g} s")
        for one in self._assignment.owned.values():
            if (problem := _stall(one)) is not None:
                raise RestartRequired(what=f"partition {one.number}", problem=problem)


def _stall(one: OwnedPartition) -> str | None:
    now = monotonic()
    if one.under_way is not None and now - one.under_way_since > _STALL_S:
        return f"a round has not become durable within {_STALL_S:g} s"
    progress = one.progress
    if progress is None or now - one.moved_at <= _STALL_S:
        return None
    # Up to the last stable offset only: what lies behind an open transaction cannot be read by anybody.
    if (
        progress.stable > one.next_offset
        and progress.position < progress.stable
        and now_ms() - progress.polled_ms < _FRESH_MS
    ):
        return f"records wait and none was read for {_STALL_S:g} s, though the broker answers"
    return None
