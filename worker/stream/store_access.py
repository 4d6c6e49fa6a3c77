"""A store that is away is waited for: nothing is read meanwhile, and nothing that was folded or committed is lost."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TypeVar

from worker.clock import monotonic
from worker.errors import StoreUnavailable
from worker.logs import log_event

_log = logging.getLogger(__name__)

_FIRST_WAIT_S = 0.1
_LONGEST_WAIT_S = 2.0

_T = TypeVar("_T")


class StoreAccess:
    """
    Notes whether the store answers, and paces the calls while it does not. One for all partitions of a worker.

    A call may block the event loop for as long as the store's patience lasts. So while it is away one of all that wait asks,
    and the others wait on if it gets no answer.
    """

    def __init__(self) -> None:
        self._away_since: float | None = None
        self._ask_at = 0.0  # by the loop's clock, while it is away
        self._wait_s = _FIRST_WAIT_S

    @property
    def away_s(self) -> float:
        """For how long the store has not answered, seconds; 0 when it does."""
        return 0.0 if self._away_since is None else monotonic() - self._away_since

    @property
    def is_away(self) -> bool:
        """Whether the last call found no answer."""
        return self._away_since is not None

    async def call(self, function: Callable[[], _T]) -> _T:
        """Return what *function* returns, calling it until the store answers; it must be safe to call again."""
        while True:
            await self.turn()
            try:
                result = function()
            except StoreUnavailable as error:
                await self.wait(error)
            else:
                self.answered()
                return result

    async def wait(self, error: StoreUnavailable) -> None:
        """Wait before the call that ended in *error* is made again, longer each time."""
        if self._away_since is None:
            self._away_since = monotonic()
            log_event(_log, logging.WARNING, "store_away", reason=str(error))
        self._ask_at = asyncio.get_running_loop().time() + self._wait_s
        self._wait_s = min(2 * self._wait_s, _LONGEST_WAIT_S)
        await self.turn()

    async def turn(self) -> None:
        """Return when the store may be asked: at once when it answers, else when it is time to look again."""
        loop = asyncio.get_running_loop()
        while self.is_away:
            left_s = self._ask_at - loop.time()
            if left_s <= 0:
                return
            await asyncio.sleep(left_s)

    def answered(self) -> None:
        """Take note that the store has answered."""
        if self._away_since is not None:
            log_event(_log, logging.INFO, "store_back", seconds=round(self.away_s, 3))
            self._away_since = None
            self._wait_s = _FIRST_WAIT_S
