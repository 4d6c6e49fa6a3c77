"""Timers: every second, the contacts of each owned partition whose due instant has passed, in due order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from worker.clock import monotonic
from worker.errors import StoreUnavailable

if TYPE_CHECKING:
    from worker.stores.base import ContactStore, Due
    from worker.stream.rounds import OwnedPartition
    from worker.stream.store_access import StoreAccess

INTERVAL_S = 1.0
_ENTRIES_A_ROUND = 1000


class Timers:
    """
    Fires what is due in the partitions that *owned* gives.

    Args:
        store: Holds the due index.
        access: Waits while the store is away.
        owned: Gives the partitions at work; asked each second.
        is_wall: Whether time goes on by the clock when no event comes.
    """

    def __init__(
        self,
        store: ContactStore,
        access: StoreAccess,
        owned: Callable[[], Iterable[OwnedPartition]],
        *,
        is_wall: bool,
    ) -> None:
        self._store = store
        self._access = access
        self._owned = owned
        self._is_wall = is_wall
        self.moved_at = monotonic()
        """When a turn last ended or a round of one was sent on its way; one stuck partition stops the turns of all."""

    async def run(self) -> None:
        """Fire each second until cancelled. An exception means that this process must not go on."""
        while True:
            began = monotonic()
            await asyncio.gather(*(self.fire_due(one) for one in list(self._owned())))
            self.moved_at = monotonic()
            await asyncio.sleep(max(0.0, INTERVAL_S - (monotonic() - began)))

    async def fire_due(self, one: OwnedPartition) -> None:
        """Fire everything that is due in *one* by now, a round for each thousand."""
        if self._is_wall and one.has_read_everything and one.progress is not None:
            # Not this machine's present: the moment at which the broker said that nothing is left to read.
            one.scoring.advance_wall(one.progress.polled_ms)
        if one.is_carrying_over:
            return  # its contacts are still those of an earlier version of a model
        before: list[Due] = []
        while (until := one.scoring.due_until()) is not None:
            await self._access.turn()
            await self._turn_of(one)
            if one.is_settling or one.is_closed:
                return
            try:
                entries = self._store.due_before(one.number, until, _ENTRIES_A_ROUND)
                self._access.answered()  # said here too: in a quiet partition nobody else asks the store for anything
                if not entries or entries == before:
                    break
                one.fire(entries)
            except StoreUnavailable as error:
                await self._access.wait(error)
                self.moved_at = monotonic()
                continue
            before = entries
            one.end_round()
            self.moved_at = monotonic()
        one.end_if_overdue()

    async def _turn_of(self, one: OwnedPartition) -> None:
        """
        Wait until no round of *one* is under way: the index knows what a round has changed only once it is stored.

        While records come faster than rounds are carried, the next round would begin before this wakes, each time anew; so it is
        held back meanwhile.
        """
        one.is_timer_waiting = True
        try:
            while one.under_way is not None:
                await asyncio.wait({one.under_way})
                self.moved_at = monotonic()
        finally:
            one.is_timer_waiting = False
