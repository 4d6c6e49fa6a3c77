"""Members that come and go: scaled up and down under load, and one that cannot make up its mind."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.faults.conftest import Report
from tests.support.cluster import PARTITIONS
from tests.support.faults.choices import GUARANTEES, SEED, STORES, StoreNamed
from tests.support.faults.load import draw_load
from tests.support.faults.run import FaultRun, run_faults

pytestmark = pytest.mark.faults
_WINDOW_S = 15.0


@GUARANTEES
@STORES
def test_g01_scaling_from_one_to_three_and_back_under_load_is_exact(
    brokers: str, tmp_path: Path, report: Report, store_named: StoreNamed, guarantee: str, store: str
) -> None:
    """If this fails, nobody dares to scale."""

    async def story(run: FaultRun) -> None:
        cluster, gaps = run.cluster, {}
        await run.sent(0.1)
        run.watch.take_gap()
        for step, name in (("1->2", "west"), ("2->3", "north")):
            run.start(name, is_static=False)
            await cluster.wait_ready(name)
            await _moved(run)
            gaps[step] = round(run.watch.take_gap(), 2)
        for name in ("east", "west"):
            await cluster.leave(name)
        await cluster.wait_ready("north", partitions=PARTITIONS)
        await _moved(run)
        gaps["3->1"] = round(run.watch.take_gap(), 2)
        run.figures.faults.append("1->2->3->1")
        run.figures.more["unavailable_s_by_step"] = gaps

    run = run_faults(
        brokers,
        tmp_path,
        "G01",
        story,
        load=draw_load(SEED, 9_000),
        guarantee=guarantee,
        store=store_named(store),
        workers=("east",),
        is_static=False,
        rate=300,
    )
    report(asyncio.run(run).as_document())


async def _moved(run: FaultRun) -> None:
    """Return once a twentieth more of the load is sent: whoever has come has had something to do."""
    await run.feed.reached(min(run.feed.sent + len(run.feed.records) // 20, len(run.feed.records)))


@GUARANTEES
@STORES
def test_g03_a_member_that_comes_and_goes_does_not_stop_the_others(
    brokers: str, tmp_path: Path, report: Report, store_named: StoreNamed, guarantee: str, store: str
) -> None:
    """If this fails, one broken pod stops the scoring of all."""

    async def story(run: FaultRun) -> None:
        for turn in range(6):
            run.start("flapping", is_static=False)
            if turn % 2:
                await run.cluster.wait_ready("flapping")
                await run.cluster.leave("flapping")
            else:
                flapping = run.cluster.take_out("flapping")
                await flapping.wait_for("worker_starts", within_s=90)
                flapping.kill()
        run.figures.faults.append("6 members that came and went")

    run = run_faults(
        brokers,
        tmp_path,
        "G03",
        story,
        load=draw_load(SEED, 10_000),
        guarantee=guarantee,
        store=store_named(store),
        is_static=False,
        rate=300,
    )
    figures = asyncio.run(run)
    report(figures.as_document())
    assert figures.unavailable_s is not None
    assert figures.unavailable_s < _WINDOW_S, "a partition with records waiting must move within each such window"
