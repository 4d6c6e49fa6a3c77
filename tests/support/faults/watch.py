"""What is seen of a system from outside while it is being hurt: how far it is, for how long it stood still, what it takes up."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import NamedTuple

import aiohttp
import psutil
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError
from prometheus_client.parser import text_string_to_metric_families

from tests.support.cluster import PARTITIONS, Cluster
from tests.support.faults.figures import MB
from tests.support.feeding import Feed
from tests.support.kafka import admin_of
from tests.support.worker_process import WorkerProcess
from worker.clock import monotonic
from worker.pipeline import PARTITION_KEY, decode_partition_row

_COMMITS_EVERY_S, _PAGES_EVERY_S = 0.5, 1.5
_END_WITHIN_S = 10.0
_FATES = ("folded", "forwarded", "replayed")


class Step(NamedTuple):
    """Work that became durable."""

    at: float  # monotonic
    partition: int
    applied: int  # every source offset below it


@dataclass
class Watch:
    """
    Follows the changelog, the group's offsets, and what workers say and take up.

    Args:
        cluster: Whom.
        feed: What was sent so far.
    """

    cluster: Cluster
    feed: Feed
    steps: list[Step] = field(default_factory=list)
    applied: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(PARTITIONS), 0))
    committed: dict[int, int] = field(default_factory=lambda: dict.fromkeys(range(PARTITIONS), 0))
    problems: list[str] = field(default_factory=list)
    longest_gap_s: float = 0.0  # in which a partition with records waiting did not move
    rss_peak_mb: float = 0.0
    handles_peak: int = 0
    may_see_stale_commits: bool = False  # a coordinator that has just taken over may tell an older offset for a moment
    pages: list[bytes] = field(
        default_factory=list
    )  # the last of each worker's /metrics and /status, to be searched for canaries

    def __post_init__(self) -> None:
        self._waiting_since: dict[int, float] = {}
        self._gap_s = 0.0
        self._is_over = False
        self._last_pages: dict[tuple[int, str], bytes] = {}

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Watch]:
        """Watch while the body runs."""
        tasks = [asyncio.create_task(one()) for one in (self._follow, self._look_at_commits, self._look_at_workers)]
        try:
            yield self
        finally:
            self._is_over = True  # cancelled in the middle of a request, clients would leave connections behind
            _, late = await asyncio.wait(tasks, timeout=_END_WITHIN_S)
            for task in late:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            self.pages = list(self._last_pages.values())
        self.problems += [f"the watch itself failed: {error!r}" for error in ended if isinstance(error, Exception)]

    def moved_since(self, at: float, partitions: Collection[int]) -> float | None:
        """Return when the last of *partitions* had first moved after the instant *at* (monotonic); None: not all have."""
        firsts = [
            next((step.at for step in self.steps if step.at > at and step.partition == number), None)
            for number in partitions
        ]
        found = [first for first in firsts if first is not None]
        return max(found) if found and len(found) == len(firsts) else None

    def take_gap(self) -> float:
        """Return the longest gap (s) since the last call, or the begin."""
        gap, self._gap_s = self._gap_s, 0.0
        return gap

    # ---- the changelog

    async def _follow(self) -> None:
        topic = self.cluster.settings.changelog_topic
        while not self._is_over:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self.cluster.brokers,
                enable_auto_commit=False,
                isolation_level="read_committed",
                auto_offset_reset="earliest",
                fetch_max_wait_ms=50,
            )
            with suppress(KafkaError):  # a broker that is away is what some scenarios are about
                try:
                    await consumer.start()
                    consumer.assign([TopicPartition(topic, number) for number in range(PARTITIONS)])
                    while not self._is_over:
                        for place, records in (await consumer.getmany(timeout_ms=100)).items():
                            for record in records:
                                if record.key == PARTITION_KEY and record.value is not None:
                                    self._note(place.partition, decode_partition_row(record.value).next_offset)
                        self._look_for_gaps()
                finally:
                    await consumer.stop()
            await asyncio.sleep(0.5)

    def _note(self, partition: int, applied: int) -> None:
        if applied > self.applied[partition]:
            self.applied[partition] = applied
            self.steps.append(Step(monotonic(), partition, applied))
            self._waiting_since.pop(partition, None)

    def _look_for_gaps(self) -> None:
        now = monotonic()
        for partition, end in self.feed.ends.items():
            if self.applied[partition] < end:
                since = self._waiting_since.setdefault(partition, now)
                self._gap_s = max(self._gap_s, now - since)
                self.longest_gap_s = max(self.longest_gap_s, self._gap_s)
            else:
                self._waiting_since.pop(partition, None)

    # ---- the group's offsets

    async def _look_at_commits(self) -> None:
        while not self._is_over:
            with suppress(KafkaError, TimeoutError):
                async with admin_of(self.cluster.brokers) as admin:
                    while not self._is_over:
                        self._note_commits(await self.cluster.committed_by(admin))
                        await asyncio.sleep(_COMMITS_EVERY_S)
            await asyncio.sleep(_COMMITS_EVERY_S)

    def _note_commits(self, committed: Mapping[int, int]) -> None:
        if not any(committed.values()):
            return  # nothing yet; or a broker that is not the coordinator: aiokafka's admin takes its error for an empty answer
        for partition, offset in committed.items():
            if offset < self.committed[partition]:
                if self.may_see_stale_commits:
                    continue
                before = self.committed[partition]
                self.problems.append(f"I5: partition {partition} was committed at {before}, then at {offset}")
            self.committed[partition] = offset

    # ---- workers

    async def _look_at_workers(self) -> None:
        while not self._is_over:
            for worker in list(self.cluster.workers.values()):
                self._weigh(worker)
                await self._read_pages(worker)
            await asyncio.sleep(_PAGES_EVERY_S)

    def _weigh(self, worker: WorkerProcess) -> None:
        with suppress(psutil.Error):
            process = psutil.Process(worker.pid)
            self.rss_peak_mb = max(self.rss_peak_mb, process.memory_info().rss / MB)
            self.handles_peak = max(self.handles_peak, process.num_fds())

    async def _read_pages(self, worker: WorkerProcess) -> None:
        started = worker.events("worker_starts")
        if not started or worker.exit_code is not None:
            return
        for path in ("/metrics", "/status"):
            with suppress(aiohttp.ClientError, TimeoutError):
                async with asyncio.timeout(1.0):  # a frozen worker does not answer
                    page = await self.cluster.page(worker, path)
                self._last_pages[worker.pid, path] = page
                if path == "/metrics":
                    self._balance(worker, page.decode())

    def _balance(self, worker: WorkerProcess, text: str) -> None:
        """P2: what a worker received met exactly one fate."""
        received, fates = books(text)
        self.problems += [
            f"I2: {worker.name} received {received[partition]} records of partition {partition} and accounts for {fates[partition]}"
            for partition in received
            if received[partition] != fates[partition]
        ]


def books(metrics: str) -> tuple[Counter[str], Counter[str]]:
    """Return, by partition, how many records a worker's metrics say it received, and how many met a fate. For one model."""
    received: Counter[str] = Counter()
    fates: Counter[str] = Counter()
    for family in text_string_to_metric_families(metrics):
        for sample in family.samples:
            name = sample.name.removeprefix("leadscore_").removesuffix("_total")
            partition = sample.labels.get("partition", "")
            if name == "events_received":
                received[partition] += int(sample.value)
            elif name == "dead_letters" or name in {f"events_{fate}" for fate in _FATES}:
                fates[partition] += int(sample.value)
    return received, fates
