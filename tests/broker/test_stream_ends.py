"""How a worker starts and ends: exit codes, restores of any length, positions without records, timers."""

from __future__ import annotations

import asyncio
import json
import signal
import urllib.request
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer, TopicPartition

from tests.support.counting_pipeline import expected_outputs
from tests.support.counting_run import PARTITIONS, CountingRun, counting_run
from tests.support.kafka import admin_of, create_topics, read_all, wait_until
from tests.support.worker_process import WorkerProcess

GUARANTEES = ("exactly_once", "at_least_once")


def _page(worker: WorkerProcess, path: str) -> str:
    port = worker.events("worker_starts")[0]["web_port"]
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        text: str = answer.read().decode()
        return text


async def _status(worker: WorkerProcess) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(await asyncio.to_thread(_page, worker, "/status"))
    return document


async def _lag(worker: WorkerProcess) -> int | None:
    lags = [one.get("lag_records") for one in (await _status(worker))["partitions"]]
    return None if len(lags) < PARTITIONS or None in lags else sum(lags)


async def _idle_positions(brokers: str, tmp_path: Path, guarantee: str) -> None:
    async with counting_run(brokers, tmp_path, guarantee) as run:
        worker = run.start("w")
        await worker.wait_ready()
        await run.send(200)
        producer = AIOKafkaProducer(bootstrap_servers=brokers, transactional_id=f"{run.name}-other")
        await producer.start()
        await producer.begin_transaction()
        for partition in range(PARTITIONS):
            await producer.send_and_wait(run.input, b"never", key=b"aborted", partition=partition)
        await producer.abort_transaction()
        await producer.stop()
        await run.assert_exact()

        async def no_lag() -> bool:
            ends = {
                place: rows[-1].offset
                for place, rows in (await read_all(brokers, run.input, isolation="read_uncommitted")).items()
            }
            committed = await run.committed()
            return all(committed.get(number, 0) > end for number, end in ends.items()) and await _lag(worker) == 0

        await wait_until(no_lag, within_s=15, what="committed offsets past aborted records and markers", every_s=0.3)
        assert await worker.stop() == 0


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_lag_returns_to_zero_when_a_topic_ends_in_aborted_records(brokers: str, tmp_path: Path, guarantee: str) -> None:
    asyncio.run(_idle_positions(brokers, tmp_path, guarantee))


async def _long_restore(brokers: str, tmp_path: Path) -> None:
    async with counting_run(brokers, tmp_path, "exactly_once", keys=4000) as run:
        worker = run.start("w")
        await worker.wait_ready()
        await run.send(8000)
        await run.wait_counted()
        assert await worker.stop() == 0
        # Faust's limit is set to 1 s; the group's session is 3 s; the restore takes longer than both.
        worker = run.start("w", wipe=True, TEST_SLOW_RESTORE_S="5", TEST_REQUEST_TIMEOUT_S="1")
        await worker.wait_for("partitions_assigned")
        waiting = await wait_for_status(
            worker, lambda status: any(one["phase"] == "restoring" for one in status["partitions"])
        )
        assert any(one["restore_remaining"] > 0 for one in waiting["partitions"])
        await worker.wait_ready()
        await run.send(1000)
        await run.assert_exact()
        assert len(worker.events("partitions_assigned")) == 1, "membership outlived the restore"


async def wait_for_status(worker: WorkerProcess, holds: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}

    async def seen() -> bool:
        found.update(await _status(worker))
        return bool(holds(found))

    await wait_until(seen, within_s=20, what="status", every_s=0.1)
    return found


def test_a_restore_may_take_longer_than_every_timeout(brokers: str, tmp_path: Path) -> None:
    """If this fails, a worker with much state stays alive and does nothing, for ever."""
    asyncio.run(_long_restore(brokers, tmp_path))


async def _interrupted_restore(brokers: str, tmp_path: Path) -> None:
    async with counting_run(brokers, tmp_path, "exactly_once", keys=4000) as run:
        first = run.start("a")
        await first.wait_ready()
        await run.send(8000)
        await run.wait_counted()
        assert await first.stop() == 0
        first = run.start("a", wipe=True, TEST_SLOW_RESTORE_S="6")
        await first.wait_for("partitions_assigned")
        second = run.start("b")  # its coming takes partitions away in the middle of the restore
        await second.wait_ready()
        await first.wait_ready(count=1)
        await run.send(1000)
        await run.assert_exact()
        assert await first.stop() == 0
        assert await second.stop() == 0


