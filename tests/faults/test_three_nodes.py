"""Three brokers, replication 3: leaders that move, are killed, and too few replicas."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.faults.conftest import Report
from tests.support.faults.choices import GUARANTEES, SEED
from tests.support.faults.figures import Figures
from tests.support.faults.load import draw_load
from tests.support.faults.nodes import caught_up, chase_leader, move_leaders
from tests.support.faults.plan import Fault, carry_out, draw_plan
from tests.support.faults.run import FaultRun, Story, run_faults
from tests.support.kafka import wait_until
from tests.support.three_nodes import ThreeNodes

pytestmark = pytest.mark.faults


def _run(nodes: ThreeNodes, tmp_path: Path, scenario: str, story: Story, guarantee: str, *, events: int) -> Figures:
    async def among_elections(run: FaultRun) -> None:
        run.watch.may_see_stale_commits = True
        await story(run)

    return asyncio.run(
        run_faults(
            nodes.bootstrap_servers,
            tmp_path,
            scenario,
            among_elections,
            load=draw_load(SEED, events),
            guarantee=guarantee,
            rate=500.0,
            rest_within_s=120.0,
            forgives=True,
            patience_s=120.0,
            LEADSCORE_REPLICATION="3",
        )
    )


@GUARANTEES
def test_b01_brokers_restarted_one_after_the_other_cost_nothing(tmp_path: Path, report: Report, guarantee: str) -> None:
    """If this fails, a rolling upgrade of Kafka loses events or doubles them."""
    with ThreeNodes() as nodes:

        async def story(run: FaultRun) -> None:
            chased = [chase_leader(nodes, turn % 4, is_killed=bool(turn % 2)) for turn in range(5)]
            await carry_out(run, draw_plan(SEED, chased))

        report(_run(nodes, tmp_path, "B01", story, guarantee, events=12_000).as_document())


@GUARANTEES
def test_b05_leaders_that_move_while_batches_are_under_way_cost_nothing(
    tmp_path: Path, report: Report, guarantee: str
) -> None:
    """If this fails, an election in the middle of a batch loses it or writes it twice."""
    with ThreeNodes() as nodes:

        async def story(run: FaultRun) -> None:
            await carry_out(run, draw_plan(SEED, [move_leaders(nodes) for _ in range(4)]))

        report(_run(nodes, tmp_path, "B05", story, guarantee, events=10_000).as_document())


@GUARANTEES
def test_b06_too_few_replicas_stall_the_worker_and_nothing_is_committed_past_the_changelog(
    tmp_path: Path, report: Report, guarantee: str
) -> None:
    """If this fails, the source is done with events that only one disk has, and that disk may be the next to go."""
    with ThreeNodes(voters=1) as nodes:

        async def act(run: FaultRun) -> None:
            log = run.cluster.settings.changelog_topic
            await asyncio.to_thread(nodes.kill, 2, 3)
            await nodes.wait_in_sync(log, replicas=1)
            await asyncio.sleep(3.0)  # answers that were under way
            before, waiting = dict(run.watch.applied), run.watch.steps[-1:]
            await asyncio.sleep(10.0)  # the fault
            assert run.watch.applied == before, "rows were acknowledged by too few replicas"
            for number, offset in (await run.cluster.committed()).items():
                assert offset <= before[number], f"partition {number} is committed at {offset} of {before[number]}"
            assert run.watch.steps[-1:] == waiting
            await asyncio.to_thread(nodes.start, 2, 3)
            await nodes.wait_in_sync(log)
            run.figures.more["resumed_s"] = round(await caught_up(run), 1)

        async def story(run: FaultRun) -> None:
            await run.sent(0.2)
            await wait_until(lambda: sum(run.watch.applied.values()) > 0, within_s=60, what="some work")
            await carry_out(run, draw_plan(SEED, [Fault("2 of 3 killed", act)]))

        report(_run(nodes, tmp_path, "B06", story, guarantee, events=6_000).as_document())
