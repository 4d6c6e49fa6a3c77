"""What ends a worker that has stopped to be one, and what does not: brokers that are away, a store that is, a freeze."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace

import pytest

from tests.support.stream_fakes import Desk, progress
from worker.clock import Deadline, monotonic, now_ms
from worker.errors import RestartRequired
from worker.stream.watchdog import LoopGuard, Watchdog


def _watchdog(desk: Desk, away: list[str], *, timers_idle_s: float = 0.0) -> Watchdog:
    timers = SimpleNamespace(moved_at=monotonic() - timers_idle_s)
    return Watchdog(SimpleNamespace(owned={0: desk.one}), lambda: None, timers, lambda: bool(away))  # type: ignore[arg-type]


async def _settled(desk: Desk) -> None:
    desk.delivery.finish()
    await desk.one.settle()


def test_a_round_may_take_as_long_as_brokers_or_store_are_away_and_has_all_its_time_again_afterwards() -> None:
    """If this fails, workers end again and again while a broker is away, and are in their supervisor's back-off when it is back."""

    async def scenario() -> None:
        desk, away = Desk(events=3), ["broker"]
        desk.poll(3)
        desk.fold_all()
        desk.one.under_way_since -= 3600
        watchdog = _watchdog(desk, away, timers_idle_s=3600)
        watchdog.look()
        away.clear()
        watchdog.look()  # back just now
        watchdog._excused_at -= 61
        with pytest.raises(RestartRequired, match="timers"):
            watchdog.look()
        await _settled(desk)

    asyncio.run(scenario())


def test_a_client_task_that_has_ended_is_no_matter_of_brokers() -> None:
    async def scenario() -> None:
        ended = asyncio.create_task(asyncio.sleep(0))
        await ended
        consumer = SimpleNamespace(
            _coordinator=SimpleNamespace(_coordination_task=ended), _fetcher=SimpleNamespace(_fetch_task=None)
        )
        watchdog = Watchdog(
            SimpleNamespace(owned={}),  # type: ignore[arg-type]
            lambda: consumer,
            SimpleNamespace(moved_at=monotonic()),  # type: ignore[arg-type]
            lambda: True,
        )
        with pytest.raises(RestartRequired, match="group coordination ended in silence"):
            watchdog.look()

    asyncio.run(scenario())


def test_a_partition_that_an_operator_has_to_mend_is_no_stall() -> None:
    async def scenario() -> None:
        desk = Desk()
        desk.one.take([], 0, progress(0, highwater=5, polled_ms=now_ms()))
        desk.one.moved_at -= 3600
        desk.one.stopped = SimpleNamespace(offset=0)  # type: ignore[assignment]
        _watchdog(desk, []).look()
        desk.one.stopped = None
        with pytest.raises(RestartRequired, match="none was read"):
            _watchdog(desk, []).look()

    asyncio.run(scenario())


def test_a_loop_that_stands_still_ends_the_process_from_outside() -> None:
    """If this fails, a worker that hangs keeps its partitions for ever: its heartbeats have a thread of their own."""
    deaths: list[BaseException] = []
    died = threading.Event()

    def die(error: BaseException) -> None:
        deaths.append(error)
        died.set()

    guard = LoopGuard(lambda: 5.0, die, blocked_s=0.2)
    guard.start()
    try:
        assert died.wait(10)
    finally:
        guard.stop()
        guard._thread.join(10)
    assert [type(error) for error in deaths] == [RestartRequired]
    assert "event loop" in str(deaths[0])


def test_a_loop_that_turns_slowly_goes_on() -> None:
    deaths: list[BaseException] = []
    turns, deadline = iter(range(1_000_000)), Deadline(1.0)
    guard = LoopGuard(lambda: next(turns) // 3, deaths.append, blocked_s=0.2)
    guard.start()
    while not deadline.has_passed and not deaths:
        guard._thread.join(0.05)
    guard.stop()
    guard._thread.join(10)
    assert deaths == []
