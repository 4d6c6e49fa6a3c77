"""What is due fires once, in rounds, and only when nothing older can still be read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tests.support.kafka import wait_until
from tests.support.stream_fakes import Desk, progress, records
from worker.stream.timers import Timers


def _run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(10):
            await scenario()

    asyncio.run(limited())


def _fired(desk: Desk) -> list[bytes | None]:
    return [
        output.value
        for round_ in desk.delivery.rounds
        for output in round_.outputs
        if (output.value or b"").endswith(b":due")
    ]


async def _counted(desk: Desk, count: int) -> None:
    """Count up to *count* records of one key, and wait until they are stored."""
    desk.one.take([record._replace(key=b"one") for record in records(count)], 0, progress(count))
    desk.fold_all()
    await desk.one.settle()


def test_a_due_contact_fires_once() -> None:
    async def scenario() -> None:
        desk = Desk(is_held=False, events=1000, has_timers=True)
        timers = Timers(desk.store, desk.access, lambda: [desk.one], is_wall=True)
        await _counted(desk, 10)
        await timers.fire_due(desk.one)
        await timers.fire_due(desk.one)
        assert _fired(desk) == [b"one:10:due"]
        assert desk.store.due_before(0, 10**15, 10) == []

    _run(scenario)


def test_a_timer_waits_for_the_round_under_way_before_it_reads_the_index() -> None:
    async def scenario() -> None:
        desk = Desk(events=10, has_timers=True)
        timers = Timers(desk.store, desk.access, lambda: [desk.one], is_wall=True)
        desk.one.take([record._replace(key=b"one") for record in records(10)], 0, progress(10))
        desk.fold_all()
        await wait_until(lambda: desk.one.under_way is not None, within_s=3, every_s=0.002)
        firing = asyncio.create_task(timers.fire_due(desk.one))
        await asyncio.sleep(0)
        assert _fired(desk) == []
        desk.delivery.finish()
        desk.delivery.finish()
        await firing
        assert _fired(desk) == [b"one:10:due"]

    _run(scenario)


def test_the_wall_clock_moves_a_partition_only_when_everything_readable_was_read() -> None:
    async def scenario() -> None:
        desk = Desk(is_held=False, has_timers=True)
        timers = Timers(desk.store, desk.access, lambda: [desk.one], is_wall=True)
        desk.one.take([], 0, progress(0, highwater=5, polled_ms=9_000))
        await timers.fire_due(desk.one)
        assert desk.scoring.newest_ms is None, "records wait unread"
        desk.one.take([], 0, progress(0, highwater=0, polled_ms=9_500))
        await timers.fire_due(desk.one)
        assert desk.scoring.newest_ms == 9_500, "the moment at which the broker said so"

    _run(scenario)


def test_in_stream_time_the_clock_moves_nothing() -> None:
    async def scenario() -> None:
        desk = Desk(is_held=False, has_timers=True)
        timers = Timers(desk.store, desk.access, lambda: [desk.one], is_wall=False)
        desk.one.take([], 0, progress(0, polled_ms=9_000))
        await timers.fire_due(desk.one)
        assert desk.scoring.newest_ms is None

    _run(scenario)


def test_nothing_fires_while_contacts_are_carried_over_to_a_new_version() -> None:
    """Whoever is due would be judged by a model that has not yet taken over, and sales would hear what it did not ask to hear."""

    async def scenario() -> None:
        desk = Desk(is_held=False, events=1000, has_timers=True)
        timers = Timers(desk.store, desk.access, lambda: [desk.one], is_wall=True)
        await _counted(desk, 10)
        desk.scoring.carries_over_from = b"a key"
        await timers.fire_due(desk.one)
        assert _fired(desk) == []
        desk.scoring.carries_over_from = None
        await timers.fire_due(desk.one)
        assert _fired(desk) == [b"one:10:due"]

    _run(scenario)


def test_an_index_entry_that_stays_does_not_fire_for_ever() -> None:
    async def scenario() -> None:
        desk = Desk(is_held=False, has_timers=True)
        timers = Timers(desk.store, desk.access, lambda: [desk.one], is_wall=True)
        await _counted(desk, 10)
        desk.scoring.fire = lambda *_: None  # type: ignore[method-assign]  # as if nothing came of it
        await timers.fire_due(desk.one)
        assert len(desk.store.due_before(0, 10**15, 10)) == 1

    _run(scenario)


def test_a_timer_gets_its_turn_while_records_come_faster_than_rounds_are_carried() -> None:
    """Else nothing would cool during a long catch-up, and the watchdog would end a worker that is well."""

    async def scenario() -> None:
        desk = Desk(events=10, catching_up=10, has_timers=True)
        timers = Timers(desk.store, desk.access, lambda: [desk.one], is_wall=True)
        desk.one.take([record._replace(key=b"one") for record in records(10)], 0, progress(10, highwater=40))
        desk.fold_all()
        await wait_until(lambda: desk.one.under_way is not None, within_s=3, every_s=0.002)
        firing = asyncio.create_task(timers.fire_due(desk.one))
        await asyncio.sleep(0)
        more = [record._replace(key=b"two") for record in records(10, start=10)]
        desk.one.take(more, 10, progress(20, highwater=40))
        desk.fold_all()  # the next round is full before the one under way is durable
        desk.delivery.finish()
        await wait_until(lambda: len(desk.delivery.rounds) == 2, within_s=3, every_s=0.002)
        assert _fired(desk), "what was due went into the very next round"
        while not firing.done():
            desk.delivery.finish()
            await asyncio.sleep(0)
        assert not desk.deaths
        desk.delivery.finish()
        await desk.one.settle()

    _run(scenario)
