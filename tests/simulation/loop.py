"""One process's event loop and the one clock of all: callbacks run when the world says so, and time passes by decree."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import worker.clock

if TYPE_CHECKING:
    from tests.simulation.world import World

WALL_MS = 1_767_225_600_000
"""The wall clock when a history begins: 2026-01-01T00:00:00Z."""
_LAST_TURNS = 400  # callbacks in which what was left of a dead process takes its leave


class Clock:
    """Stands for the module `time` in `worker.clock`."""

    def __init__(self) -> None:
        self.now = 0.0
        self.skew_ms = 0  # of the machine whose code runs right now

    def monotonic(self) -> float:
        return self.now

    def time_ns(self) -> int:
        return (WALL_MS + round(self.now * 1000) + self.skew_ms) * 1_000_000

    def process_time(self) -> float:
        return self.now


@contextmanager
def running_on(clock: Clock) -> Iterator[None]:
    """Let all of the worker's code read *clock*."""
    module: Any = worker.clock
    real, module.time = module.time, clock
    try:
        yield
    finally:
        module.time = real


class ProcessExit(SystemExit):
    """The process ends here and now: of all exceptions, tasks let only this kind through."""


class Timer:
    """What `call_later` returns."""

    __slots__ = ("_when", "args", "callback")

    def __init__(self, when: float, callback: Callable[..., Any] | None, args: tuple[Any, ...]) -> None:
        self._when = when
        self.callback = callback
        self.args = args

    def cancel(self) -> None:
        self.callback = None

    def cancelled(self) -> bool:
        return self.callback is None

    def when(self) -> float:
        return self._when


_SOON = Timer(0.0, None, ())


class ProcessLoop(asyncio.AbstractEventLoop):
    """As much of an event loop as tasks, futures, `wait`, `wait_for`, `gather` and `sleep` ask for."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.ready: deque[tuple[Callable[..., Any], tuple[Any, ...]]] = deque()
        self.tasks: list[asyncio.Task[Any]] = []
        self.is_dead = False
        self.is_gone = False  # dead, and its coroutines have ended
        self.is_frozen = False
        self.skew_ms = 0

    def call_soon(self, callback: Any, *args: Any, context: Any = None) -> Any:  # type: ignore[override]
        if self.is_gone:
            return _SOON
        if not self.ready:
            self._world.awake.append(self)
        self.ready.append((callback, args))
        return _SOON

    def call_later(self, delay: float, callback: Any, *args: Any, context: Any = None) -> Any:  # type: ignore[override]
        return self.call_at(self._world.clock.now + delay, callback, *args)

    def call_at(self, when: float, callback: Any, *args: Any, context: Any = None) -> Any:  # type: ignore[override]
        timer = Timer(when, callback, args)
        if not self.is_dead:
            self._world.at(when, self._fire, timer)
        return timer

    def _fire(self, timer: Timer) -> None:
        if timer.callback is not None and not self.is_dead:
            self.call_soon(timer.callback, *timer.args)

    def time(self) -> float:
        return self._world.clock.now

    def create_future(self) -> asyncio.Future[Any]:
        return asyncio.Future(loop=self)

    def create_task(self, coro: Any, *, name: Any = None, context: Any = None, **_: Any) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(coro, loop=self, name=name)
        tasks = self.tasks
        if len(tasks) > 200:
            self.tasks = tasks = [one for one in tasks if not one.done()]
        tasks.append(task)
        return task

    def get_debug(self) -> bool:
        return False

    def is_running(self) -> bool:
        return True

    def is_closed(self) -> bool:
        return False

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        if not self.is_dead:
            self._world.fail(f"left in silence: {context.get('message')} {context.get('exception')!r}")

    def _timer_handle_cancelled(self, handle: Any) -> None: ...

    def run_ready(self) -> bool:
        """Run what is ready until nothing is, or the world's fuse has burnt down; False when the process has ended."""
        world, ready = self._world, self.ready
        world.clock.skew_ms = self.skew_ms
        asyncio._set_running_loop(self)
        try:
            while ready and world.fuse > 0:
                world.fuse -= 1
                callback, args = ready.popleft()
                callback(*args)
        except ProcessExit:
            return False
        finally:
            asyncio._set_running_loop(None)
            world.clock.skew_ms = 0
        return True

    def bury(self) -> None:
        """Let the coroutines of a dead process end, which nobody hears any more: what they call is inert by now."""
        self.is_dead = True
        asyncio._set_running_loop(self)
        try:
            turns = 0
            for _ in range(3):
                for task in self.tasks:
                    if not task.done():
                        task.cancel()
                while self.ready and turns < _LAST_TURNS:
                    turns += 1
                    callback, args = self.ready.popleft()
                    try:
                        callback(*args)
                    except SystemExit:
                        continue
        finally:
            asyncio._set_running_loop(None)
        for task in self.tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]
        self.tasks = []
        self.ready.clear()
        self.is_gone = True

    def spawn(self, coro: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Begin a task from outside of the loop."""
        return self.create_task(coro)
