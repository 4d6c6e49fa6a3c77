"""One changelog, two kinds of store: a worker may change from one to the other, and both hold the same."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.support.counting_run import PARTITIONS, counting_run
from tests.support.needs import missing
from tests.support.redis_package import NoRedisError, redis_program
from tests.support.redis_server import RedisServer
from worker.pipeline import PARTITION_KEY
from worker.stores import Due, open_store


class Dump(NamedTuple):
    """What a store holds of all partitions, without the rows of the partitions: each start writes them anew."""

    rows: list[list[tuple[bytes, bytes]]]
    due: list[list[Due]]


def dump(url: str, app_id: str) -> Dump:
    rows, due = [], []
    store = open_store(url, app_id=app_id)
    try:
        for partition in range(PARTITIONS):
            store.open(partition)
            rows.append([row for row in store.iterate(partition) if row[0] != PARTITION_KEY])
            due.append(store.due_before(partition, 2**62, 1_000_000))
    finally:
        store.close_all()
    return Dump(rows, due)


@pytest.mark.parametrize("guarantee", ["exactly_once", pytest.param("at_least_once", marks=pytest.mark.faults)])
def test_worker_changes_from_rocksdb_to_redis_and_back_and_both_hold_the_same(
    brokers: str, tmp_path: Path, guarantee: str
) -> None:
    """If this fails, moving to Redis, or away from it, changes scores."""
    try:
        redis_program()
    except NoRedisError as reason:
        missing(str(reason))
    asyncio.run(_swapped(brokers, tmp_path, guarantee))


async def _swapped(brokers: str, tmp_path: Path, guarantee: str) -> None:
    with RedisServer(tmp_path / "redis") as server:
        async with counting_run(brokers, tmp_path, guarantee) as run:
            for store, events in ((server.url, 1500), ("rocksdb://./state", 1500), (server.url, 0)):
                worker = run.start("w", LEADSCORE_STORE=store)
                await worker.wait_ready()
                await run.send(events)
                await run.wait_counted()
                assert await worker.stop() == 0
            await run.assert_exact()
            anew = run.start("anew", LEADSCORE_STORE="rocksdb://./state")
            await anew.wait_ready()
            assert await anew.stop() == 0
            in_redis = dump(server.url, run.name)
            assert sum(map(len, in_redis.rows)) == len(run.sent)
            assert dump(f"rocksdb://{tmp_path}/w/state", run.name) == in_redis
            assert dump(f"rocksdb://{tmp_path}/anew/state", run.name) == in_redis
