"""Workers that stop for longer than anybody waits for them, and come back in the belief that nothing has changed."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.faults.conftest import Report
from tests.support.cluster import Cluster
from tests.support.faults.choices import GUARANTEES, SEED, STORES, StoreNamed
from tests.support.faults.crash_points import STEPS
from tests.support.faults.load import draw_load
from tests.support.faults.plan import carry_out, draw_plan, freeze, freeze_at
from tests.support.faults.run import FaultRun, run_faults
from tests.support.kafka import admin_of, read_all, wait_until
from tests.support.mortal_worker import BLOCK_FOR

SESSION_S = 3.0
SESSION = "3s"


@GUARANTEES
@STORES
@pytest.mark.parametrize(
    "times", [pytest.param(0.5, marks=pytest.mark.faults), 1.5, pytest.param(5.0, marks=pytest.mark.faults)]
)
def test_z01_a_worker_frozen_for_some_of_its_session_timeout_or_longer_harms_nothing(
    brokers: str, tmp_path: Path, report: Report, store_named: StoreNamed, guarantee: str, store: str, times: float
) -> None:
    """If this fails, a paused virtual machine doubles or loses what its heir has done meanwhile."""

    async def story(run: FaultRun) -> None:
        await carry_out(run, draw_plan(SEED, [freeze("west", times * SESSION_S)]))

    run = run_faults(
        brokers,
        tmp_path,
        "Z02" if store.startswith("redis") else "Z01",
        story,
        load=draw_load(SEED, 6_000),
        guarantee=guarantee,
        store=store_named(store),
        rate=500 if times < 2 else 250,
        LEADSCORE_SESSION_TIMEOUT=SESSION,
    )
    figures = asyncio.run(run)
    figures.more["frozen_sessions"] = times
    report(figures.as_document())


@GUARANTEES
@STORES
def test_z01_a_worker_frozen_inside_a_round_writes_nothing_stale_when_it_goes_on(
    brokers: str, tmp_path: Path, report: Report, store_named: StoreNamed, guarantee: str, store: str
) -> None:
    """If this fails, the half of a round that a zombie still sends goes over what its heir has written."""

    async def story(run: FaultRun) -> None:
        steps = [step for step in STEPS[guarantee] if step not in {"begin", "stored"}]
        faults = [freeze_at(("west", "east")[turn % 2], step, 1.5 * SESSION_S) for turn, step in enumerate(steps)]
        await carry_out(run, draw_plan(SEED, faults))

    run = run_faults(
        brokers,
        tmp_path,
        "Z02" if store.startswith("redis") else "Z01",
        story,
        load=draw_load(SEED, 8_000),
        guarantee=guarantee,
        store=store_named(store),
        is_mortal=True,
        rate=500,
        LEADSCORE_SESSION_TIMEOUT=SESSION,
    )
    report(asyncio.run(run).as_document())


@pytest.mark.faults
@pytest.mark.timeout(240)
@GUARANTEES
@STORES
def test_z03_what_a_zombie_left_in_the_changelog_does_not_outlive_a_compaction_and_a_wiped_disk(
    brokers: str, tmp_path: Path, report: Report, store_named: StoreNamed, guarantee: str, store: str
) -> None:
    """If this fails, compaction keeps the zombie's row, and the next empty disk believes it."""

    async def compact_eagerly(cluster: Cluster) -> None:
        config = {
            "cleanup.policy": "compact",  # what is not named falls back to the default of the broker
            "max.message.bytes": "2097152",
            "segment.ms": "1000",
            "min.cleanable.dirty.ratio": "0.001",
            "min.compaction.lag.ms": "0",
            "max.compaction.lag.ms": "1000",
        }
        resource = ConfigResource(ConfigResourceType.TOPIC, cluster.settings.changelog_topic, config)
        async with admin_of(cluster.brokers) as admin:
            await admin.alter_configs([resource])

    async def story(run: FaultRun) -> None:
        step = "published" if guarantee == "at_least_once" else "acked"
        faults = [freeze_at("west", step, 1.5 * SESSION_S), freeze("east", 1.5 * SESSION_S)]
        feed, cluster = run.feed, run.cluster
        stop_at = len(feed.records) * 3 // 4
        feed.gate = stop_at // 3
        for fault in faults:
            await feed.reached(feed.gate)
            feed.gate += stop_at // 3
            run.figures.faults.append(fault.name)
            await fault.act(run)
        feed.gate = stop_at
        await feed.reached(stop_at)
        topic = cluster.settings.changelog_topic
        until = {place.partition: end for place, end in (await cluster.ends(topic)).items()}
        feed.rate = 20.0  # something has to be written, or no segment is ever closed
        feed.gate = len(feed.records) - 200

        async def is_compacted() -> bool:
            rows = await read_all(cluster.brokers, topic)
            old = [(number, one.key) for number, its in rows.items() for one in its if one.offset < until[number]]
            return len(old) == len(set(old))

        await wait_until(is_compacted, within_s=90, every_s=1.5, what="the changelog compacted")
        run.figures.faults += ["compaction", "kill -9, wiped", "kill -9, wiped"]
        for name in ("east", "west"):
            run.cluster.workers[name].kill()
        for name in ("east", "west"):
            run.cluster.start_again(name, wipe=True)

    run = run_faults(
        brokers,
        tmp_path,
        "Z03",
        story,
        load=draw_load(SEED, 8_000),
        guarantee=guarantee,
        store=store_named(store),
        is_mortal=True,
        rate=600,
        prepare=compact_eagerly,
        LEADSCORE_SESSION_TIMEOUT=SESSION,
    )
    report(asyncio.run(run).as_document())


@pytest.mark.faults
@GUARANTEES
@STORES
def test_z04_a_worker_that_computes_for_longer_than_its_session_is_not_alive_and_harms_nothing(
    brokers: str, tmp_path: Path, report: Report, store_named: StoreNamed, guarantee: str, store: str
) -> None:
    """If this fails, one slow rule takes a worker out without anybody hearing of it, or doubles what it was about to write."""

    async def story(run: FaultRun) -> None:
        await run.sent(0.3)
        west = run.cluster.workers["west"]
        (tmp_path / "west" / BLOCK_FOR).write_text(str(3 * SESSION_S), "utf-8")
        await wait_until(lambda: not (tmp_path / "west" / BLOCK_FOR).exists(), within_s=10, what="west blocked")
        run.note_out("west")

        async def is_alive() -> bool:
            try:
                async with asyncio.timeout(1.0):
                    return (await run.cluster.page(west, "/livez")) == b"ok\n"
            except (TimeoutError, OSError):
                return False

        assert not await is_alive(), "/livez answers though nothing else can"
        run.figures.faults.append(f"event loop blocked {3 * SESSION_S:g} s")

    run = run_faults(
        brokers,
        tmp_path,
        "Z04",
        story,
        load=draw_load(SEED, 6_000),
        guarantee=guarantee,
        store=store_named(store),
        is_mortal=True,
        rate=400,
        LEADSCORE_SESSION_TIMEOUT=SESSION,
    )
    report(asyncio.run(run).as_document())
