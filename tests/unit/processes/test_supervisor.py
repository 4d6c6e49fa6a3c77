"""A supervisor and real processes, none of which needs a Kafka: they do what a script says."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from tests.support.kafka import wait_until
from tests.support.worker_process import WorkerProcess

BEGIN = """
import json, os, signal, sys, time
from worker.processes.child import end_with_supervisor

number, told = int(sys.argv[1]), []

def say(event, **fields):
    os.write(2, (json.dumps({"event": event, **fields}) + "\\n").encode())

def stop(*_):
    told.append(1)
    say("told", times=len(told))
"""
SERVES = """
end_with_supervisor()
signal.signal(signal.SIGTERM, stop)
signal.signal(signal.SIGINT, stop)
say("serves", pid=os.getpid(), store=os.environ["LEADSCORE_STORE"])
while not told:
    time.sleep(0.02)
"""
CRASHES_ONCE = """
if number == 2 and not os.path.exists("crashed"):
    open("crashed", "w").close()
    os.kill(os.getpid(), signal.SIGSEGV)
"""
ENDS_WITH = """
if number == 2:
    while not os.path.exists("serving"):
        time.sleep(0.02)
    say("worker_ends", exit_code={code}, code="some.code", reason="it is the disk")
    sys.exit({code})
"""


class Supervised(WorkerProcess):
    """A supervisor of processes that run *script*, which begins with BEGIN."""

    def __init__(self, directory: Path, script: str, **environ: str) -> None:
        file = directory / "script.py"
        file.write_text(BEGIN + script, "utf-8")
        super().__init__(
            directory,
            "supervisor",
            {"LEADSCORE_BROKERS": "nowhere:9092", "LEADSCORE_PROCESSES": "2", **environ},
            command=["-m", "tests.support.supervised_script", str(file)],
        )

    def pids(self) -> list[int]:
        return [event["pid"] for event in self.events("process_starts")]


def is_alive(pid: int) -> bool:
    """Whether *pid* runs; one that only waits to be asked for its exit code does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def told(tmp_path: Path, story: Callable[[Supervised], Awaitable[None]], script: str, **options: str) -> Supervised:
    """Run *story* with a supervisor; nothing of it is left running afterwards."""
    supervisor = Supervised(tmp_path, script, **options)

    async def go() -> None:
        try:
            await story(supervisor)
            await wait_until(lambda: not any(map(is_alive, supervisor.pids())), within_s=10, what="no process left")
        finally:
            supervisor.kill()
            for pid in filter(is_alive, supervisor.pids()):
                os.kill(pid, signal.SIGKILL)

    asyncio.run(go())
    return supervisor


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_reaches_each_process_once_and_all_end_well(tmp_path: Path, number: signal.Signals) -> None:
    async def story(supervisor: Supervised) -> None:
        await supervisor.wait_for("serves", count=2)
        groups = {os.getpgid(pid) for pid in [supervisor.pid, *supervisor.pids()]}
        assert len(groups) == 3, (
            "or Ctrl-C in a terminal would be two signals for each, and cut short what the first began"
        )
        supervisor.signal(number)
        assert await supervisor.wait_ended() == 0

    supervisor = told(tmp_path, story, SERVES)
    assert sorted((event["process"], event["times"]) for event in supervisor.events("told")) == [(1, 1), (2, 1)]
    assert {Path(event["store"]).name for event in supervisor.events("serves")} == {"process-1", "process-2"}
    assert supervisor.events()[-1]["event"] == "supervisor_stopped"
    assert {event["process"] for event in supervisor.events()} == {0, 1, 2}, "every line says whose it is"


def test_a_process_that_crashes_is_started_again_and_the_others_go_on(tmp_path: Path) -> None:
    async def story(supervisor: Supervised) -> None:
        await supervisor.wait_for("serves", count=2)
        assert [event["process"] for event in supervisor.events("process_starts")].count(1) == 1
        await supervisor.stop()

    supervisor = told(
        tmp_path,
        story,
        CRASHES_ONCE + SERVES,
    )
    first = supervisor.events("process_ends")[0]
    assert (first["process"], first["exit_code"], first["starts_again_in_seconds"]) == (2, -signal.SIGSEGV, 1.0)
    assert supervisor.exit_code == 0


