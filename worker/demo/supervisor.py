"""
Run one command that must not outlive the process which asked for it.

A script of the standard library alone: `python supervisor.py LOG REMOVE COMMAND...`. It holds the
other end of a pipe on its standard input; when that closes, the asking process is gone, even by
SIGKILL, and the command is killed and the directory REMOVE (may be empty) deleted.
"""

from __future__ import annotations

import ctypes
import os
import select
import shutil
import signal
import subprocess
import sys
from pathlib import Path

_LOOK_AGAIN_S = 1.0  # a forked child of the asking process may hold the pipe open for longer
_PR_SET_PDEATHSIG = 1


def _die_with_supervisor() -> None:
    """Linux: have the kernel kill the command when the supervisor itself is killed."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def supervise(log: str, remove: str, command: list[str]) -> int:
    """
    Run *command*, its output appended to the file *log*; print its process id on the first line.

    Returns:
        Its exit code (128 + signal when a signal ended it), or 1 when it was left alone and killed.
    """
    asking = os.getppid()
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    with Path(log).open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            preexec_fn=_die_with_supervisor if sys.platform == "linux" else None,  # noqa: PLW1509 - one thread here
        )
    try:
        sys.stdout.write(f"{child.pid}\n")
        sys.stdout.flush()
        while child.poll() is None:
            readable, _, _ = select.select([0, woken], [], [], _LOOK_AGAIN_S)
            if woken in readable:
                os.read(woken, 4096)
            if (0 in readable and not os.read(0, 4096)) or os.getppid() != asking:
                child.kill()
                child.wait()
                if remove:
                    shutil.rmtree(remove, ignore_errors=True)
                return 1
        return child.returncode if child.returncode >= 0 else 128 - child.returncode
    finally:
        if child.poll() is None:
            child.kill()
            child.wait()


if __name__ == "__main__":
    sys.exit(supervise(sys.argv[1], sys.argv[2], sys.argv[3:]))
