"""What stops a partition and what must not: floods of bad records, batches that unpack to too much, records too large to put aside."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from tests.support.kafka import Sent, admin_of, create_topics, fresh, produce_all, read_all, wait_until
from tests.support.small import START, event_value
from tests.support.worker_process import ERASURE_KEY, ROOT, WorkerProcess
from worker.contracts.partitioner import partition_of

PARTITIONS = 2
LIMIT = 5
MODEL = """\
model: visits
version: 1
rules:
  - rule: visit
    when: {type: visit}
    points: 1
qualify:
  when: {score: {at_least: 1000}}
"""
GUARANTEES = pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
CONTACTS = ["ann", "bob", "cat", "dan"]


class Site:
    """Topics of its own, one worker at a time that scores a point a visit, and the commands of its operator."""

    def __init__(self, brokers: str, directory: Path, guarantee: str) -> None:
        self.brokers = brokers
        self.name = fresh("flood")
        self.input = f"{self.name}-in"
        self._directory = directory
        (directory / "visits.yaml").write_text(MODEL, "utf-8")
        self._visits = 0
        self.worker: WorkerProcess | None = None
        self.environ = {
            "LEADSCORE_BROKERS": brokers,
            "LEADSCORE_APP_ID": self.name,
            "LEADSCORE_INPUT_TOPIC": self.input,
            "LEADSCORE_QUALIFICATIONS_TOPIC": f"{self.name}-told",
            "LEADSCORE_SCORES_TOPIC": f"{self.name}-scores",
            "LEADSCORE_MODELS": str(directory / "visits.yaml"),
            "LEADSCORE_CREATE_TOPICS": "true",
            "LEADSCORE_REPLICATION": "1",
            "LEADSCORE_PARTITIONS": str(PARTITIONS),
            "LEADSCORE_GUARANTEE": guarantee,
            "LEADSCORE_SESSION_TIMEOUT": "3s",
            "LEADSCORE_INSTANCE_ID": "w",
            "LEADSCORE_DLQ_LIMIT": str(LIMIT),
            "LEADSCORE_BATCH_BYTES": "1MiB",
        }

    def start(self, **more: str) -> WorkerProcess:
        self.worker = WorkerProcess(self._directory, "w", self.environ | more, is_counting=False)
        return self.worker

    def visits(self, contact: str, count: int) -> list[Sent]:
        """Return *count* new visits of *contact*, each worth a point."""
        key, found = contact.encode(), []
        for _ in range(count):
            self._visits += 1
            value = event_value("visit", START, f"visit {self._visits}", contact=contact)
            found.append(Sent(partition_of(key, PARTITIONS), key, value))
        return found

    async def send(self, *records: Sent) -> None:
        await produce_all(self.brokers, self.input, records)

    async def scores(self) -> dict[str, float]:
        """Return the score of each contact as last published."""
        found = {}
        for records in (await read_all(self.brokers, f"{self.name}-scores")).values():
            for record in records:
                found[record.key.decode()] = json.loads(record.value)["models"]["visits"]["score"]
        return found

    async def letters(self) -> list[Any]:
        return [one for records in (await read_all(self.brokers, f"{self.input}-dlq")).values() for one in records]

    async def wait_scores(self, **expected: float) -> None:
        async def reached() -> bool:
            return await self.scores() == expected

        await wait_until(reached, within_s=40, every_s=0.3, what=f"scores {expected}")

    def page(self, path: str) -> tuple[int, str]:
        assert self.worker is not None
        port = self.worker.events("worker_starts")[0]["web_port"]
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    async def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run `leadscore` with *arguments* as the operator of this site would."""
        environ = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "LEADSCORE_ERASURE_KEY": ERASURE_KEY,
            **self.environ,
        }
        command = [sys.executable, "-m", "worker.cli.main", *arguments]
        return await asyncio.to_thread(
            subprocess.run,
            command,
            env=environ,
            cwd=self._directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )


