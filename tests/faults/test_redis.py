"""A Redis that is slow, dies, forgets, falls back to an older state, or is emptied, while workers go on."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.faults.conftest import Report
from tests.support.cluster import PARTITIONS, running_cluster
from tests.support.faults.choices import GUARANTEES, SEED
from tests.support.faults.load import draw_load
from tests.support.faults.points import write_model
from tests.support.faults.run import FaultRun, run_faults
from tests.support.faults.stores import RedisUnderTest
from tests.support.kafka import wait_until
from tests.support.redis_server import RedisServer
from worker.clock import monotonic
from worker.errors import ConfigError

_AWAY_S = 5.0
EVERY_SECOND = {"appendonly": "yes", "appendfsync": "everysec"}
NOTHING_KEPT = {"appendonly": "no", "save": ""}


@contextmanager
def servers(*all_of_them: RedisServer) -> Iterator[None]:
    """Start them, and kill them at the end."""
    try:
        for server in all_of_them:
            server.start()
        yield
    finally:
        for server in all_of_them:
            server.kill()


def run_on(
    server: RedisServer,
    scenario: str,
    story: Callable[[FaultRun], Awaitable[None]],
    brokers: str,
    directory: Path,
    guarantee: str,
    **options: Any,
) -> dict[str, object]:
    """Run *story* with workers that keep contacts in *server*; return the figures."""
    store = RedisUnderTest(server.url)
    settled = {"load": draw_load(SEED, 6_000), "rate": 500.0, **options}
    return asyncio.run(
        run_faults(brokers, directory, scenario, story, guarantee=guarantee, store=store, **settled)
    ).as_document()


async def is_ready(run: FaultRun, name: str) -> bool:
    try:
        async with asyncio.timeout(2.0):
            return await run.cluster.page(run.cluster.workers[name], "/readyz") == b"ok\n"
    except (TimeoutError, aiohttp.ClientError):
        return False


@pytest.mark.parametrize(
    ("kept", "guarantee"),
    [
        (EVERY_SECOND, "exactly_once"),
        pytest.param(EVERY_SECOND, "at_least_once", marks=pytest.mark.faults),
        pytest.param(NOTHING_KEPT, "exactly_once", marks=pytest.mark.faults),
        (NOTHING_KEPT, "at_least_once"),
    ],
    ids=["kept, exactly_once", "kept, at_least_once", "nothing kept, exactly_once", "nothing kept, at_least_once"],
)
def test_s01_a_redis_that_is_killed_and_comes_back_older_or_empty_loses_nothing(
    brokers: str, tmp_path: Path, report: Report, guarantee: str, kept: dict[str, str]
) -> None:
    """If this fails, a power cut of the cache is one of the scores."""
    server = RedisServer(tmp_path / "redis", kept)

    async def story(run: FaultRun) -> None:
        for share in (0.3, 0.6):
            await run.sent(share)
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            run.figures.faults.append(
                f"Redis kill -9, {'appendfsync everysec' if kept is EVERY_SECOND else 'nothing kept'}"
            )

    with servers(server):
        report(run_on(server, "S01", story, brokers, tmp_path, guarantee))


@pytest.mark.faults
@GUARANTEES
def test_s02_a_failover_to_a_replica_that_lags_loses_nothing(
    brokers: str, tmp_path: Path, report: Report, guarantee: str
) -> None:
    """If this fails, what the old primary had acknowledged and the new one never saw is gone."""
    primary = RedisServer(tmp_path / "redis", NOTHING_KEPT)
    replica = RedisServer(tmp_path / "replica", {**NOTHING_KEPT, "replicaof": f"127.0.0.1 {primary.port}"})

    async def story(run: FaultRun) -> None:
        await run.sent(0.3)
        await wait_until(lambda: b"master_link_status:up" in _info(replica), within_s=15, what="the replica in step")
        replica.ask("REPLICAOF", "NO", "ONE")
        replica.ask("SAVE")
        await run.sent(0.5)  # acknowledged by the primary, unseen by the replica
        await asyncio.to_thread(primary.kill)
        # The address follows the primary: whoever connects to it from now on gets what the replica had.
        shutil.copy(tmp_path / "replica" / "dump.rdb", tmp_path / "redis" / "dump.rdb")
        await asyncio.to_thread(primary.start)
        run.figures.faults.append("Redis failover to a lagging replica")

    with servers(primary, replica):
        figures = run_on(primary, "S02", story, brokers, tmp_path, guarantee)
    report(figures)
    assert figures["restarts"], "nobody noticed that the store had gone back in time"


def _info(server: RedisServer) -> bytes:
    answer = server.ask("INFO", "replication")
    return answer if isinstance(answer, bytes) else b"master_link_status:" + str(answer["master_link_status"]).encode()


@pytest.mark.faults
@GUARANTEES
def test_s03_a_redis_that_is_emptied_under_way_is_rebuilt(
    brokers: str, tmp_path: Path, report: Report, guarantee: str
) -> None:
    """If this fails, an operator's FLUSHALL is the end of all scores."""
    server = RedisServer(tmp_path / "redis", EVERY_SECOND)

    async def story(run: FaultRun) -> None:
        await run.sent(0.4)
        server.ask("FLUSHALL")
        run.figures.faults.append("FLUSHALL")

    with servers(server):
        report(run_on(server, "S03", story, brokers, tmp_path, guarantee))


