"""Workers as operations would run them: topics of their own, one group, started again when they end by themselves."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient

from tests.support.kafka import admin_of, fresh, read_all, wait_until
from tests.support.mortal_worker import MortalWorker
from tests.support.worker_process import ERASURE_KEY, ROOT, WorkerProcess
from worker.errors import DependencyError, RestartRequired
from worker.pipeline import PARTITION_KEY, decode_partition_row, fence_of, fire_of
from worker.settings import Settings, load_settings

PARTITIONS = 4
SESSION = "6s"
_LOOK_S = 1.3  # longer than the worker's timers take to come round


class Finished(NamedTuple):
    """What a command has written."""

    out: str
    err: str


async def leadscore(
    *arguments: str, directory: Path, environ: Mapping[str, str] | None = None, within_s: float = 180.0
) -> Finished:
    """
    Run the command `leadscore` in *directory* to its end.

    Raises:
        AssertionError: It did not exit with 0.
        TimeoutError: It took longer than *within_s* seconds; it is killed.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("LEADSCORE_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "worker.cli.main", *arguments,
        env={**kept, "PYTHONPATH": str(ROOT), **(environ or {})}, cwd=directory,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        out, err = await asyncio.wait_for(process.communicate(), within_s)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, f"leadscore {' '.join(arguments)}: exit {process.returncode}\n{err.decode()}"
    return Finished(out.decode(), err.decode())


def wipe_directory(home: Path) -> None:
    """Remove the state below a worker's home."""
    shutil.rmtree(home / "state", ignore_errors=True)


class Cluster:
    """
    One scoring application under a fresh name.

    Args:
        brokers: The broker.
        directory: Where logs and state of the workers lie, a folder each.
        model: Scoring model, a shipped name or a file; several with commas between.
        guarantee: exactly_once or at_least_once.
        environ: More LEADSCORE_* variables, for every worker and command.
    """

    def __init__(
        self, brokers: str, directory: Path, *, model: str, guarantee: str = "exactly_once", **environ: str
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.brokers = brokers
        self.directory = directory
        self.name = fresh("scoring")
        self.source = f"{self.name}-in"
        self.qualifications = f"{self.name}-qualifications"
        self.scores = f"{self.name}-scores"
        self.dead_letters = f"{self.source}-dlq"
        self.workers: dict[str, WorkerProcess] = {}
        self.lives: list[WorkerProcess] = []  # every worker that ever ran
        self.restarts = 0  # of workers that asked for it by their exit code
        self.is_mortal = False  # whether workers are started so that they can be made to die inside a round
        self.is_steadfast = (
            False  # whether a worker that waits for a dependency in vain (exit code 69) is started again too
        )
        self._doomed: set[str] = set()
        self._roaming: set[str] = set()  # members without a name in the group
        self._hooks: dict[str, dict[str, str]] = {}
        self._failure = ""
        self.wipe: Callable[[Path], None] = (
            wipe_directory  # what makes a new life of a worker, by its home, start from nothing
        )
        self.environ = {
            "LEADSCORE_BROKERS": brokers,
            "LEADSCORE_APP_ID": self.name,
            "LEADSCORE_INPUT_TOPIC": self.source,
            "LEADSCORE_QUALIFICATIONS_TOPIC": self.qualifications,
            "LEADSCORE_SCORES_TOPIC": self.scores,
            "LEADSCORE_REPLICATION": "1",
            "LEADSCORE_PARTITIONS": str(PARTITIONS),
            "LEADSCORE_GUARANTEE": guarantee,
            "LEADSCORE_MODELS": model,
            "LEADSCORE_TIME": "stream",
            "LEADSCORE_SESSION_TIMEOUT": SESSION,
            "LEADSCORE_ERASURE_KEY": ERASURE_KEY,
            **environ,
        }

    @property
    def settings(self) -> Settings:
        """What the workers run with."""
        return load_settings(self.environ)

    async def command(self, *arguments: str) -> Finished:
        """Run the command `leadscore`, which must succeed."""
        return await leadscore(*arguments, directory=self.directory, environ=self.environ)

    # ---- workers

    def start(
        self,
        name: str,
        *,
        wipe: bool = False,
        is_supervised: bool = True,
        is_static: bool = True,
        hooks: Mapping[str, str] | None = None,
    ) -> WorkerProcess:
        """
        Start the worker *name*, by default a static member, on the state that its earlier lives left, unless *wipe*.

        *hooks* are more variables for it and for those of its later lives that the supervisor starts.
        """
        home = self.directory / name
        if wipe:
            self.wipe(home)
        self._hooks[name] = dict(hooks or {})
        settings = self.environ | ({"LEADSCORE_INSTANCE_ID": name} if is_static else {}) | self._hooks[name]
        worker = (
            MortalWorker(home, name, settings)
            if self.is_mortal
            else WorkerProcess(home, name, settings, is_counting=False)
        )
        self.lives.append(worker)
        if is_supervised:
            self.workers[name] = worker
        (self._roaming.discard if is_static else self._roaming.add)(name)
        return worker

    async def leave(self, name: str) -> None:
        """Stop the worker *name* in good order."""
        assert await self.workers.pop(name).stop() == 0

    def strike(self, name: str, *, wipe: bool) -> None:
        """Kill the worker *name* with SIGKILL and start it anew, with an empty state directory if *wipe*."""
        self.workers[name].kill()
        self.start_again(name, wipe=wipe)

    def start_again(self, name: str, *, wipe: bool = False) -> WorkerProcess:
        """Start the worker *name*, which has ended, as it was started before."""
        self._doomed.discard(name)
        return self.start(name, wipe=wipe, is_static=name not in self._roaming, hooks=self._hooks.get(name))

    def take_out(self, name: str) -> WorkerProcess:
        """Leave the worker *name* to the caller: it may end as it likes."""
        return self.workers.pop(name)

    def doom(self, name: str, step: str, number: signal.Signals = signal.SIGKILL) -> MortalWorker:
        """
        Let the worker *name* send itself *number* at *step* of the next round that tells sales something.

        Whoever asks for its death starts it anew, by `strike` or `start_again`.
        """
        worker = self.workers[name]
        assert isinstance(worker, MortalWorker), "workers are not mortal"
        if number == signal.SIGKILL:
            self._doomed.add(name)
        worker.die_at(step, number)
        return worker

    async def _supervise(self) -> None:
        """Start those anew that ask for it by their exit code; any other end is a failure."""
        while True:
            asking = {RestartRequired.exit_code, *([DependencyError.exit_code] if self.is_steadfast else [])}
            for name, worker in list(self.workers.items()):
                if worker.exit_code in asking:
                    self.restarts += 1
                    self.start_again(name)
                elif worker.exit_code is not None and name not in self._doomed:
                    self._failure = f"{name} ended with {worker.exit_code}:\n{worker.log_text()[-3000:]}"
            await asyncio.sleep(0.05)

    def check(self) -> None:
        """Raise AssertionError when a worker has ended for good."""
        assert not self._failure, self._failure

    async def wait_ready(self, name: str, *, partitions: int = 0, within_s: float = 60.0) -> None:
        """Wait until the worker *name*, in whichever life, reads its partitions, *partitions* of them unless 0."""

        def is_ready() -> bool:
            self.check()
            ready = self.workers[name].events("partitions_ready")
            return bool(ready) and (partitions == 0 or len(ready[-1]["offsets"]) == partitions)

        try:
            await wait_until(is_ready, within_s=within_s)
        except TimeoutError:
            log = self.workers[name].log_text()[-2000:]
            raise AssertionError(
                f"{name} was not ready within {within_s:g} s, {self.restarts} restarts:\n{log}"
            ) from None

    async def stop(self) -> None:
        """Stop every worker in good order; each must end with 0."""
        workers, self.workers = self.workers, {}
        codes = await asyncio.gather(*(worker.stop() for worker in workers.values()))
        assert set(codes) <= {0}, f"exit codes {codes}"

    def close(self) -> None:
        """Kill what still runs."""
        self.workers = {}
        for worker in self.lives:
            worker.kill()

    def count_logged(self, name: str) -> int:
        """Return how often the event *name* is in the logs of all lives."""
        return sum(len(worker.events(name)) for worker in self.lives)

    async def page(self, worker: WorkerProcess, path: str) -> bytes:
        """Return what *worker* serves at *path*."""
        port = (await worker.wait_for("worker_starts"))["web_port"]
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}{path}") as answer:
            return await answer.read()

    # ---- how far it is

    async def committed(self) -> dict[int, int]:
        """Return the group's committed offset of each source partition, 0 where there is none."""
        async with admin_of(self.brokers) as admin:
            return await self.committed_by(admin)

    async def committed_by(self, admin: AIOKafkaAdminClient) -> dict[int, int]:
        """Return what `committed` does, asked by *admin*: for those who ask often."""
        offsets = await admin.list_consumer_group_offsets(self.name)
        found = {place.partition: one.offset for place, one in offsets.items() if place.topic == self.source}
        return {partition: max(0, found.get(partition, 0)) for partition in range(PARTITIONS)}

    async def ends(self, *topics: str) -> dict[TopicPartition, int]:
        """Return where each partition of *topics* ends, control records included."""
        consumer = AIOKafkaConsumer(bootstrap_servers=self.brokers)
        try:
            await consumer.start()
            places = [TopicPartition(topic, number) for topic in topics for number in range(PARTITIONS)]
            found: dict[TopicPartition, int] = await consumer.end_offsets(places)
            return found
        finally:
            await consumer.stop()

    async def settled(self, *, within_s: float = 90.0) -> None:
        """
        Wait until everything sent is committed, no timer is overdue, and nothing more is written.

        Raises:
            AssertionError: A worker has ended for good.
        """
        outputs = (self.settings.changelog_topic, self.qualifications, self.scores, self.dead_letters)
        before: Any = None

        async def is_settled() -> bool:
            nonlocal before
            self.check()
            seen = await self.ends(self.source, *outputs)
            committed = await self.committed()
            is_through = all(committed[number] == seen[TopicPartition(self.source, number)] for number in committed)
            is_quiet, before = seen == before, seen
            return is_through and is_quiet and await self._count_overdue() == 0

        await wait_until(
            is_settled, within_s=within_s, what="everything committed and every timer fired", every_s=_LOOK_S
        )

    async def stored(self) -> dict[tuple[int, bytes], bytes]:
        """Return the value of each partition and key of the changelog: the one of the highest fence since its last tombstone."""
        values: dict[tuple[int, bytes], bytes] = {}
        for number, records in (await read_all(self.brokers, self.settings.changelog_topic)).items():
            for record in records:
                place = number, record.key
                if record.value is None:
                    values.pop(place, None)
                elif place not in values or fence_of(record.value) >= fence_of(values[place]):
                    values[place] = record.value
        return values

    async def _count_overdue(self) -> int:
        """Return how many contacts wait for a timer that the time of their partition has passed."""
        values = await self.stored()
        rows = {number: decode_partition_row(value) for (number, key), value in values.items() if key == PARTITION_KEY}
        overdue = 0
        for (number, key), value in values.items():
            fire_ms = fire_of(value) if key[0] > 1 else None
            newest_ms = rows[number].newest_ms
            overdue += fire_ms is not None and newest_ms is not None and fire_ms <= newest_ms
        return overdue


@asynccontextmanager
async def running_cluster(
    brokers: str, directory: Path, *, model: str, guarantee: str = "exactly_once", **environ: str
) -> AsyncIterator[Cluster]:
    """Yield a cluster with its topics and a supervisor; whatever still runs at the end is killed."""
    cluster = Cluster(brokers, directory, model=model, guarantee=guarantee, **environ)
    await cluster.command("topics", "create")
    supervisor = asyncio.create_task(cluster._supervise())
    try:
        yield cluster
    finally:
        supervisor.cancel()
        cluster.close()
        await asyncio.gather(supervisor, return_exceptions=True)