@asynccontextmanager
async def site_of(brokers: str, directory: Path, guarantee: str) -> AsyncIterator[Site]:
    site = Site(brokers, directory, guarantee)
    try:
        yield site
    finally:
        if site.worker is not None:
            site.worker.kill()


def _contacts_of(partition: int) -> Sequence[str]:
    return [name for name in CONTACTS if partition_of(name.encode(), PARTITIONS) == partition]


def test_the_contacts_of_these_tests_lie_in_both_partitions() -> None:
    assert all(_contacts_of(partition) for partition in range(PARTITIONS))


async def _flood(brokers: str, directory: Path, guarantee: str) -> None:
    async with site_of(brokers, directory, guarantee) as site:
        worker = site.start()
        await worker.wait_ready()
        here, there = _contacts_of(0)[0], _contacts_of(1)[0]
        bad = [Sent(0, b"x", b"no event %d" % number) for number in range(LIMIT + 3)]
        await site.send(*site.visits(here, 3), *bad, *site.visits(here, 2), *site.visits(there, 4))
        stopped = await worker.wait_for("partition_stopped")
        assert (stopped["partition"], stopped["offset"], stopped["code"]) == (0, 3 + LIMIT, "dead_letters")
        await site.wait_scores(**{here: 3.0, there: 4.0})
        assert len(await site.letters()) == LIMIT
        code, text = await asyncio.to_thread(site.page, "/readyz")
        assert (code, "partition 0 stopped" in text) == (503, True)
        status = json.loads((await asyncio.to_thread(site.page, "/status"))[1])
        assert [one["phase"] for one in status["partitions"]] == ["stopped", "running"]
        await site.send(*site.visits(there, 1))
        await site.wait_scores(**{here: 3.0, there: 5.0})  # the other partition goes on

        assert await worker.stop() == 0
        worker = site.start()  # a restart alone drains nothing
        await worker.wait_for("partition_stopped")
        await site.send(*site.visits(there, 1))
        await site.wait_scores(**{here: 3.0, there: 6.0})
        assert len(await site.letters()) == LIMIT

        assert await worker.stop() == 0
        worker = site.start(LEADSCORE_DLQ_LIMIT="1000")
        await site.wait_scores(**{here: 5.0, there: 6.0})
        assert [one.value for one in await site.letters()] == [one.value for one in bad]
        assert (await asyncio.to_thread(site.page, "/readyz"))[0] == 200
        assert await worker.stop() == 0


@GUARANTEES
def test_a_flood_stops_its_partition_until_the_limit_is_raised(brokers: str, tmp_path: Path, guarantee: str) -> None:
    """If this fails, a bad deploy of one producer drains a topic into the dead letters overnight."""
    asyncio.run(_flood(brokers, tmp_path, guarantee))


async def _bomb(brokers: str, directory: Path, guarantee: str) -> None:
    async with site_of(brokers, directory, guarantee) as site:
        worker = site.start()
        await worker.wait_ready()
        here, there = _contacts_of(0)[0], _contacts_of(1)[0]
        await site.send(*site.visits(here, 3))
        producer = AIOKafkaProducer(
            bootstrap_servers=brokers, compression_type="gzip", max_request_size=1 << 26, max_batch_size=1 << 26
        )
        await producer.start()
        batch = producer.create_batch()
        for _ in range(3):
            batch.append(timestamp=None, key=b"x", value=bytes(3 << 20))
        await (await producer.send_batch(batch, site.input, partition=0))
        await producer.stop()
        await site.send(*site.visits(here, 2), *site.visits(there, 4))
        stopped = await worker.wait_for("partition_stopped")
        assert (stopped["partition"], stopped["offset"], stopped["code"]) == (0, 3, "batch_size")
        await site.wait_scores(**{here: 3.0, there: 4.0})
        assert (await asyncio.to_thread(site.page, "/readyz"))[0] == 503

        skip = ("offsets", "skip", "0:3", "--through", "5")
        assert " ".join(skip) in stopped["fix"]
        planned = await site.command(*skip)
        assert (planned.returncode, planned.stdout.splitlines()[0]) == (0, "partition 0: offset 3 -> 6, epoch 0"), (
            planned.stderr
        )
        wrong = await site.command("offsets", "skip", "0:2", "--yes")
        assert (wrong.returncode, "it stands at offset 3" in wrong.stderr) == (78, True)
        assert worker.exit_code is None  # nothing was changed so far
        done = await site.command(*skip, "--yes")
        assert (done.returncode, done.stdout) == (0, "partition 0: offset 3 -> 6, epoch 0\n"), done.stderr
        assert '"event": "position_changed"' in done.stderr.replace('"event":"', '"event": "')
        assert await worker.wait_ended() == 70  # it has noticed by itself
        worker = site.start()
        await site.wait_scores(**{here: 5.0, there: 4.0})
        assert await site.letters() == []
        assert await worker.stop() == 0