@pytest.mark.faults
def test_s03_a_redis_that_may_evict_is_refused_at_start(brokers: str, tmp_path: Path) -> None:
    """If this fails, contacts vanish one by one as memory gets short."""
    server = RedisServer(tmp_path / "redis", {"maxmemory": "64mb", "maxmemory-policy": "allkeys-lru"})

    async def refused() -> str:
        model = str(write_model(tmp_path / "model"))
        async with running_cluster(brokers, tmp_path, model=model, LEADSCORE_STORE=server.url) as cluster:
            worker = cluster.start("east", is_supervised=False)
            assert await worker.wait_ended() == ConfigError.exit_code
            return worker.log_text()

    with servers(server):
        said = asyncio.run(refused())
    assert "maxmemory-policy" in said


@pytest.mark.faults
@GUARANTEES
@pytest.mark.parametrize("how", ["frozen", "paused"])
def test_q08_a_slow_redis_holds_the_workers_up_and_nothing_else(
    brokers: str, tmp_path: Path, report: Report, guarantee: str, how: str
) -> None:
    """If this fails, a slow cache throws workers out of the group, and its next second is spent on restores."""
    server = RedisServer(tmp_path / "redis", EVERY_SECOND)

    async def story(run: FaultRun) -> None:
        await run.sent(0.3)
        before = run.cluster.count_logged("partitions_assigned")
        if how == "frozen":
            server.freeze()
            await asyncio.sleep(_AWAY_S)  # the duration is the fault
            server.thaw()
        else:
            server.ask("CLIENT", "PAUSE", int(_AWAY_S * 1000), "ALL")
        asked_at = monotonic()
        await wait_until(lambda: run.watch.moved_since(asked_at, range(PARTITIONS)) is not None, within_s=60)
        assert run.cluster.count_logged("partitions_assigned") == before, "somebody was thrown out of the group"
        run.figures.faults.append(f"Redis {how} {_AWAY_S:g} s")

    with servers(server):
        report(run_on(server, "Q08", story, brokers, tmp_path, guarantee, LEADSCORE_SESSION_TIMEOUT="10s"))


@pytest.mark.faults
@GUARANTEES
def test_n04_workers_that_reach_the_broker_and_not_redis_wait_say_so_and_lose_nothing(
    brokers: str, tmp_path: Path, report: Report, guarantee: str
) -> None:
    """If this fails, workers without a store crash in a circle, or go on without one."""
    server = RedisServer(tmp_path / "redis", EVERY_SECOND)

    async def story(run: FaultRun) -> None:
        await run.sent(0.3)
        await asyncio.to_thread(server.kill)

        async def both_say_so() -> bool:
            return not await is_ready(run, "east") and not await is_ready(run, "west")

        await wait_until(both_say_so, within_s=20, every_s=0.2, what="both not ready")
        await run.sent(0.6)
        assert all(worker.exit_code is None for worker in run.cluster.workers.values()), "somebody gave up"
        await asyncio.to_thread(server.start)

        async def both_are_back() -> bool:
            return await is_ready(run, "east") and await is_ready(run, "west")

        await wait_until(both_are_back, within_s=30, every_s=0.2, what="both ready again")
        run.figures.faults.append("Redis not reachable")

    with servers(server):
        report(run_on(server, "N04", story, brokers, tmp_path, guarantee))
