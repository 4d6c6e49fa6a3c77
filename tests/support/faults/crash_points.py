"""
Where inside a round a worker can be made to end itself; production code has no hook.

`begin`: nothing is sent. `publishing`: outputs are not sent (where they go first, that is the begin). `published`: outputs are
acknowledged, the changelog is not sent. `acked`: data is acknowledged, offsets are not sent. `offsets`: offsets are accepted, the
transaction is not committed. `committed`: durable, not in the store. `stored`: in the store, and nobody outside knows.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from worker.pipeline import Round

STEPS: Mapping[str, Sequence[str]] = {
    "exactly_once": ("begin", "acked", "offsets", "committed", "stored"),
    "at_least_once": ("begin", "publishing", "published", "committed", "stored"),
}
"""By guarantee, in their order."""
CRASH_AT = "TEST_CRASH_AT"
"""Variable with ``<step>:<n>:<signal>``: at the nth time that the delivery reaches *step*, the process sends itself *signal*."""
DIE_AT = Path("die-at")
"""
File in the working directory with ``<step> <signal>``: at *step* of the next round that tells sales something, the process sends
itself *signal*, once.
"""

Reach = Callable[[str], None]
_is_telling: ContextVar[bool] = ContextVar("_is_telling", default=False)  # each round is a task of its own


def counted(crash_at: str) -> Reach:
    """Return what ends the process at the nth time of a step, as *crash_at* says."""
    wanted, nth, name = crash_at.split(":")
    left, number = int(nth), signal.Signals[name]

    def reach(step: str) -> None:
        nonlocal left
        if step == wanted:
            left -= 1
            if left == 0:
                _end(number)

    return reach


def ordered(step: str) -> None:
    """End or stop the process when the file says so, in a round that tells sales something."""
    if not _is_telling.get() or not DIE_AT.exists():
        return
    wanted, name = DIE_AT.read_text("utf-8").split()
    if wanted == step:
        DIE_AT.unlink()  # who is only stopped goes on
        _end(signal.Signals[name])


def _end(number: signal.Signals) -> None:
    os.write(2, b'{"event": "crash_point"}\n')
    os.kill(os.getpid(), number)


class DyingDelivery:
    """
    A delivery that says which step a round has reached.

    Args:
        inner: The real one, a Delivery.
        reach: Is told each step before what follows it.
        telling: Topic of what tells sales something.
    """

    def __init__(self, inner: Any, reach: Reach, telling: str = "") -> None:
        self._inner = inner
        self._reach = reach
        self._telling = telling
        self.merges_by_fence: bool = inner.merges_by_fence
        if hasattr(inner, "_append"):
            module: Any = import_module("worker.stream.delivery_at_least_once")
            module.send = self._before_outputs(module.send, self._inner._settings.changelog_topic)
            self._inner._append = self._before(self._inner._append, "published")
        else:
            from worker.kafka.aiokafka_private import SharedClientProducer as Producer

            Producer.send_offsets_to_transaction = self._before(Producer.send_offsets_to_transaction, "acked")
            Producer.commit_transaction = self._before(Producer.commit_transaction, "offsets")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def deliver(self, partition: int, round_: Round) -> int:
        _is_telling.set(any(output.topic == self._telling for output in round_.outputs))
        self._reach("begin")
        last: int = await self._inner.deliver(partition, round_)
        self._reach("committed")
        return last

    def done(self, partition: int, next_offset: int) -> None:
        self._reach("stored")
        self._inner.done(partition, next_offset)

    def _before(self, method: Callable[..., Any], step: str) -> Any:
        async def hooked(*args: Any) -> Any:
            self._reach(step)
            return await method(*args)

        return hooked

    def _before_outputs(self, send: Callable[..., Any], changelog: str) -> Any:
        async def hooked(producer: Any, rows: Mapping[Any, Any], *args: Any, **options: Any) -> Any:
            if any(place.topic != changelog for place in rows):
                self._reach("publishing")
            return await send(producer, rows, *args, **options)

        return hooked
