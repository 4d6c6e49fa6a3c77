"""Finds what a test has started and not ended: threads, event loops, tasks."""

from __future__ import annotations

import asyncio
import threading
import weakref
from typing import Any

import pytest

GRACE_SECONDS = 1.0  # a thread that has been told to stop may need a moment

_loops: weakref.WeakSet[asyncio.BaseEventLoop] = weakref.WeakSet()


def watch_loops(patch: pytest.MonkeyPatch) -> None:
    """Note every event loop made from now on, until *patch* is undone; the interpreter itself keeps no list of them."""
    make = asyncio.BaseEventLoop.__init__

    def noted(self: asyncio.BaseEventLoop, *args: Any, **kwargs: Any) -> None:
        make(self, *args, **kwargs)
        _loops.add(self)

    patch.setattr(asyncio.BaseEventLoop, "__init__", noted)


class Leftovers:
    """What runs at the moment of construction is not the test's; `found` lists what has come since and stays."""

    def __init__(self) -> None:
        self._threads = set(threading.enumerate())
        self._loops = set(_loops)

    def found(self, grace_seconds: float = GRACE_SECONDS) -> list[str]:
        """Return a line for each thread, open loop and unfinished task that is left after *grace_seconds*."""
        return [*self._left_threads(grace_seconds), *self._left_on_loops()]

    def _left_threads(self, grace_seconds: float) -> list[str]:
        new = [thread for thread in threading.enumerate() if thread not in self._threads]
        for thread in new:
            thread.join(grace_seconds / len(new))
        return [f"thread {thread.name}" for thread in new if thread.is_alive()]

    def _left_on_loops(self) -> list[str]:
        lines = []
        for loop in set(_loops) - self._loops:
            lines += [f"task {task.get_name()}: {task.get_coro()}" for task in asyncio.all_tasks(loop)]
            if not loop.is_closed():
                lines.append(f"event loop {loop}")
                loop.close()  # or every later test would pay for this one
        return lines
