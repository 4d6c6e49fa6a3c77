"""The instant at which an open round ends, however little it holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_LOW_LATENCY_S = 0.020


class RoundDeadline:
    """
    One round's deadline; it can be brought forward once, for a round with something to tell.

    Args:
        end: Called when it has come.
    """

    def __init__(self, end: Callable[[], None]) -> None:
        self._end = end
        self._handle: asyncio.TimerHandle | None = None
        self._is_hurried = False

    @property
    def is_set(self) -> bool:
        """Whether it is still to come."""
        return self._handle is not None

    def set(self, seconds: float) -> None:
        """Let it come in *seconds*."""
        self._handle = asyncio.get_running_loop().call_later(seconds, self._end)

    def hurry(self) -> None:
        """Bring it forward, so that what is to be told is told at once."""
        loop = asyncio.get_running_loop()
        if self._is_hurried or self._handle is None:
            return
        self._is_hurried = True
        if self._handle.when() > loop.time() + _LOW_LATENCY_S:
            self._handle.cancel()
            self._handle = loop.call_later(_LOW_LATENCY_S, self._end)

    def clear(self) -> None:
        """Call nothing: the round has ended."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = None
        self._is_hurried = False
