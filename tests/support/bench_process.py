"""What a process and all its descendants cost, seen from outside."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

import psutil

from worker.clock import now_ms

_MIB = 1 << 20
_STOP_WITHIN_S = 60.0


class Sample(NamedTuple):
    """CPU seconds, user and system, used up to an instant."""

    at_ms: int
    cpu_s: float
    broker_cpu_s: float


class MeasuredProcess:
    """
    A child process whose CPU time and memory are sampled; a context manager that ends it.

    Args:
        command: Program and arguments.
        log: File for its output.
        directory: Its working directory.
        environ: Its environment.
        broker_pid: The process of the broker it talks to; None when that runs elsewhere.
    """

    def __init__(
        self, command: Sequence[str], *, log: Path, directory: Path, environ: Mapping[str, str], broker_pid: int | None
    ) -> None:
        self._log = log
        self.peak_rss_mib = 0.0
        self._broker = None if broker_pid is None else psutil.Process(broker_pid)
        with log.open("wb") as out:
            self._child = subprocess.Popen(
                command, cwd=directory, env=dict(environ), stdout=out, stderr=subprocess.STDOUT, start_new_session=True
            )
        self._process = psutil.Process(self._child.pid)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._child.returncode is None:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()

    @property
    def pid(self) -> int:
        """Process id, for a profiler."""
        return self._child.pid

    def sample(self) -> Sample:
        """
        Return what was used until now.

        Raises:
            RuntimeError: It has ended; with the end of its log.
        """
        if self._child.poll() is not None:
            raise RuntimeError(f"it ended with {self._child.returncode}:\n{self.log_tail()}")
        cpu = rss = 0.0
        for process in (self._process, *self._process.children(recursive=True)):
            try:
                used = process.cpu_times()
                cpu += used.user + used.system + used.children_user + used.children_system
                rss += process.memory_info().rss
            except psutil.NoSuchProcess:  # a descendant that has just ended is in its parent's sum
                continue
        self.peak_rss_mib = max(self.peak_rss_mib, rss / _MIB)
        return Sample(now_ms(), cpu, self.broker_cpu_s())

    def broker_cpu_s(self) -> float:
        """Return the CPU seconds that the broker has used; 0 when it is not known."""
        if self._broker is None:
            return 0.0
        used = self._broker.cpu_times()
        return float(used.user + used.system)

    def stop(self) -> float:
        """
        Stop it in good order (SIGTERM) and return the CPU seconds of its whole life.

        Raises:
            RuntimeError: It did not end within a minute, or not with 0.
        """
        os.killpg(self._child.pid, signal.SIGTERM)
        before = os.times()
        try:
            code = self._child.wait(_STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            raise RuntimeError(f"it did not stop within {_STOP_WITHIN_S:g} s:\n{self.log_tail()}") from None
        if code:
            raise RuntimeError(f"it ended with {code} when stopped:\n{self.log_tail()}")
        # A child's time is added to its parent's when it is waited for, and we wait for one at a time.
        after = os.times()
        return after.children_user - before.children_user + after.children_system - before.children_system

    def log_tail(self) -> str:
        """Return the end of what it wrote."""
        return self._log.read_bytes()[-4000:].decode("utf-8", "replace")


def machine() -> str:
    """Return what the figures were measured on."""
    memory = psutil.virtual_memory().total / (1 << 30)
    model = "unknown processor"
    if (cpuinfo := Path("/proc/cpuinfo")).exists():
        names = [
            line.partition(":")[2].strip() for line in cpuinfo.read_text("utf-8").splitlines() if "model name" in line
        ]
        model = names[0] if names else model
    return f"{psutil.cpu_count()} x {model}, {memory:.0f} GiB, {platform.system()} {platform.release()}, Python {platform.python_version()}"