def test_a_restore_goes_on_with_what_is_left_when_a_rebalance_cuts_it_short(brokers: str, tmp_path: Path) -> None:
    asyncio.run(_interrupted_restore(brokers, tmp_path))


async def _timers(brokers: str, tmp_path: Path, guarantee: str) -> None:
    async with counting_run(brokers, tmp_path, guarantee, keys=2500) as run:
        worker = run.start("w", TEST_TIMERS="1")
        await worker.wait_ready()
        await run.send(15_000, rate=6000)
        worker.kill()
        worker = run.start("w", TEST_TIMERS="1", wipe=True)
        await worker.wait_ready()
        await run.send(15_000)
        await run.wait_counted()
        counts = expected_outputs(run.sent)
        last = {key: total // 10 * 10 for key, total in run.sent.items() if total >= 10}

        async def all_fired() -> bool:
            published = await run.published()
            fired = {value.rpartition(b":")[0] for value in published if value.endswith(b":due")}
            return set(last) <= {value.partition(b":")[0] for value in fired}

        await wait_until(all_fired, within_s=20, what="every due instant fired", every_s=0.3)
        assert await worker.stop() == 0
        published = await run.published()
        plain = Counter({value: n for value, n in published.items() if not value.endswith(b":due")})
        assert set(plain) == set(counts)
        if guarantee == "exactly_once":
            assert plain == counts
            assert not [value for value, n in published.items() if n > 1], "no timer fires twice"


@pytest.mark.parametrize("guarantee", ["exactly_once", pytest.param("at_least_once", marks=pytest.mark.faults)])
def test_timers_fire_once_each_when_a_worker_is_killed_and_its_disk_is_lost(
    brokers: str, tmp_path: Path, guarantee: str
) -> None:
    asyncio.run(_timers(brokers, tmp_path, guarantee))


async def _deleted_records(brokers: str, tmp_path: Path) -> None:
    async with counting_run(brokers, tmp_path, "exactly_once") as run:
        worker = run.start("w")
        await worker.wait_ready()
        await run.send(400)
        await run.wait_counted()
        assert await worker.stop() == 0
        await run.send(400)
        await _delete_everything(brokers, run)
        worker = run.start("w")
        assert await worker.wait_ended() == 78
        assert "leadscore offsets skip 0:" in worker.events("worker_ends")[0]["reason"]


async def _delete_everything(brokers: str, run: CountingRun) -> None:
    from aiokafka.admin import RecordsToDelete

    async with admin_of(brokers) as admin:
        await admin.delete_records(
            {TopicPartition(run.input, number): RecordsToDelete(-1) for number in range(PARTITIONS)}
        )


def test_a_worker_refuses_to_start_when_records_were_deleted_before_it_read_them(brokers: str, tmp_path: Path) -> None:
    asyncio.run(_deleted_records(brokers, tmp_path))


async def _new_topic_old_state(brokers: str, tmp_path: Path) -> None:
    async with counting_run(brokers, tmp_path, "exactly_once") as run:
        worker = run.start("w")
        await worker.wait_ready()
        await run.send(400)
        await run.wait_counted()
        assert await worker.stop() == 0
        async with admin_of(brokers) as admin:
            await admin.delete_topics([run.input])

            async def gone() -> bool:
                return run.input not in await admin.list_topics()

            await wait_until(gone, within_s=15, what="topic deleted")
        worker = run.start("w")
        assert await worker.wait_ended() == 78
        assert "made anew" in worker.events("worker_ends")[0]["reason"]


def test_a_worker_refuses_to_start_when_the_source_topic_was_made_anew(brokers: str, tmp_path: Path) -> None:
    asyncio.run(_new_topic_old_state(brokers, tmp_path))


async def _no_broker(tmp_path: Path) -> None:
    worker = WorkerProcess(tmp_path, "w", {"LEADSCORE_BROKERS": "127.0.0.1:9"}, extra={"TEST_CONNECT_S": "1"})
    try:
        assert await worker.wait_ended(within_s=15) == 69
        assert "127.0.0.1:9" in worker.events("worker_ends")[0]["reason"]
    finally:
        worker.kill()


def test_a_worker_exits_69_when_no_broker_answers(tmp_path: Path) -> None:
    asyncio.run(_no_broker(tmp_path))


async def _missing_topics(brokers: str, tmp_path: Path) -> None:
    async with counting_run(brokers, tmp_path, "exactly_once") as run:
        worker = run.start("w", LEADSCORE_CREATE_TOPICS="false")
        assert await worker.wait_ended() == 78
        reason = worker.events("worker_ends")[0]["reason"]
        assert run.input in reason
        assert "leadscore topics create" in reason


def test_a_worker_exits_78_and_names_the_topics_when_they_are_missing(brokers: str, tmp_path: Path) -> None:
    asyncio.run(_missing_topics(brokers, tmp_path))


async def _locked_state(brokers: str, tmp_path: Path) -> None:
    async with counting_run(brokers, tmp_path, "exactly_once") as run:
        first = run.start("a")
        await first.wait_ready()
        second = run.start("b", LEADSCORE_STORE=f"rocksdb://{tmp_path / 'a' / 'state'}")
        assert await second.wait_ended() == 78
        await run.send(500)
        await run.assert_exact()
        assert len(first.events("partitions_assigned")) == 1, (
            "the first was left alone: the second never joined the group"
        )


def test_a_second_worker_on_the_same_directory_exits_78_and_the_first_goes_on(brokers: str, tmp_path: Path) -> None:
    asyncio.run(_locked_state(brokers, tmp_path))


async def _interrupted(brokers: str, tmp_path: Path) -> None:
    async with counting_run(brokers, tmp_path, "exactly_once") as run:
        worker = run.start("w")
        await worker.wait_for("worker_starts")
        worker.signal(signal.SIGINT)
        assert await worker.wait_ended() == 0


def test_a_worker_exits_0_when_it_is_interrupted_before_it_is_ready(brokers: str, tmp_path: Path) -> None:
    asyncio.run(_interrupted(brokers, tmp_path))


async def _append(brokers: str, topic: str, row: Any) -> None:
    """Write *row* again, as a worker would that was cut off and does not know it."""
    producer = AIOKafkaProducer(bootstrap_servers=brokers)
    await producer.start()
    await producer.send_and_wait(topic, row.value, key=row.key, partition=row.partition)
    await producer.stop()


async def _foreign_row(brokers: str, tmp_path: Path) -> None:
    async with counting_run(brokers, tmp_path, "at_least_once") as run:
        worker = run.start("w")
        await worker.wait_ready()
        await run.send(400)
        await run.wait_counted()
        rows = await read_all(brokers, run.changelog)
        await _append(brokers, run.changelog, rows[0][0])
        await run.send(400)
        assert await worker.wait_ended() == 70
        assert "somebody else wrote" in worker.events("worker_ends")[0]["reason"]
        run.start("w")
        await run.assert_exact()


def test_at_least_once_ends_at_a_foreign_changelog_row(brokers: str, tmp_path: Path) -> None:
    asyncio.run(_foreign_row(brokers, tmp_path))


async def _hidden_row(brokers: str, tmp_path: Path, *, wipe: bool) -> None:
    async with counting_run(brokers, tmp_path, "at_least_once", keys=20) as run:
        worker = run.start("w")
        await worker.wait_ready()
        for _ in range(2):
            await run.send(200)
            await run.wait_counted()
        assert await worker.stop() == 0
        rows = (await read_all(brokers, run.changelog))[0]
        stale = next(row for row in rows if row.key.startswith(b"k"))
        right = [row.value for row in rows if row.key == stale.key][-1]
        assert right != stale.value
        await _append(brokers, run.changelog, stale)
        worker = run.start("w", wipe=wipe)
        await worker.wait_ready()
        last = {row.key: row.value for row in (await read_all(brokers, run.changelog))[0]}
        assert last[stale.key] == right, "put again before anything else, so that compaction keeps the right row"
        await run.send(200)
        await run.assert_exact()


@pytest.mark.parametrize("wipe", [False, True])
def test_at_least_once_puts_a_row_again_that_a_stale_one_hides(brokers: str, tmp_path: Path, wipe: bool) -> None:
    """If this fails, a worker that was cut off can make everybody forget what its heir counted."""
    asyncio.run(_hidden_row(brokers, tmp_path, wipe=wipe))


def test_different_partition_counts_are_refused(brokers: str, tmp_path: Path) -> None:
    async def refused() -> None:
        async with counting_run(brokers, tmp_path, "exactly_once") as run:
            await create_topics(brokers, {run.input: 2, run.outputs: 3})
            worker = run.start("w")
            assert await worker.wait_ended() == 78
            assert "it has 3 partitions" in worker.events("worker_ends")[0]["reason"]

    asyncio.run(refused())
