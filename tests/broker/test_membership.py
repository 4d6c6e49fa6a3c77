"""A worker as a member of its group: how it leaves, what stays committed, and what it says when a topic goes away."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.support.counting_run import PARTITIONS, CountingRun, counting_run
from tests.support.kafka import admin_of, wait_until
from tests.support.worker_process import WorkerProcess
from worker.settings import load_settings
from worker.stream.app import _faust_options

GUARANTEES = ("exactly_once", "at_least_once")


async def _repeated(run: CountingRun) -> int:
    published = await run.published()
    return published.total() - len(published)


async def _stops_under_load(brokers: str, tmp_path: Path, guarantee: str) -> None:
    async with counting_run(brokers, tmp_path, guarantee) as run:
        worker = run.start("w")
        await worker.wait_ready()
        traffic = asyncio.create_task(run.send(6000, rate=1500))
        await _has_committed(run, 200)
        assert await worker.stop() == 0
        assert await run.members() == 0, "it has left, so that others need not wait for its session to end"
        worker = run.start("w")
        await worker.wait_ready(within_s=10)
        await traffic
        await run.assert_exact()
        assert await _repeated(run) == 0, "what was open was finished, not begun again"
        assert await worker.stop() == 0


async def _has_committed(run: CountingRun, at_least: int) -> None:
    async def enough() -> bool:
        return sum((await run.committed()).values()) >= at_least

    await wait_until(enough, within_s=30, what=f"{at_least} records committed")


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_a_worker_that_is_stopped_under_load_finishes_its_rounds_and_leaves_at_once(
    brokers: str, tmp_path: Path, guarantee: str
) -> None:
    asyncio.run(_stops_under_load(brokers, tmp_path, guarantee))


async def _stops_while_restoring(brokers: str, tmp_path: Path) -> None:
    async with counting_run(brokers, tmp_path, "exactly_once", keys=4000) as run:
        worker = run.start("w")
        await worker.wait_ready()
        await run.send(8000)
        await run.wait_counted()
        assert await worker.stop() == 0
        worker = run.start("w", wipe=True, TEST_SLOW_RESTORE_S="30")
        await worker.wait_for("partitions_assigned")
        assert await worker.stop(within_s=10) == 0
        assert worker.events("partitions_ready") == []
        assert await run.members() == 0
        worker = run.start("w")
        await worker.wait_ready()
        await run.send(500)
        await run.assert_exact()


def test_a_worker_that_is_stopped_while_it_restores_does_not_wait_for_the_end(brokers: str, tmp_path: Path) -> None:
    asyncio.run(_stops_while_restoring(brokers, tmp_path))


async def _stops_while_others_join(brokers: str, tmp_path: Path, guarantee: str) -> None:
    async with counting_run(brokers, tmp_path, guarantee) as run:
        first = run.start("a")
        await first.wait_ready()
        traffic = asyncio.create_task(run.send(4000, rate=1000))
        second = run.start("b")
        await second.wait_for("worker_starts")  # it joins now, and the first gives everything up
        assert await first.stop() == 0
        await second.wait_ready()
        await wait_until(lambda: _owned(second) == PARTITIONS, within_s=20, what="all partitions with the second")
        await traffic
        await run.assert_exact()
        assert await _repeated(run) == 0


def _owned(worker: WorkerProcess) -> int:
    ready = worker.events("partitions_ready")
    return len(ready[-1]["offsets"]) if ready else 0


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_a_worker_that_is_stopped_in_the_middle_of_a_rebalance_ends_with_0_and_repeats_nothing(
    brokers: str, tmp_path: Path, guarantee: str
) -> None:
    asyncio.run(_stops_while_others_join(brokers, tmp_path, guarantee))


async def _stops_while_a_join_waits(brokers: str, tmp_path: Path, guarantee: str) -> None:
    async with counting_run(brokers, tmp_path, guarantee, session_ms=20_000) as run:
        at_work, frozen = run.start("a"), run.start("b")
        await wait_until(lambda: _owned(at_work) == _owned(frozen) == PARTITIONS / 2, within_s=60, what="both at work")
        await run.send(400)
        await run.wait_counted()
        frozen.signal(signal.SIGSTOP)  # nobody gets a partition before it answers, or its session has ended
        new = run.start("c")
        given_up = len(at_work.events("partitions_given_up"))
        await at_work.wait_for("partitions_given_up", count=given_up + 1, within_s=60)
        await new.wait_for("worker_starts")
        for worker in (at_work, new):
            assert await worker.stop(within_s=10) == 0, "it does not wait for the others"
            assert _complaints(worker) == []
        assert await run.members() == 1, "they have left"
        frozen.signal(signal.SIGCONT)
        await wait_until(lambda: _owned(frozen) == PARTITIONS, within_s=60, what="all partitions with the last one")
        await run.send(400)
        await run.assert_exact()


def _complaints(worker: WorkerProcess) -> list[str]:
    """Return what *worker* has logged since it was told to stop that is an error, a traceback, or a beginning."""
    ending = worker.log_text().partition('"worker_stops"')[2].splitlines()[1:]
    wrong = ('"ERROR"', '"CRITICAL"', "partitions_assigned", "group_not_left")
    return [line for line in ending if not line.startswith("{") or any(word in line for word in wrong)]


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_a_worker_that_is_stopped_while_its_join_waits_for_others_leaves_at_once_and_without_an_error(
    brokers: str, tmp_path: Path, guarantee: str
) -> None:
    """If this fails, each stop in a rebalance takes its whole deadline, and wakes somebody by its errors."""
    asyncio.run(_stops_while_a_join_waits(brokers, tmp_path, guarantee))


async def _stops_twice(brokers: str, tmp_path: Path) -> None:
    async with counting_run(brokers, tmp_path, "exactly_once") as run:
        worker = run.start("w", crash_at="offsets:3:SIGSTOP")
        await worker.wait_ready()
        traffic = asyncio.create_task(run.send(1500, rate=1500))
        await worker.wait_for("crash_point")  # it stands inside a transaction
        for number in (signal.SIGTERM, signal.SIGINT):
            worker.signal(number)
        worker.signal(signal.SIGCONT)
        assert await worker.wait_ended(within_s=10) == 70, "the second signal is not waited for"
        await traffic
        run.start("w")
        await run.assert_exact()
        assert await _repeated(run) == 0


def test_a_second_signal_ends_a_worker_at_once_and_nothing_is_lost(brokers: str, tmp_path: Path) -> None:
    asyncio.run(_stops_twice(brokers, tmp_path))


async def _never_returns(brokers: str, tmp_path: Path) -> None:
    async with counting_run(brokers, tmp_path, "exactly_once", session_ms=15_000) as run:
        first, second = run.start("a", is_static=True), run.start("b", is_static=True)
        await wait_until(lambda: _owned(first) + _owned(second) == PARTITIONS, within_s=40, what="all partitions owned")
        assert await first.stop() == 0
        assert await run.members() == 2, "its place is kept for it"
        await run.send(500)
        await wait_until(lambda: _owned(second) == PARTITIONS, within_s=50, what="the heir has them")
        await run.assert_exact()


def test_partitions_of_a_static_member_that_never_returns_move_when_its_session_has_ended(
    brokers: str, tmp_path: Path
) -> None:
    asyncio.run(_never_returns(brokers, tmp_path))


async def _rests(brokers: str, tmp_path: Path, guarantee: str) -> None:
    async with counting_run(brokers, tmp_path, guarantee) as run:
        worker = run.start("w")
        await worker.wait_ready()
        await run.send(700)
        await run.wait_counted()
        consumer = AIOKafkaConsumer(bootstrap_servers=brokers)
        await consumer.start()
        try:
            places = [TopicPartition(run.input, number) for number in range(PARTITIONS)]

            async def nothing_behind() -> bool:
                ends = await consumer.end_offsets(places)
                async with admin_of(brokers) as admin:
                    found = await admin.list_consumer_group_offsets(run.name)
                return bool({place: found[place].offset for place in places if place in found} == ends)

            await wait_until(nothing_behind, within_s=15, what="committed offsets at the ends of the log", every_s=0.3)
        finally:
            await consumer.stop()


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_lag_as_anybody_measures_it_is_0_at_rest(brokers: str, tmp_path: Path, guarantee: str) -> None:
    """If this fails, every lag alert of every operator rings for ever."""
    asyncio.run(_rests(brokers, tmp_path, guarantee))


async def _topic_vanishes(brokers: str, tmp_path: Path) -> None:
    async with counting_run(brokers, tmp_path, "exactly_once") as run:
        worker = run.start("w")
        await worker.wait_ready()
        await run.send(200)
        await run.wait_counted()
        async with admin_of(brokers) as admin:
            await admin.delete_topics([run.input])
        assert await worker.wait_ended(within_s=60) == 78
        reason = worker.events("worker_ends")[0]["reason"]
        assert run.input in reason


def test_a_worker_whose_topic_is_deleted_ends_and_names_it(brokers: str, tmp_path: Path) -> None:
    """If this fails, it stays a member of the group, looks healthy, and reads nothing, for ever."""
    asyncio.run(_topic_vanishes(brokers, tmp_path))


def test_a_static_members_address_is_made_of_its_name_alone() -> None:
    """Faust's assignor stops for good when a member comes back from another address than it remembers."""

    async def address(**web: str) -> str:
        settings = load_settings({"LEADSCORE_BROKERS": "one:9092", "LEADSCORE_INSTANCE_ID": "pod-1", **web})
        return str(_faust_options(settings)["canonical_url"])

    one = asyncio.run(address(LEADSCORE_WEB_BIND="127.0.0.1", LEADSCORE_WEB_PORT="6066"))
    two = asyncio.run(address(LEADSCORE_WEB_BIND="10.1.2.3", LEADSCORE_WEB_PORT="80"))
    assert one == two
    assert "pod-1" in one
