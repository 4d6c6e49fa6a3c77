"""Workers that die, at any moment and at every step of a round, on the disk they had and on an empty one."""

from __future__ import annotations

import asyncio
import random
import signal
from pathlib import Path

import pytest

from tests.faults.conftest import Report
from tests.support.faults.choices import GUARANTEES, SEED, STORES, StoreNamed
from tests.support.faults.crash_points import STEPS
from tests.support.faults.load import draw_load
from tests.support.faults.plan import carry_out, die_at, draw_plan, kill, kill_early, terminate, terminate_early
from tests.support.faults.run import FaultRun, run_faults
from tests.support.kafka import wait_until
from tests.support.protocol_errors import Mishap, ProtocolErrors

SAME_OR_WIPED = pytest.mark.parametrize(
    "wipe", [False, pytest.param(True, marks=pytest.mark.faults)], ids=["same disk", "wiped disk"]
)


@GUARANTEES
@STORES
@pytest.mark.parametrize("wipe", [False, True], ids=["same disk", "wiped disk"])
def test_c01_c02_kills_at_any_moment_neither_lose_nor_double(
    brokers: str, tmp_path: Path, report: Report, store_named: StoreNamed, guarantee: str, store: str, wipe: bool
) -> None:
    """If this fails, a power cut changes whom sales calls."""

    async def story(run: FaultRun) -> None:
        faults = [kill("east", wipe=wipe), kill("west", wipe=wipe), kill("east", wipe=wipe), kill_early("west")]
        await carry_out(run, draw_plan(SEED, faults))

    load, scenario = draw_load(SEED, 8_000), "C02" if wipe else "C01"
    run = run_faults(brokers, tmp_path, scenario, story, load=load, guarantee=guarantee, store=store_named(store))
    report(asyncio.run(run).as_document())


@GUARANTEES
@STORES
@SAME_OR_WIPED
def test_c03_deaths_at_every_step_of_a_round_neither_lose_nor_double(
    brokers: str, tmp_path: Path, report: Report, store_named: StoreNamed, guarantee: str, store: str, wipe: bool
) -> None:
    """If this fails, one of the orders in which a round reaches the broker and the disk is wrong."""

    async def story(run: FaultRun) -> None:
        steps = STEPS[guarantee]
        faults = [die_at(("east", "west")[turn % 2], step, wipe=wipe) for turn, step in enumerate(steps)]
        await carry_out(run, draw_plan(SEED, faults))

    run = run_faults(
        brokers,
        tmp_path,
        "C03",
        story,
        load=draw_load(SEED, 8_000),
        guarantee=guarantee,
        store=store_named(store),
        is_mortal=True,
    )
    report(asyncio.run(run).as_document())


@GUARANTEES
@STORES
def test_c04_a_blocked_changelog_and_a_kill_lose_nothing_on_the_old_disk_nor_on_a_new_one(
    brokers: str, tmp_path: Path, report: Report, store_named: StoreNamed, guarantee: str, store: str
) -> None:
    """If this fails, the disk may know what the changelog does not, and a new disk forgets it."""
    errors = ProtocolErrors(tmp_path / "errors.json")

    async def story(run: FaultRun) -> None:
        await run.sent(0.2)
        refused = Mishap(
            "Produce", codes=("NOT_ENOUGH_REPLICAS",), times=400, topic=run.cluster.settings.changelog_topic
        )
        errors.push(refused)
        await wait_until(lambda: errors.done(refused) >= 8, within_s=20, what="requests to the changelog refused")
        run.note_out("only")
        run.cluster.workers["only"].kill()
        errors.heal()
        run.cluster.start_again("only")
        await run.sent(0.6)
        await run.cluster.wait_ready("only")
        run.cluster.strike("only", wipe=True)
        run.figures.faults += ["changelog refused", "kill -9", "kill -9, wiped"]

    run = run_faults(
        brokers,
        tmp_path,
        "C04",
        story,
        load=draw_load(SEED, 5_000),
        guarantee=guarantee,
        store=store_named(store),
        workers=("only",),
        is_mortal=True,
        hooks=errors.environ,
    )
    report(asyncio.run(run).as_document())


@pytest.mark.faults
@GUARANTEES
@STORES
def test_c05_a_worker_told_to_stop_under_load_leaves_the_group_at_once_and_repeats_nothing(
    brokers: str, tmp_path: Path, report: Report, store_named: StoreNamed, guarantee: str, store: str
) -> None:
    """If this fails, each deployment stops the scoring for a session timeout, or tells sales things twice."""

    async def story(run: FaultRun) -> None:
        await run.sent(0.3)
        owned = run.owned_by("west")
        stopping = run.cluster.take_out("west")
        assert await stopping.stop() == 0
        run.note_out("west", owned)
        # The session is longer than this may take: the group hears it from the worker, not from its silence.
        await wait_until(lambda: len(run.cluster.workers["east"].events("partitions_ready")) > 1, within_s=12)
        await run.cluster.wait_ready("east", partitions=4)
        run.cluster.start_again("west")
        await run.cluster.wait_ready("west", partitions=2)
        await carry_out(run, draw_plan(SEED, [terminate("east"), terminate_early("east"), terminate_early("west")]))
        run.figures.faults.insert(0, "SIGTERM west")

    run = run_faults(
        brokers,
        tmp_path,
        "C05",
        story,
        load=draw_load(SEED, 8_000),
        guarantee=guarantee,
        store=store_named(store),
        is_static=False,
        LEADSCORE_SESSION_TIMEOUT="20s",
    )
    figures = asyncio.run(run)
    report(figures.as_document())
    assert figures.outputs_repeated == 0


@pytest.mark.faults
@GUARANTEES
@STORES
def test_c06_a_storm_of_signals_neither_loses_nor_doubles(
    brokers: str, tmp_path: Path, report: Report, store_named: StoreNamed, guarantee: str, store: str
) -> None:
    """If this fails, an impatient operator or an eager supervisor costs leads."""
    chance = random.Random(SEED)

    async def story(run: FaultRun) -> None:
        cluster = run.cluster
        for turn in range(16):
            name = chance.choice(("east", "west"))
            victim = cluster.take_out(name)
            for number in chance.choice(
                [
                    [signal.SIGKILL],
                    [signal.SIGKILL],
                    [signal.SIGTERM, signal.SIGTERM],
                    [
                        signal.SIGINT,
                        signal.SIGTERM,
                        signal.SIGTERM,
                    ],  # SIGINT alone may be ignored from birth, by a shell's doing
                ]
            ):
                victim.signal(number)
                await asyncio.sleep(0.02)  # one storm, not one signal
            await victim.wait_ended()
            cluster.start_again(name)
            await asyncio.sleep(chance.uniform(0.1, 1.2))  # the schedule is the fault
            run.feed.gate = len(run.feed.records) * (turn + 2) // 18
        run.figures.faults.append("16 storms of signals")

    run = run_faults(
        brokers,
        tmp_path,
        "C06",
        story,
        load=draw_load(SEED, 8_000),
        guarantee=guarantee,
        store=store_named(store),
        rest_within_s=90,
    )
    report(asyncio.run(run).as_document())
