"""
How long ago the group last said that we are a member, and rounds that wait when that is too long ago.

A process that stood still (stopped, swapped out, a paused machine) wakes up with records in its hands that are others' by
now. Transactions refuse what it writes; without them nobody does. So no round begins while the last answer is older than
most of a session: it waits for the next one, which either says that all is well or that the group has gone on without us.
A freeze after this look cannot be seen by any look; contiguous changelog offsets and fences are there for that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from worker.clock import monotonic
from worker.logs import log_event

if TYPE_CHECKING:
    from worker.kafka.txn_offsets import Member
    from worker.pipeline import Round
    from worker.stream.batches import Row
    from worker.stream.delivery import Delivery

_log = logging.getLogger(__name__)

_STALE_AT = 0.8  # of a session: the rest is for what is sent to arrive
_LOOK_S = 0.02


class Lease:
    """
    The group's last answer. `renew` may be called in any thread, the client's above all.

    Args:
        session_s: Silence after which the group gives our partitions to others.
        clock: Seconds that never go back.
    """

    def __init__(self, session_s: float, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self.stale_after_s = session_s * _STALE_AT
        self._answered_at: float | None = None

    def renew(self, asked_at: float) -> None:
        """Note that a question asked at *asked_at* was answered: the group's own count began no earlier."""
        self._answered_at = asked_at

    @property
    def silent_s(self) -> float:
        """Seconds since the last answer; 0 before the first one, since nobody is a member then."""
        answered_at = self._answered_at
        return 0.0 if answered_at is None else max(0.0, self._clock() - answered_at)

    @property
    def is_stale(self) -> bool:
        """Whether others may own our partitions by now."""
        return self.silent_s > self.stale_after_s

    async def hold(self) -> float:
        """Return once answers come again, with the seconds of silence that were seen; at once when they come."""
        seen = 0.0
        while self.is_stale:
            seen = max(seen, self.silent_s)
            await asyncio.sleep(_LOOK_S)
        return seen


class LeasedDelivery:
    """
    A Delivery that begins no round while *lease* is stale; everything else is *inner*'s.

    Args:
        inner: Carries the rounds.
        lease: Of this process.
    """

    def __init__(self, inner: Delivery, lease: Lease) -> None:
        self._inner = inner
        self._lease = lease

    @property
    def merges_by_fence(self) -> bool:
        """As *inner* says."""
        return self._inner.merges_by_fence

    async def open(self, partitions: Sequence[int], member: Member) -> None:
        """As *inner* does."""
        await self._inner.open(partitions, member)

    async def settle_restore(self, partition: int, changelog_end: int, lost: Sequence[Row]) -> int:
        """Put *lost* again as *inner* does, as a member only."""
        await self._hold(partition)
        return await self._inner.settle_restore(partition, changelog_end, lost)

    async def deliver(self, partition: int, round_: Round) -> int:
        """Carry *round_* as *inner* does, once we are known to be a member."""
        await self._hold(partition)
        return await self._inner.deliver(partition, round_)

    def done(self, partition: int, next_offset: int) -> None:
        """As *inner* does."""
        self._inner.done(partition, next_offset)

    def committable(self) -> Mapping[int, int]:
        """As *inner* does."""
        return self._inner.committable()

    async def close(self) -> None:
        """As *inner* does."""
        await self._inner.close()

    async def _hold(self, partition: int) -> None:
        if not self._lease.is_stale:
            return
        silent_s = round(self._lease.silent_s, 1)
        log_event(_log, logging.WARNING, "round_held", partition=partition, group_silent_seconds=silent_s)
        waited_s = await self._lease.hold()
        log_event(_log, logging.INFO, "round_goes_on", partition=partition, group_silent_seconds=round(waited_s, 1))
