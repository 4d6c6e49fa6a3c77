"""Restores on a real Kafka: cut short again and again, on full disks and foreign rows; in the end each record counts once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiokafka.structs import TopicPartition

from tests.support.cluster import PARTITIONS, running_cluster
from tests.support.counting_pipeline import counting_pipeline, decode
from tests.support.counting_run import CountingRun, counting_run
from tests.support.feeding import send_now
from tests.support.kafka import Sent, read_all, wait_until
from tests.support.small_disk import fill_up, small_disk
from tests.support.stories import happened, tell
from worker.kafka.aiokafka_private import fetch
from worker.pipeline import PARTITION_KEY
from worker.settings import load_settings
from worker.stores import open_store
from worker.stream.restore import Restore, restore_consumer

GUARANTEES = ("exactly_once", "at_least_once")


async def _killed_while_restoring(brokers: str, directory: Path, guarantee: str) -> None:
    async with counting_run(brokers, directory, guarantee) as run:
        worker = run.start("w", is_static=True)
        await worker.wait_ready()
        await run.send(6_000)
        await run.wait_counted()
        worker.kill()
        for kill in range(3):
            worker = run.start("w", is_static=True, wipe=kill == 0, TEST_SLOW_RESTORE_S="4")
            await worker.wait_for("partitions_assigned")
            await asyncio.sleep(0.4 + kill)  # somewhere in the middle; whether it is does not matter to what must hold
            worker.kill()
        worker = run.start("w", is_static=True)
        await worker.wait_ready()
        await run.send(1_000)
        await run.assert_exact()


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_counts_are_exact_when_a_worker_is_killed_in_its_restores(brokers: str, tmp_path: Path, guarantee: str) -> None:
    """C07. If this fails, a worker that runs out of memory in a restore comes back with contacts of different ages, or never."""
    asyncio.run(_killed_while_restoring(brokers, tmp_path, guarantee))


async def _full_disk(brokers: str, directory: Path, disk: Path) -> None:
    async with counting_run(brokers, directory, "exactly_once") as run:
        where = f"rocksdb://{disk}/state"
        worker = run.start("w", is_static=True, LEADSCORE_STORE=where)
        await worker.wait_ready()
        await run.send(2_000)
        await run.wait_counted()
        ballast = fill_up(disk)
        traffic = asyncio.create_task(run.send(6_000, rate=2_000))
        assert await worker.wait_ended() == 69
        (end,) = worker.events("worker_ends")
        assert "No space left on device" in end["reason"]
        assert "make room" in end["reason"]
        again = run.start("w", is_static=True, LEADSCORE_STORE=where)
        assert await again.wait_ended() == 69, "as long as there is no room"
        await traffic
        ballast.unlink()
        await run.start("w", is_static=True, LEADSCORE_STORE=where).wait_ready()
        await run.assert_exact()


def test_full_disk_ends_the_worker_by_name_and_nothing_is_missing_when_there_is_room(
    brokers: str, tmp_path: Path
) -> None:
    """D01. If this fails, a full disk costs events, or somebody has to guess why the worker does not come up."""
    with small_disk(tmp_path / "disk", 24) as disk:
        asyncio.run(_full_disk(brokers, tmp_path / "run", disk))


async def _two_on_one_directory(brokers: str, directory: Path) -> None:
    async with counting_run(brokers, directory, "exactly_once") as run:
        where = f"rocksdb://{directory}/shared"
        first = run.start("a", is_static=True, LEADSCORE_STORE=where)
        await first.wait_ready()
        second = run.start("b", is_static=True, LEADSCORE_STORE=where)
        assert await second.wait_ended() == 78
        assert f"another process uses this state directory (pid {first.pid}" in second.log_text()
        await run.send(1_000)
        await run.assert_exact()
        assert await first.stop() == 0


def test_second_worker_on_one_directory_is_refused_and_the_first_does_not_notice(brokers: str, tmp_path: Path) -> None:
    """D04."""
    asyncio.run(_two_on_one_directory(brokers, tmp_path))


async def _foreign_row(brokers: str, directory: Path) -> None:
    async with running_cluster(brokers, directory, model="simple-100") as cluster:
        cluster.start("worker")
        await cluster.wait_ready("worker", partitions=PARTITIONS)
        await tell(cluster, *(happened(f"contact-{n}", "form.submitted", 1, form="f") for n in range(20)))
        await cluster.leave("worker")
        topic = cluster.settings.changelog_topic
        (place,) = await send_now(brokers, topic, [Sent(2, b"contact-canary", b'{"canary": "not ours"}')])
        for wipe in (False, True):
            ended = cluster.start("worker", wipe=wipe, is_supervised=False)
            assert await ended.wait_ended() == 78
            assert f"{topic}[2] at offset {place.offset}" in ended.log_text()
            assert "canary" not in ended.log_text()


def test_row_that_no_worker_wrote_is_refused_by_its_place(brokers: str, tmp_path: Path) -> None:
    """X23. If this fails, whoever can write to the changelog makes scores, or an endless loop of restarts without a word why."""
    asyncio.run(_foreign_row(brokers, tmp_path))


async def _restored_only(run: CountingRun, state: Path) -> tuple[Restore, list[bytes]]:
    """Restore into *state* as a worker does, and die before anything is put again; return the keys that were hidden."""
    settings = load_settings(run.environ())
    store = open_store(f"rocksdb://{state}", app_id=run.name)
    store.claim()
    for partition in range(PARTITIONS):
        store.open(partition)
    restore = Restore(settings, counting_pipeline("out"), store, merges_by_fence=True)
    consumer = restore_consumer(settings)
    await consumer.start()
    try:
        await restore.run(consumer, range(PARTITIONS))
    finally:
        await consumer.stop()
        store.close_all()
    return restore, sorted(row.key or b"" for number in range(PARTITIONS) for row in restore.lost_rows(number))


async def _hidden_rows(brokers: str, directory: Path) -> None:
    async with counting_run(brokers, directory, "at_least_once") as run:
        worker = run.start("w", is_static=True)
        await worker.wait_ready()
        for _ in range(3):
            await run.send(1_500)
            await run.wait_counted()
        assert await worker.stop() == 0
        logs = await read_all(brokers, run.changelog)
        stale = []  # what a worker that was cut off long ago would still write
        for number, rows in logs.items():
            first = {row.key: row for row in reversed(rows) if row.key != PARTITION_KEY}
            last = {row.key: row for row in rows}
            stale += [Sent(number, key, row.value) for key, row in first.items() if last[key].value != row.value][:5]
        await send_now(brokers, run.changelog, stale)
        hidden = sorted(one.key or b"" for one in stale)
        state = directory / "w" / "state"
        assert (await _restored_only(run, state))[1] == hidden
        assert (await _restored_only(run, state))[1] == hidden, "the one before has put nothing again"
        worker = run.start("w", is_static=True)
        await worker.wait_ready()
        newest = {row.key: row.value for rows in (await read_all(brokers, run.changelog)).values() for row in rows}
        assert {key: decode(newest[key]).total for key in hidden} == {key: run.sent[key] for key in hidden}
        worker.kill()
        worker = run.start("w", is_static=True, wipe=True)
        await worker.wait_ready()
        await run.send(500)
        await run.assert_exact()


def test_rows_that_a_stale_one_hides_are_put_again_even_when_a_restore_died_before_it_could(
    brokers: str, tmp_path: Path
) -> None:
    """Z03. If this fails, compaction keeps the stale row, and a lost disk makes the loss final."""
    asyncio.run(_hidden_rows(brokers, tmp_path))


async def _fetched(brokers: str, directory: Path, guarantee: str) -> None:
    async with counting_run(brokers, directory, guarantee) as run:
        worker = run.start("w", is_static=True, crash_at="offsets:9:SIGKILL")
        await worker.wait_ready()
        traffic = asyncio.create_task(run.send(3_000, rate=2_000))
        if guarantee == "exactly_once":
            await worker.wait_ended()  # which leaves an aborted transaction behind
            worker = run.start("w", is_static=True)
        await traffic
        await run.wait_counted()
        await worker.stop()
        consumer = restore_consumer(load_settings(run.environ()))
        places = [TopicPartition(run.changelog, number) for number in range(PARTITIONS)]
        found: dict[int, list[tuple[int, bytes, bytes]]] = {number: [] for number in range(PARTITIONS)}
        await consumer.start()
        try:
            consumer.assign(places)
            await consumer.seek_to_beginning(*places)
            ends = await consumer.end_offsets(places)

            async def is_read() -> bool:
                for one in await fetch(consumer, places, 0.1):
                    for batch in one.batches():
                        found[one.place.partition] += [(row.offset, row.key, row.value) for row in batch]
                    assert await consumer.position(one.place) == one.position
                return all([await consumer.position(place) >= ends[place] for place in places])

            await wait_until(is_read, within_s=30, every_s=0.0)
        finally:
            await consumer.stop()
        expected = await read_all(brokers, run.changelog)
        assert found == {
            number: [(row.offset, row.key, row.value) for row in rows] for number, rows in expected.items()
        }


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_batches_hold_what_a_consumer_reads(brokers: str, tmp_path: Path, guarantee: str) -> None:
    """The path beside aiokafka's own records: aborted transactions and control records are not seen, positions pass them."""
    asyncio.run(_fetched(brokers, tmp_path, guarantee))
