"""Workers killed at random and at every step of a round: each record counts once, each output is seen."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest

from tests.support.counting_run import counting_run
from tests.support.kafka import wait_until

GUARANTEES = ("exactly_once", "at_least_once")


async def _killed_at_random(
    brokers: str, tmp_path: Path, guarantee: str, *, kills: int, count: int, rate: float
) -> None:
    chance = random.Random(7)
    async with counting_run(brokers, tmp_path, guarantee) as run:
        worker = run.start("w", is_static=True)
        await worker.wait_ready()
        traffic = asyncio.create_task(run.send(count, rate=rate))
        for kill in range(kills):
            await asyncio.sleep(0.6 + chance.random())
            worker.kill()
            worker = run.start("w", is_static=True, wipe=bool(kill % 2))
            await worker.wait_ready()
        await traffic
        await run.assert_exact()
        assert await worker.stop() == 0


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_counts_are_exact_when_a_worker_is_killed_twice(brokers: str, tmp_path: Path, guarantee: str) -> None:
    """If this fails, a power cut changes whom sales calls."""
    asyncio.run(_killed_at_random(brokers, tmp_path, guarantee, kills=2, count=6000, rate=800))


@pytest.mark.faults
@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_counts_are_exact_when_a_worker_is_killed_six_times(brokers: str, tmp_path: Path, guarantee: str) -> None:
    asyncio.run(_killed_at_random(brokers, tmp_path, guarantee, kills=6, count=20_000, rate=1000))


async def _killed_at(brokers: str, tmp_path: Path, guarantee: str, step: str, *, wipe: bool) -> None:
    async with counting_run(brokers, tmp_path, guarantee) as run:
        worker = run.start("w", is_static=True, crash_at=f"{step}:9:SIGKILL")
        await worker.wait_ready()
        traffic = asyncio.create_task(run.send(4000, rate=1500))
        await worker.wait_ended()
        worker = run.start("w", is_static=True, wipe=wipe)
        await traffic
        await run.assert_exact()


@pytest.mark.parametrize(
    ("guarantee", "step", "wipe"),
    [
        ("exactly_once", "offsets", True),
        *(
            pytest.param(guarantee, step, wipe, marks=pytest.mark.faults)
            for guarantee, step in (
                *(("exactly_once", step) for step in ("begin", "acked", "offsets", "committed")),
                *(("at_least_once", step) for step in ("begin", "committed")),
            )
            for wipe in (False, True)
        ),
    ],
)
def test_counts_are_exact_when_a_worker_dies_at_a_step(
    brokers: str, tmp_path: Path, guarantee: str, step: str, wipe: bool
) -> None:
    asyncio.run(_killed_at(brokers, tmp_path, guarantee, step, wipe=wipe))


async def _heir_is_not_blocked(brokers: str, tmp_path: Path) -> None:
    async with counting_run(brokers, tmp_path, "exactly_once") as run:
        dying = run.start("a", crash_at="offsets:9:SIGKILL", LEADSCORE_TRANSACTION_TIMEOUT="60s")
        await dying.wait_ready()
        traffic = asyncio.create_task(run.send(3000, rate=1500))
        await dying.wait_ended()
        await run.start("b").wait_ready(within_s=15)  # the open transaction would hold it for up to 70 s
        await traffic
        await run.assert_exact()


def test_an_heir_takes_over_at_once_when_a_worker_died_inside_a_transaction(brokers: str, tmp_path: Path) -> None:
    asyncio.run(_heir_is_not_blocked(brokers, tmp_path))


async def _stops_in_good_order(brokers: str, tmp_path: Path, guarantee: str) -> None:
    async with counting_run(brokers, tmp_path, guarantee) as run:
        worker = run.start("w")
        await worker.wait_ready()
        await run.send(3000)
        assert await worker.stop() == 0
        assert await run.members() == 0
        counted = (await run.stored_counts()).total()
        committed = await run.committed()
        assert counted == sum(committed.values()), "what was folded is durable and committed, nothing more"
        worker = run.start("w")
        await run.assert_exact()

        async def all_committed() -> bool:
            return sum((await run.committed()).values()) == run.sent.total()

        await wait_until(all_committed, within_s=15, what="offsets of everything committed")


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_a_worker_finishes_its_rounds_and_leaves_the_group_when_told_to_stop(
    brokers: str, tmp_path: Path, guarantee: str
) -> None:
    asyncio.run(_stops_in_good_order(brokers, tmp_path, guarantee))
