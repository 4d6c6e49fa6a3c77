"""A child process that never outlives this one, whatever ends it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from worker.clock import Deadline

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_KILLED_WITHIN_S = 10.0
_FROZEN_WITHIN_S = 5.0
_LOG_TAIL_BYTES = 4000


class SupervisedProcess:
    """
    *command*, started at once under a supervisor that kills it when this process is gone.

    It has a session of its own, so that Ctrl-C in the terminal reaches us alone and we end the parts in their order.

    Args:
        command: Program and arguments.
        log: File that its output is appended to.
        remove: Directory to delete if this process dies without having closed the child; None: no directory.
        environ: Its environment; None: ours.

    Raises:
        OSError: It cannot be started; the text says why.
    """

    def __init__(
        self, command: Sequence[str], *, log: Path, remove: Path | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self._log = log
        self._supervisor = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SUPERVISOR), str(log), str(remove or ""), *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=None if environ is None else dict(environ),
            text=True,
            start_new_session=True,
        )
        said = self._supervisor.stdout.readline().strip() if self._supervisor.stdout else ""
        if not said.isdecimal():
            self.kill()
            raise OSError(f"{command[0]} could not be started: {self.log_tail()}")
        self.pid = int(said)

    @property
    def is_running(self) -> bool:
        """Whether the process exists; a frozen one does."""
        return self._supervisor.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Its exit code, 128 + signal when a signal ended it; None while it runs."""
        return self._supervisor.poll()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens when it has ended."""
        # The supervisor waits for the child before it ends, so while it lives the id is the child's.
        if self.is_running:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def wait(self, seconds: float) -> bool:
        """Wait up to *seconds* for its end and return whether it has come."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._supervisor.wait(seconds)
        return not self.is_running

    def freeze(self) -> None:
        """Stop it in its tracks (SIGSTOP); when this returns, every thread of it has stopped."""
        self.signal(signal.SIGSTOP)
        deadline = Deadline(_FROZEN_WITHIN_S)
        while not _is_stopped(self.pid) and not deadline.has_passed:
            self.wait(0.01)

    def thaw(self) -> None:
        """Let it go on after `freeze` (SIGCONT)."""
        self.signal(signal.SIGCONT)

    def stop(self, within_s: float) -> None:
        """End it in good order (SIGTERM), by force after *within_s* seconds."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        self.wait(within_s)
        self.kill()

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        if hasattr(self, "pid"):
            self.signal(signal.SIGKILL)
        if not self.wait(_KILLED_WITHIN_S):
            self._supervisor.terminate()  # it kills the child on its way out
            self._supervisor.wait()
        for pipe in (self._supervisor.stdin, self._supervisor.stdout):
            if pipe is not None:
                pipe.close()

    def log_tail(self) -> str:
        """Return the end of what it wrote."""
        return log_tail(self._log)


def log_tail(log: Path) -> str:
    """Return the last 4 kB of the file *log* for an error message."""
    if not log.exists():
        return "(no log)"
    return log.read_bytes()[-_LOG_TAIL_BYTES:].decode("utf-8", "replace").strip() or "(empty)"


def _is_stopped(pid: int) -> bool:
    """Whether every thread has noticed SIGSTOP: Java's take a moment, in which they still answer."""
    if not Path("/proc/self/task").exists():
        return True  # not Linux: nothing to look at
    with contextlib.suppress(OSError):  # a thread that ends while we look
        stats = Path(f"/proc/{pid}/task").glob("*/stat")
        return {stat.read_text("utf-8").rpartition(")")[2].split()[0] for stat in stats} == {"T"}
    return False
