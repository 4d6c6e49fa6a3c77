"""Faust's recovery of tables, with the restore left to the app."""

from __future__ import annotations

import asyncio
from typing import Any

from faust.tables.manager import TableManager
from faust.tables.recovery import Recovery
from faust.types import TP
from mode import Service

from worker.stream.faust_private.transports import LOGGER


class RestoringRecovery(Recovery):
    """
    Faust's recovery task, with the restore left to `app.restore`.

    Faust would wait 90 s for it and then go on living without a recovery task; here only the next rebalance or
    the end of the worker cuts it short.
    """

    logger = LOGGER
    stats_interval = 86_400.0  # Faust's statistics speak of its own restore, which reads nothing

    async def _build_highwaters(self, consumer: Any, tps: set[TP], destination: Any, title: str) -> None:
        destination.clear()
        if title == "active" and not await self.app.restore(set(tps)):  # type: ignore[attr-defined]
            # Taken away while restoring: wait for the rebalance to cancel this. Ending would end the recovery task.
            await asyncio.Event().wait()
        for tp in tps:  # not `update`, which would add to what a Counter holds
            destination[tp] = -1

    async def _build_offsets(self, consumer: Any, tps: set[TP], destination: Any, title: str) -> None:
        for tp in tps:
            destination[tp] = -1

    async def _seek_offsets(self, consumer: Any, tps: set[TP], offsets: Any, title: str) -> None:
        """Stay: changelog partitions are paused and never read by this consumer."""

    async def _wait(self, coro: Any, timeout: Any = None) -> None:  # noqa: ASYNC109
        await super()._wait(coro)

    def need_recovery(self) -> bool:
        """Return False: what there was to restore has been restored before Faust asks."""
        return False

    @Service.task
    async def _restart_recovery(self) -> None:
        try:
            await Recovery._restart_recovery(self)
        except Exception as error:  # noqa: BLE001 - a task has no caller that could hear of it
            self.app.die(error)  # type: ignore[attr-defined]
        finally:
            if not self.should_stop:
                self.app.recovery_ended()  # type: ignore[attr-defined]


class RestoringTables(TableManager):
    """Faust's tables with that recovery task."""

    logger = LOGGER

    async def on_start(self) -> None:
        """Start without the second that Faust waits here for tables that agents may still declare."""
        if not self.should_stop:
            await self._update_channels()
            await self.recovery.start()

    @property
    def recovery(self) -> Recovery:
        """The recovery task of all tables."""
        if self._recovery is None:
            self._recovery = RestoringRecovery(self.app, self, beacon=self.beacon, loop=self.loop)
        return self._recovery
