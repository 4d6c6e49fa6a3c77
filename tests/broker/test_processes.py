"""Several processes under one supervisor on one topic: each record counts once, whatever happens to one of them or to all."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from pathlib import Path

import psutil
import pytest

from tests.support.counting_run import CountingRun, counting_run
from tests.support.kafka import wait_until
from tests.support.worker_process import WorkerProcess
from worker.demo.loopback import free_ports


def _alive(supervisor: WorkerProcess) -> list[int]:
    """Return the ids of its processes that run."""
    found = []
    for pid in {event["pid"] for event in supervisor.events("process_starts")}:
        try:
            if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE:
                found.append(pid)
        except psutil.NoSuchProcess:
            continue
    return found


async def _wait_shared(supervisor: WorkerProcess, processes: int) -> None:
    """Wait until each of so many processes has partitions and reads them."""

    def shared() -> bool:
        ready: dict[int, int] = {}
        for event in supervisor.events():
            if event["event"] == "partitions_ready":
                ready[event["process"]] = len(event["offsets"])
            elif event["event"] == "partitions_given_up":
                ready.pop(event["process"], None)
        assert supervisor.exit_code is None, supervisor.log_text()[-3000:]
        return len(ready) == processes and all(ready.values())

    await wait_until(shared, within_s=60, what=f"partitions shared by {processes} processes")


def _state(run: CountingRun) -> set[str]:
    return {path.name for path in (run.directory / "host/state").iterdir() if path.is_dir()}


async def _drain(brokers: str, tmp_path: Path, guarantee: str) -> None:
    async with counting_run(brokers, tmp_path, guarantee) as run:
        host = run.start("host", processes=3)
        await _wait_shared(host, 3)
        await run.send(2000)
        await run.assert_exact()
        assert _state(run) == {"process-1", "process-2", "process-3"}
        assert await host.stop() == 0
        assert _alive(host) == []
        assert await run.members() == 0, "all have left the group"
        assert all(line.startswith("{") and "process" in json.loads(line) for line in host.log_text().splitlines())
        host = run.start("host", processes=2)
        await _wait_shared(host, 2)
        assert _state(run) == {"process-1", "process-2"}
        await run.send(1000)
        await run.assert_exact()
        assert await host.stop() == 0


@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
def test_processes_share_a_topic_exactly_and_their_number_may_change(
    brokers: str, tmp_path: Path, guarantee: str
) -> None:
    asyncio.run(_drain(brokers, tmp_path, guarantee))


async def _one_killed(brokers: str, tmp_path: Path) -> None:
    async with counting_run(brokers, tmp_path, "exactly_once", session_ms=30_000) as run:
        host = run.start("host", processes=2, is_static=True)
        await _wait_shared(host, 2)
        sending = asyncio.create_task(run.send(4000, rate=400))
        await wait_until(lambda: run.sent.total() > 800, within_s=30)
        generations = len(host.events("partitions_assigned"))
        os.kill(host.events("process_starts")[0]["pid"], signal.SIGKILL)
        await host.wait_for("process_starts", count=3)
        await sending
        await run.assert_exact()
        ended = host.events("process_ends")[0]
        assert (ended["process"], ended["exit_code"]) == (1, -signal.SIGKILL)
        after = host.events("partitions_assigned")[generations:]
        assert [event["process"] for event in after] == [1], "its own name got it its own partitions back"
        assert await host.stop() == 0
        assert _alive(host) == []


def test_one_that_is_killed_comes_back_and_the_other_notices_nothing(brokers: str, tmp_path: Path) -> None:
    asyncio.run(_one_killed(brokers, tmp_path))


async def _all_killed(brokers: str, tmp_path: Path) -> None:
    async with counting_run(brokers, tmp_path, "exactly_once") as run:
        host = run.start("host", processes=2)
        await _wait_shared(host, 2)
        sending = asyncio.create_task(run.send(3000, rate=600))
        await wait_until(lambda: run.sent.total() > 800, within_s=30)
        host.kill()
        await wait_until(lambda: _alive(host) == [], within_s=10, what="no process without its supervisor")
        await sending
        host = run.start("host", processes=2)
        await _wait_shared(host, 2)
        await run.assert_exact()
        assert await host.stop() == 0


def test_nothing_outlives_a_supervisor_that_is_killed_and_nothing_is_lost(brokers: str, tmp_path: Path) -> None:
    asyncio.run(_all_killed(brokers, tmp_path))


async def _all_told(brokers: str, tmp_path: Path) -> None:
    async with counting_run(brokers, tmp_path, "exactly_once") as run:
        host = run.start("host", processes=2)
        await _wait_shared(host, 2)
        await run.send(500)
        for pid in (*_alive(host), host.pid):
            os.kill(pid, signal.SIGTERM)
        assert await host.wait_ended() == 0
        assert host.events("worker_stops_at_once") == []
        assert len(host.events("worker_stopped")) == 2
        assert _alive(host) == []


def test_a_service_manager_may_tell_all_of_them_to_stop_at_once(brokers: str, tmp_path: Path) -> None:
    """If this fails, each stop by systemd, which does so, cuts short what the workers were about to finish."""
    asyncio.run(_all_told(brokers, tmp_path))


async def _refused(brokers: str, tmp_path: Path) -> None:
    async with counting_run(brokers, tmp_path, "exactly_once") as run:
        (port,) = free_ports(1)
        with socket.create_server(("127.0.0.1", port + 2)):  # the port of process 2
            host = run.start("host", processes=2, LEADSCORE_WEB_PORT=str(port))
            assert await host.wait_ended(within_s=60) == 78
        assert _alive(host) == []
        last = host.events()[-1]
        assert (last["event"], last["exit_code"], last["process"]) == ("worker_ends", 78, 0)
        assert last["reason"].startswith("process 2: ")
        assert f"port {port + 2} cannot be bound" in last["reason"]


def test_what_an_operator_has_to_mend_in_one_stops_all(brokers: str, tmp_path: Path) -> None:
    asyncio.run(_refused(brokers, tmp_path))


async def _unreachable(tmp_path: Path) -> None:
    async with counting_run("127.0.0.1:1", tmp_path, "exactly_once") as run:
        host = run.start("host", processes=2, TEST_CONNECT_S="1")
        assert await host.wait_ended(within_s=60) == 69
        assert _alive(host) == []


def test_without_brokers_all_end_as_one_would(tmp_path: Path) -> None:
    asyncio.run(_unreachable(tmp_path))
