from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import IO

import psutil
import pytest

ROOT = Path(__file__).parents[2]


def start_demo(tmp_path: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "worker.cli.main", "demo", *arguments],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path), "COLUMNS": "160"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def read_until(output: IO[str], text: str) -> None:
    """Read lines up to one with *text* in it."""
    lines = []
    while text not in (line := output.readline()):
        lines.append(line)
        assert line, f"the demo ended early:\n{''.join(lines)}"


def assert_nothing_is_left(tmp_path: Path, family: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive
    assert not list(tmp_path.glob("leadscore-*"))


@pytest.mark.timeout(240)
def test_demo_ends_with_books_that_balance_and_leaves_nothing_behind(tmp_path: Path) -> None:
    """The first thing that a stranger runs: if it fails, nobody looks at the rest."""
    with start_demo(tmp_path, "--seconds", "12", "--contacts", "400") as demo:
        assert demo.stdout is not None
        read_until(demo.stdout, "starting the worker")
        family = psutil.Process(demo.pid).children(recursive=True)
        output = demo.stdout.read()
        assert demo.wait(60) == 0, output
    assert re.search(r"12 days of a company with \d+ contacts: [\d,]+ records sent", output)
    assert "The books balance" in output
    assert "demo requested +100" in output  # a transition, with its reason
    assert "leadscore model show simple-100" in output
    assert_nothing_is_left(tmp_path, family)


@pytest.mark.timeout(240)
def test_demo_gives_its_summary_when_it_is_interrupted(tmp_path: Path) -> None:
    with start_demo(tmp_path, "--seconds", "300", "--contacts", "200") as demo:
        assert demo.stdout is not None
        read_until(demo.stdout, "records sent")
        family = psutil.Process(demo.pid).children(recursive=True)
        demo.send_signal(signal.SIGINT)
        output = demo.stdout.read()
        assert demo.wait(60) == 0, output
    assert "The books balance" in output
    assert_nothing_is_left(tmp_path, family)


@pytest.mark.timeout(240)
def test_demo_that_is_killed_takes_its_processes_along(tmp_path: Path) -> None:
    with start_demo(tmp_path, "--seconds", "300", "--contacts", "200") as demo:
        assert demo.stdout is not None
        read_until(demo.stdout, "records sent")
        family = psutil.Process(demo.pid).children(recursive=True)
        assert len(family) >= 4  # Kafka and the worker, each with its supervisor
        demo.kill()
        demo.wait(20)
    assert_nothing_is_left(tmp_path, family)


@pytest.mark.timeout(240)
def test_demo_says_so_when_its_worker_ends_by_itself(tmp_path: Path) -> None:
    with start_demo(tmp_path, "--seconds", "300", "--contacts", "200") as demo:
        assert demo.stdout is not None
        read_until(demo.stdout, "records sent")
        family = psutil.Process(demo.pid).children(recursive=True)
        (worker,) = [process for process in family if process.cmdline()[1:] == ["-m", "worker.cli.main", "run"]]
        worker.kill()
        output = demo.stdout.read()
        assert demo.wait(60) == 69, output
    assert "the worker: ended with exit code 137" in output
    assert "worker_starts" in output  # the end of its log
    assert "Traceback" not in output
    assert_nothing_is_left(tmp_path, family)


def test_demo_interrupted_while_it_starts_exits_130_and_leaves_nothing_behind(tmp_path: Path) -> None:
    with start_demo(tmp_path, "--seconds", "300") as demo:
        assert demo.stdout is not None
        assert demo.stdout.readline().startswith("starting Apache Kafka")
        family = psutil.Process(demo.pid).children(recursive=True)
        demo.send_signal(signal.SIGINT)
        output = demo.stdout.read()
        assert demo.wait(30) == 130, output
    assert "Traceback" not in output
    assert_nothing_is_left(tmp_path, family)
