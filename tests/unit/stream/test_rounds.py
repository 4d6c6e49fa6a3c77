"""When a round ends, what it holds, and that a partition never has two under way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.support.kafka import wait_until
from tests.support.stream_fakes import Desk, progress, records
from worker.errors import RestartRequired
from worker.stream.surroundings import RoundLimits


def _run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(10):
            await scenario()

    asyncio.run(limited())


async def _until(holds: Callable[[], bool]) -> None:
    await wait_until(holds, within_s=3, every_s=0.002)


def test_a_round_ends_when_it_holds_its_number_of_records() -> None:
    async def scenario() -> None:
        desk = Desk(events=10)
        desk.poll(10)
        desk.fold_all()
        await _until(lambda: len(desk.delivery.rounds) == 1)
        assert desk.delivery.rounds[0].events == 10
        assert desk.delivery.rounds[0].next_offset == 10

    _run(scenario)


def test_a_round_ends_by_time_when_few_records_come() -> None:
    async def scenario() -> None:
        desk = Desk(events=1000)
        desk.poll(3)
        desk.fold_all()
        assert desk.delivery.rounds == []
        await _until(lambda: len(desk.delivery.rounds) == 1)
        assert desk.delivery.rounds[0].events == 3

    _run(scenario)


def test_a_round_ends_when_it_would_write_too_much() -> None:
    async def scenario() -> None:
        desk = Desk(events=1000, dirty_bytes=600)  # two dirty keys of the counting pipeline
        desk.poll(2)
        desk.fold_all()
        await _until(lambda: len(desk.delivery.rounds) == 1)

    _run(scenario)


def test_a_round_ends_when_memory_is_short() -> None:
    async def scenario() -> None:
        desk = Desk(events=100_000, catching_up=100_000)
        desk.scoring.memory_is_short = True
        desk.poll(5_000)
        desk.fold_all()
        await _until(lambda: len(desk.delivery.rounds) == 1)
        assert desk.delivery.rounds[0].events == 2_000, "what is folded in one go"
        assert desk.one.can_fold, "the rest waits"

    _run(scenario)


def test_records_are_folded_while_a_round_is_under_way_and_wait_for_it_to_be_written() -> None:
    async def scenario() -> None:
        desk = Desk(events=10, catching_up=10)
        desk.poll(25)
        desk.fold_all()
        await _until(lambda: len(desk.delivery.rounds) == 1)
        desk.fold_all()
        assert desk.scoring.pending == 10, "a full round waits behind the one that is under way"
        assert not desk.one.fold_next(), "and nothing more is folded"
        desk.delivery.finish()
        await _until(lambda: len(desk.delivery.rounds) == 2)
        desk.fold_all()
        assert desk.scoring.pending == 5
        assert desk.deaths == []

    _run(scenario)


def test_a_round_holds_more_while_catching_up() -> None:
    async def scenario() -> None:
        desk = Desk(events=10, catching_up=50)
        desk.poll(60, highwater=200)
        desk.fold_all()
        await _until(lambda: len(desk.delivery.rounds) == 1)
        assert desk.delivery.rounds[0].events == 50

    _run(scenario)


def test_the_store_and_the_offset_follow_only_when_the_round_is_durable() -> None:
    async def scenario() -> None:
        desk = Desk(events=3)
        desk.poll(3)
        desk.fold_all()
        await _until(lambda: len(desk.delivery.rounds) == 1)
        assert desk.store.changelog_offset(0) is None
        assert desk.one.committed == 0
        desk.delivery.finish()
        await _until(lambda: desk.one.under_way is None)
        assert desk.store.changelog_offset(0) == 3  # three keys and the partition row
        assert (desk.one.committed, desk.delivery.done_offsets, desk.observed) == (3, [3], [0])

    _run(scenario)


def test_a_failed_delivery_ends_the_process_and_writes_nothing() -> None:
    async def scenario() -> None:
        desk = Desk(events=3)

        async def refuse(*_: object) -> int:
            raise RestartRequired(what="test", problem="not acknowledged")

        desk.delivery.deliver = refuse  # type: ignore[assignment]
        desk.poll(3)
        desk.fold_all()
        await _until(lambda: len(desk.deaths) == 1)
        assert desk.store.changelog_offset(0) is None
        assert desk.delivery.done_offsets == []

    _run(scenario)


def test_a_foreign_write_to_the_store_ends_the_process() -> None:
    async def scenario() -> None:
        desk = Desk(events=3, is_held=False)
        desk.store.write(0, {b"k0": b"foreign"}, [], [], None, 99)
        desk.poll(3)
        desk.scoring._states = {}
        desk.one._get_many = lambda keys: [None] * len(keys)  # type: ignore[assignment]
        desk.fold_all()
        await _until(lambda: len(desk.deaths) == 1)
        assert isinstance(desk.deaths[0], RestartRequired)

    _run(scenario)


def test_settling_waits_for_the_round_under_way_and_for_the_open_one() -> None:
    async def scenario() -> None:
        desk = Desk(events=10)
        desk.poll(13)
        desk.fold_all()
        await _until(lambda: len(desk.delivery.rounds) == 1)
        desk.fold_all()
        settling = asyncio.create_task(desk.one.settle())
        desk.delivery.finish()
        desk.delivery.finish()
        await settling
        assert desk.one.committed == 13

    _run(scenario)


def test_a_position_behind_control_records_is_committed_alone_once_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        desk = Desk(is_held=False)
        desk.one.take([], 0, progress(2))
        desk.one.end_idle_round()
        assert desk.delivery.rounds == [], "not within the first second"
        monkeypatch.setattr(desk.one, "ended_at", desk.one.ended_at - 1.0)
        desk.one.end_idle_round()
        await _until(lambda: desk.one.committed == 2)
        assert desk.delivery.rounds[0].next_offset == 2
        monkeypatch.setattr(desk.one, "ended_at", desk.one.ended_at - 1.0)
        desk.one.end_idle_round()
        assert len(desk.delivery.rounds) == 1, "nothing has moved since"

    _run(scenario)


def test_a_round_commits_the_position_only_when_nothing_before_it_waits() -> None:
    async def scenario() -> None:
        desk = Desk(events=10, catching_up=10)
        desk.one.take(records(20), 0, progress(24))  # four control or aborted records at the end
        desk.one.fold_next()
        desk.one.end_round()
        desk.delivery.finish()
        await _until(lambda: desk.one.under_way is None)
        assert desk.delivery.rounds[0].next_offset == 10
        desk.fold_all()
        await _until(lambda: len(desk.delivery.rounds) == 2)
        assert desk.delivery.rounds[1].next_offset == 24

    _run(scenario)


def test_a_poll_that_skips_offsets_is_refused() -> None:
    """If this fails, a client that seeks by itself loses events in silence."""

    async def scenario() -> None:
        desk = Desk()
        desk.poll(3)
        with pytest.raises(RestartRequired, match="reading went on at offset 5 instead of 3"):
            desk.one.take(records(2, start=5), 5, progress(7))

    _run(scenario)


def test_low_latency_ends_a_round_soon_after_a_transition() -> None:
    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        desk = Desk(events=1000, low_latency=True, busy=400)  # rounds of 2.8 s otherwise
        began = loop.time()
        desk.one.take([record._replace(key=b"one") for record in records(10)], 0, progress(10))
        desk.fold_all()
        await _until(lambda: len(desk.delivery.rounds) == 1)
        assert loop.time() - began < 1.0

    _run(scenario)


@pytest.mark.parametrize(
    ("busy", "is_catching_up", "seconds"),
    [(1, False, 0.1), (14, False, 0.1), (16, False, 0.112), (100, False, 0.7), (4, True, 1.0)],
)
def test_rounds_last_longer_with_many_busy_partitions(busy: int, is_catching_up: bool, seconds: float) -> None:
    limits = RoundLimits(2000, 20_000, 8 << 20, is_low_latency=False)
    assert limits.seconds(busy, is_catching_up=is_catching_up) == pytest.approx(seconds)


def test_a_closed_partition_writes_nothing_more() -> None:
    async def scenario() -> None:
        desk = Desk(events=1000)
        desk.poll(5)
        desk.fold_all()
        desk.one.close()
        desk.one.end_round()
        assert desk.delivery.rounds == []

    _run(scenario)
