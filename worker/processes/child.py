"""
One of several worker processes, as it is started: it ends when its supervisor does.

`python -m worker.processes.child NUMBER`; the number is only for who reads a list of processes.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable

from worker.errors import ConfigError, RestartRequired

_PR_SET_PDEATHSIG = 1
ONE_SIGNAL_S = 2.0
"""Two signals within so long are the supervisor's and that of who told it: systemd tells all processes of a service."""


def end_with_supervisor(pipe: int = 0, *, asks_kernel: bool = sys.platform == "linux") -> None:
    """
    Have this process end when the supervisor has gone, even by SIGKILL.

    Nothing is finished then: a successor may be starting on the same state, and what is not committed is done again.

    Args:
        pipe: A descriptor whose other end only the supervisor holds open: our standard input.
        asks_kernel: Whether Linux is to kill us, too, which it does even when none of our threads has its turn.
    """
    if asks_kernel:
        import ctypes  # noqa: PLC0415 - for Linux only

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The pipe also tells of a supervisor that had gone before the kernel was asked.
    threading.Thread(target=_end_after, args=(pipe,), name="supervisor", daemon=True).start()


def _end_after(pipe: int) -> None:
    while os.read(pipe, 4096):
        pass
    os._exit(RestartRequired.exit_code)


def main(run: Callable[..., int] | None = None) -> int:
    """
    Run one worker by the environment, and return its exit code.

    Args:
        run: What a test runs instead, with the same arguments.
    """
    end_with_supervisor()
    from worker.settings import load_settings  # noqa: PLC0415 - what takes long to import comes after the tie
    from worker.stream.fatal import log_end  # noqa: PLC0415 - as above
    from worker.stream.worker import run_worker  # noqa: PLC0415 - as above

    try:
        settings = load_settings(os.environ)
    except ConfigError as error:
        return log_end(error)
    return (run or run_worker)(settings, one_signal_s=ONE_SIGNAL_S)


if __name__ == "__main__":
    sys.exit(main())