@pytest.mark.parametrize("code", [69, 78])
def test_what_a_restart_would_not_mend_ends_all_with_its_code_and_its_reason(tmp_path: Path, code: int) -> None:
    async def story(supervisor: Supervised) -> None:
        assert await supervisor.wait_ended() == code

    supervisor = told(
        tmp_path,
        story,
        ENDS_WITH.format(code=code) + SERVES.replace("while not told", 'open("serving", "w").close()\nwhile not told'),
    )
    last = supervisor.events()[-1]
    assert last["event"] == "worker_ends"
    assert (last["exit_code"], last["code"], last["reason"], last["process"]) == (
        code,
        "some.code",
        "process 2: it is the disk",
        0,
    )
    assert [event["process"] for event in supervisor.events("told")] == [1]


def test_one_that_does_not_stop_in_time_is_killed(tmp_path: Path) -> None:
    async def story(supervisor: Supervised) -> None:
        await supervisor.wait_for("serves", count=2)
        supervisor.signal(signal.SIGTERM)
        assert await supervisor.wait_ended() == 70

    supervisor = told(
        tmp_path,
        story,
        SERVES.replace("while not told:", "while number == 2 or not told:"),
        LEADSCORE_STOP_TIMEOUT="1s",
    )
    assert [event["process"] for event in supervisor.events("process_killed")] == [2]


def test_a_second_signal_is_passed_on_too(tmp_path: Path) -> None:
    async def story(supervisor: Supervised) -> None:
        await supervisor.wait_for("serves", count=2)
        supervisor.signal(signal.SIGTERM)
        await supervisor.wait_for("told", count=2)
        supervisor.signal(signal.SIGTERM)
        assert await supervisor.wait_ended() == 0

    supervisor = told(tmp_path, story, SERVES.replace("while not told:", "while len(told) < 2:"))
    assert sorted((event["process"], event["times"]) for event in supervisor.events("told")) == [
        (1, 1), (1, 2), (2, 1), (2, 2),
    ]  # fmt: skip


@pytest.mark.parametrize("tie", ["end_with_supervisor()", "end_with_supervisor(asks_kernel=False)"])
def test_no_process_outlives_a_supervisor_that_is_killed(tmp_path: Path, tie: str) -> None:
    """If this fails, workers without anybody above them keep their partitions, and the next ones cannot lock their state."""

    async def story(supervisor: Supervised) -> None:
        await supervisor.wait_for("serves", count=2)
        assert len(list(filter(is_alive, supervisor.pids()))) == 2
        supervisor.kill()

    told(tmp_path, story, SERVES.replace("end_with_supervisor()", tie))


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel of Linux alone can be asked for this")
def test_not_even_a_frozen_process_outlives_its_supervisor_on_linux(tmp_path: Path) -> None:
    async def story(supervisor: Supervised) -> None:
        await supervisor.wait_for("serves", count=2)
        for pid in supervisor.pids():
            os.kill(pid, signal.SIGSTOP)
        supervisor.kill()

    told(tmp_path, story, SERVES)


def test_a_second_supervisor_on_the_same_state_is_refused_and_harms_nothing(tmp_path: Path) -> None:
    async def story(supervisor: Supervised) -> None:
        await supervisor.wait_for("serves", count=2)
        second = Supervised(tmp_path, SERVES, LEADSCORE_PROCESSES="3")
        assert await second.wait_ended() == 78
        assert "another process uses this state directory" in second.events("worker_ends")[0]["reason"]
        assert second.pids() == []
        assert await supervisor.stop() == 0

    told(tmp_path, story, SERVES)


def test_settings_and_models_that_cannot_be_used_are_refused_once_and_nothing_is_started(tmp_path: Path) -> None:
    async def story(supervisor: Supervised) -> None:
        assert await supervisor.wait_ended() == 78

    supervisor = told(tmp_path, story, SERVES, LEADSCORE_MODELS="no-such-model")
    assert [event["event"] for event in supervisor.events()] == ["worker_ends"]
    assert supervisor.pids() == []


def test_what_is_no_log_line_is_relayed_as_one(tmp_path: Path) -> None:
    async def story(supervisor: Supervised) -> None:
        await supervisor.wait_for("serves", count=2)
        assert await supervisor.stop() == 0

    supervisor = told(tmp_path, story, 'os.write(1, b"terminate called")\nos.write(1, b" twice\\n")\n' + SERVES)
    assert sorted((event["process"], event["line"]) for event in supervisor.events("process_output")) == [
        (1, "terminate called twice"),
        (2, "terminate called twice"),
    ]
