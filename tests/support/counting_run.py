"""One scenario with the counting pipeline: topics, traffic, workers, and the recount that nothing survives unnoticed."""

from __future__ import annotations

import asyncio
import random
import shutil
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from tests.support.counting_pipeline import decode, expected_outputs, fence_of
from tests.support.kafka import admin_of, fresh, read_all, wait_until
from tests.support.worker_process import WorkerProcess
from worker.contracts.partitioner import partition_of
from worker.pipeline import PARTITION_KEY

PARTITIONS = 4
_TICK_S = 0.02


class CountingRun:
    """
    Topics of its own, one group, any number of workers.

    Args:
        brokers: The broker.
        directory: Where logs and state of the workers lie.
        guarantee: exactly_once or at_least_once.
        keys: How many different keys there are.
        session_ms: The group's session timeout.
    """

    def __init__(
        self, brokers: str, directory: Path, guarantee: str, *, keys: int = 400, session_ms: int = 3000, seed: int = 1
    ) -> None:
        self.name = fresh("count")
        self.brokers = brokers
        self.directory = directory
        self.guarantee = guarantee
        self.input = f"{self.name}-in"
        self.outputs = f"{self.name}-out"
        self.changelog = f"{self.name}-contacts-changelog"
        self.sent: Counter[bytes] = Counter()
        self.workers: list[WorkerProcess] = []
        self._keys = keys
        self._session_ms = session_ms
        self._random = random.Random(seed)

    def environ(self, **more: str) -> dict[str, str]:
        return {
            "LEADSCORE_BROKERS": self.brokers,
            "LEADSCORE_APP_ID": self.name,
            "LEADSCORE_INPUT_TOPIC": self.input,
            "LEADSCORE_QUALIFICATIONS_TOPIC": self.outputs,
            "LEADSCORE_SCORES_TOPIC": "",
            "LEADSCORE_CREATE_TOPICS": "true",
            "LEADSCORE_REPLICATION": "1",
            "LEADSCORE_PARTITIONS": str(PARTITIONS),
            "LEADSCORE_GUARANTEE": self.guarantee,
            "LEADSCORE_SESSION_TIMEOUT": f"{self._session_ms}ms",
            **more,
        }

    def start(
        self,
        name: str,
        *,
        is_static: bool = False,
        crash_at: str = "",
        wipe: bool = False,
        processes: int = 1,
        **more: str,
    ) -> WorkerProcess:
        """Start a worker called *name*, or several *processes*; its state lies beside those of its earlier lives, unless *wipe*."""
        if wipe:
            shutil.rmtree(self.directory / name / "state", ignore_errors=True)
        environ = self.environ(**({"LEADSCORE_INSTANCE_ID": name} if is_static else {}))
        hooks = {key: value for key, value in more.items() if key.startswith("TEST_")}
        environ |= {key: value for key, value in more.items() if key not in hooks}
        command = ["-m", "tests.support.several"] if processes > 1 else []
        environ |= {"LEADSCORE_PROCESSES": str(processes)}
        worker = WorkerProcess(self.directory / name, name, environ, crash_at=crash_at, extra=hooks, command=command)
        self.workers.append(worker)
        return worker

    async def send(self, count: int, *, rate: float = 0.0) -> None:
        """Produce *count* records for random keys, *rate* a second (0: at once)."""
        producer = AIOKafkaProducer(bootstrap_servers=self.brokers, enable_idempotence=True, linger_ms=5)
        await producer.start()
        loop = asyncio.get_running_loop()
        try:
            began = loop.time()
            for sent in range(count):
                key = b"k%04d" % self._random.randrange(self._keys)
                await producer.send(self.input, b"x" * 60, key=key, partition=partition_of(key, PARTITIONS))
                self.sent[key] += 1
                if rate and (ahead := sent / rate - (loop.time() - began)) > _TICK_S:
                    await asyncio.sleep(ahead)
            await producer.flush()
        finally:
            await producer.stop()

    async def stored_counts(self) -> Counter[bytes]:
        """Recount from the changelog as any reader of it would."""
        best: dict[bytes, bytes] = {}
        for rows in (await read_all(self.brokers, self.changelog)).values():
            for row in rows:
                if row.key == PARTITION_KEY or row.value is None:
                    continue
                is_newer = row.key not in best or fence_of(row.value) >= fence_of(best[row.key])
                if self.guarantee == "exactly_once" or is_newer:
                    best[row.key] = row.value
        return Counter({key: decode(value).total for key, value in best.items()})

    async def published(self) -> Counter[bytes]:
        """Return what a read_committed consumer sees of the outputs, and how often."""
        return Counter(row.value for rows in (await read_all(self.brokers, self.outputs)).values() for row in rows)

    async def wait_counted(self, *, within_s: float = 60.0) -> None:
        """Wait until as much is counted as was sent."""

        async def complete() -> bool:
            return (await self.stored_counts()).total() >= self.sent.total()

        await wait_until(complete, within_s=within_s, what="everything counted", every_s=0.3)

    async def assert_exact(self, *, within_s: float = 60.0) -> None:
        """Each record counted once, each output published; once with exactly_once, with equal bytes otherwise."""
        await self.wait_counted(within_s=within_s)
        counted, published = await self.stored_counts(), await self.published()
        assert counted == self.sent, f"{counted.total()} counted, {self.sent.total()} sent"
        expected = expected_outputs(self.sent)
        if self.guarantee == "exactly_once":
            assert published == expected, f"{published.total()} published, {expected.total()} expected"
        else:
            assert set(published) == set(expected)

    async def committed(self) -> dict[int, int]:
        """Return the group's committed offsets, by partition."""
        async with admin_of(self.brokers) as admin:
            offsets = await admin.list_consumer_group_offsets(self.name)
        return {place.partition: one.offset for place, one in offsets.items() if place.topic == self.input}

    async def members(self) -> int:
        """Return how many members the group has."""
        async with admin_of(self.brokers) as admin:
            return len(await _members(admin, self.name))

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()


async def _members(admin: AIOKafkaAdminClient, group: str) -> list[Any]:
    (answer,) = await admin.describe_consumer_groups([group])
    members: list[Any] = answer.groups[0][5]
    return members


@asynccontextmanager
async def counting_run(brokers: str, directory: Path, guarantee: str, **options: Any) -> AsyncIterator[CountingRun]:
    """Yield a scenario; whatever still runs at its end is killed."""
    run = CountingRun(brokers, directory, guarantee, **options)
    try:
        yield run
    finally:
        run.close()
