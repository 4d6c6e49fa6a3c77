"""Several workers: partitions move, members freeze and come back; each record counts once."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.support.counting_run import PARTITIONS, CountingRun, counting_run
from tests.support.kafka import wait_until
from tests.support.worker_process import WorkerProcess


async def _rebalances(brokers: str, tmp_path: Path, guarantee: str) -> None:
    async with counting_run(brokers, tmp_path, guarantee) as run:
        first = run.start("a")
        await first.wait_ready()
        traffic = asyncio.create_task(run.send(9000, rate=1000))
        second = run.start("b")
        await second.wait_ready()
        await first.wait_ready(count=2)
        assert len(second.events("partitions_ready")[0]["offsets"]) == 2
        assert await first.stop() == 0
        await second.wait_ready(count=2)
        assert len(second.events("partitions_ready")[1]["offsets"]) == 4
        await traffic
        await run.assert_exact()
        if guarantee == "at_least_once":
            assert (await run.published()).total() == len(await run.published()), "a graceful move repeats nothing"
        assert await second.stop() == 0


@pytest.mark.parametrize("guarantee", ["exactly_once", pytest.param("at_least_once", marks=pytest.mark.faults)])
def test_counts_are_exact_when_a_worker_joins_and_another_leaves(brokers: str, tmp_path: Path, guarantee: str) -> None:
    asyncio.run(_rebalances(brokers, tmp_path, guarantee))


async def _commits(run: CountingRun, more: int) -> None:
    """Wait until *more* records than now are committed in every partition, whoever does it."""
    before = await run.committed()

    async def has_moved() -> bool:
        now = await run.committed()
        return len(now) == PARTITIONS and all(now[place] >= before.get(place, 0) + more for place in now)

    await wait_until(has_moved, within_s=30, what=f"{more} more records committed in each partition")


async def _freezes(run: CountingRun, *, step: str) -> WorkerProcess:
    """Let a worker freeze for longer than its session, while another takes over, and wake it."""
    zombie = run.start("a", crash_at=f"{step}:12:SIGSTOP" if step else "")
    await zombie.wait_ready()
    heir = run.start("b")
    await heir.wait_ready()
    await zombie.wait_ready(count=2)
    traffic = asyncio.create_task(run.send(9000, rate=900))
    if step:
        await zombie.wait_for("crash_point")
    else:
        await _commits(run, 300)  # it is in the middle of its work
        zombie.signal(signal.SIGSTOP)
    await heir.wait_ready(count=2, within_s=30)
    await _commits(run, 50)  # the heir has written what the zombie does not know
    zombie.signal(signal.SIGCONT)
    if step:
        assert await zombie.wait_ended() == 70
        assert len(zombie.events("worker_ends")) == 1
    await traffic
    return zombie


async def _zombie(brokers: str, tmp_path: Path, guarantee: str, step: str) -> None:
    async with counting_run(brokers, tmp_path, guarantee) as run:
        zombie = await _freezes(run, step=step)
        for worker in list(run.workers):
            if worker.exit_code is not None:
                run.start(worker.name)  # as a supervisor would: a worker that saw foreign rows has ended too
        await run.assert_exact()
        assert zombie.exit_code in {None, 70}


@pytest.mark.parametrize(
    ("guarantee", "step"),
    [
        ("exactly_once", "begin"),
        ("at_least_once", "begin"),
        *(
            pytest.param("exactly_once", step, marks=pytest.mark.faults)
            for step in ("", "begin", "acked", "offsets", "committed")
        ),
        *(pytest.param("at_least_once", step, marks=pytest.mark.faults) for step in ("", "begin", "begin")),
    ],
)
def test_counts_are_exact_when_a_frozen_worker_comes_back(
    brokers: str, tmp_path: Path, guarantee: str, step: str
) -> None:
    """If this fails, a paused virtual machine loses or doubles leads, and nobody notices."""
    asyncio.run(_zombie(brokers, tmp_path, guarantee, step))


async def _returns(brokers: str, tmp_path: Path) -> None:
    async with counting_run(brokers, tmp_path, "exactly_once", session_ms=30_000) as run:
        first, second = run.start("a", is_static=True), run.start("b", is_static=True)
        await first.wait_ready()
        await second.wait_ready()
        await wait_until(lambda: _owned(first) + _owned(second) == 4, within_s=30, what="all partitions owned")
        before, rebalances = _owned(first), len(second.events("partitions_assigned"))
        traffic = asyncio.create_task(run.send(3000, rate=600))
        assert await first.stop() == 0
        assert await run.members() == 2, "a static member does not leave"
        first = run.start("a", is_static=True)
        await first.wait_ready(within_s=25)
        first.kill()
        first = run.start("a", is_static=True)
        await first.wait_ready(within_s=25)
        assert _owned(first) == before
        generations = {event["generation"] for one in run.workers for event in one.events("partitions_assigned")[-1:]}
        assert generations == {second.events("partitions_assigned")[-1]["generation"]}, "no partition moved"
        await traffic
        await run.assert_exact()
        assert len(second.events("partitions_assigned")) == rebalances, "the other worker was left alone"


def _owned(worker: WorkerProcess) -> int:
    ready = worker.events("partitions_ready")
    return len(ready[-1]["offsets"]) if ready else 0


def test_a_static_member_returns_to_its_partitions_without_a_rebalance(brokers: str, tmp_path: Path) -> None:
    asyncio.run(_returns(brokers, tmp_path))


async def _same_identity_twice(brokers: str, tmp_path: Path) -> None:
    async with counting_run(brokers, tmp_path, "exactly_once") as run:
        first = run.start("a", is_static=True)
        await first.wait_ready()
        await run.send(500)
        second = WorkerProcess(tmp_path / "copy", "copy", run.environ(LEADSCORE_INSTANCE_ID="a"))
        run.workers.append(second)
        await second.wait_ready()
        assert await first.wait_ended(within_s=20) == 78, "not 70: started again it would throw the newer one out"
        (end,) = first.events("worker_ends")
        assert end["code"] == "config.invalid"
        assert "LEADSCORE_INSTANCE_ID: another process has joined the group as a" in end["reason"]
        await run.send(500)
        await run.assert_exact()


def test_the_older_of_two_workers_with_one_identity_ends(brokers: str, tmp_path: Path) -> None:
    asyncio.run(_same_identity_twice(brokers, tmp_path))