@GUARANTEES
def test_a_batch_that_unpacks_to_too_much_is_passed_over_by_the_operator_alone(
    brokers: str, tmp_path: Path, guarantee: str
) -> None:
    asyncio.run(_bomb(brokers, tmp_path, guarantee))


async def _large(brokers: str, directory: Path, guarantee: str) -> None:
    async with site_of(brokers, directory, guarantee) as site:
        worker = site.start(LEADSCORE_BATCH_BYTES="16MiB")
        await worker.wait_ready()
        here = _contacts_of(0)[0]
        large = b'{"note": "' + b"long, " * (700_000) + b'"}'
        producer = AIOKafkaProducer(bootstrap_servers=brokers, compression_type="gzip", max_request_size=1 << 26)
        await producer.start()
        await producer.send_and_wait(site.input, large, here.encode(), partition=0, headers=[("trace", b"1")])
        await producer.stop()
        await site.send(*site.visits(here, 2))
        await site.wait_scores(**{here: 2.0})
        (letter,) = await site.letters()
        assert (letter.value == large, letter.headers[0]) == (True, ("trace", b"1"))
        assert dict(letter.headers)["leadscore.error.code"] == b"event.too_large"
        assert await worker.stop() == 0


@GUARANTEES
def test_a_record_larger_than_its_packed_batch_is_put_aside_whole(brokers: str, tmp_path: Path, guarantee: str) -> None:
    """If this fails, one such record restarts the worker for ever."""
    asyncio.run(_large(brokers, tmp_path, guarantee))


async def _made_anew(brokers: str, directory: Path, guarantee: str) -> None:
    async with site_of(brokers, directory, guarantee) as site:
        worker = site.start()
        await worker.wait_ready()
        here = _contacts_of(0)[0]
        await site.send(*site.visits(here, 6))
        await site.wait_scores(**{here: 6.0})
        assert await worker.stop() == 0
        async with admin_of(brokers) as admin:
            await admin.delete_topics([site.input])
            await wait_until(lambda: _is_gone(admin, site.input), within_s=20, what="the topic is deleted")
        await create_topics(brokers, {site.input: PARTITIONS})
        await site.send(*site.visits(here, 2))
        worker = site.start()
        assert await worker.wait_ended() == 78
        assert "leadscore topics epoch --raise" in worker.events("worker_ends")[0]["reason"]
        raised = await site.command("topics", "epoch", "--raise", "--yes", "--output", "json")
        assert raised.returncode == 0, raised.stderr
        (change,) = [one for one in json.loads(raised.stdout)["changes"] if one["partition"] == 0]
        assert (change["from_offset"], change["to_offset"], change["epoch"]) == (6, 0, 1)
        worker = site.start()
        await site.wait_scores(**{here: 8.0})
        assert await worker.stop() == 0


async def _is_gone(admin: Any, topic: str) -> bool:
    return topic not in await admin.list_topics()


@GUARANTEES
def test_scores_outlive_a_topic_that_was_made_anew(brokers: str, tmp_path: Path, guarantee: str) -> None:
    """If this fails, new events with old offsets are taken for replays, and lost."""
    asyncio.run(_made_anew(brokers, tmp_path, guarantee))
