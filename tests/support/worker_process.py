"""A worker as its own process: started, watched through its log, killed, frozen; with crash points that only tests have."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.support.counting_pipeline import counting_pipeline
from tests.support.faults.crash_points import CRASH_AT, DyingDelivery, counted
from tests.support.kafka import wait_until
from worker.settings import Settings

ROOT = Path(__file__).parents[2]
ERASURE_KEY = "0123456789abcdef0123456789abcdef"


class WorkerProcess:
    """
    One `leadscore run` (or the same with the counting pipeline) as a child process.

    Args:
        directory: Its working directory; the log and, unless the environment says otherwise, the state lie there.
        name: For the log's file name.
        environ: LEADSCORE_* variables.
        is_counting: Whether the counting pipeline takes the place of scoring.
        command: Arguments of Python that take the place of both.
        crash_at: ``<step>:<n>:<signal>``: at the nth time that the delivery reaches *step*, send itself *signal*.
    """

    def __init__(
        self,
        directory: Path,
        name: str,
        environ: Mapping[str, str],
        *,
        is_counting: bool = True,
        crash_at: str = "",
        extra: Mapping[str, str] | None = None,
        command: Sequence[str] = (),
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.log_file = directory / f"{name}-{len(list(directory.glob('*.log')))}.log"
        variables = {
            **{key: value for key, value in os.environ.items() if not key.startswith("LEADSCORE_")},
            "PYTHONPATH": str(ROOT),
            "PYTHONUNBUFFERED": "1",
            "LEADSCORE_ERASURE_KEY": ERASURE_KEY,
            "LEADSCORE_WEB_PORT": "0",
            **environ,
            CRASH_AT: crash_at,
            **(extra or {}),
        }
        module = ["-m", "tests.support.worker_process"] if is_counting else ["-m", "worker.cli.main", "run"]
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, *(command or module)],
                env=variables,
                cwd=directory,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """The exit code, negative for a signal; None while it runs."""
        return self._process.poll()

    def events(self, name: str = "") -> list[dict[str, Any]]:
        """Return what it has logged, only *name* when given."""
        found = []
        for line in self.log_file.read_text("utf-8", "replace").splitlines():
            if line.startswith("{"):
                try:
                    event = json.loads(line)
                except ValueError:
                    continue  # the last line, half written
                if not name or event.get("event") == name:
                    found.append(event)
        return found

    def log_text(self) -> str:
        return self.log_file.read_text("utf-8", "replace")

    async def wait_for(self, name: str, *, count: int = 1, within_s: float = 40.0) -> dict[str, Any]:
        """Return the *count*th event *name* once it is logged; fails when the process ends before."""

        def logged() -> bool:
            if len(self.events(name)) >= count:
                return True
            if self.exit_code is not None:
                raise AssertionError(
                    f"{self.name} ended with {self.exit_code} before {name}:\n{self.log_text()[-3000:]}"
                )
            return False

        await wait_until(logged, within_s=within_s, what=f"{name} number {count} of {self.name}")
        return self.events(name)[count - 1]

    async def wait_ready(self, *, count: int = 1, within_s: float = 40.0) -> dict[str, Any]:
        """Wait until it reads its partitions, the *count*th time."""
        return await self.wait_for("partitions_ready", count=count, within_s=within_s)

    async def wait_ended(self, *, within_s: float = 30.0) -> int:
        """Return the exit code once it has ended."""
        await wait_until(lambda: self.exit_code is not None, within_s=within_s, what=f"end of {self.name}")
        code = self.exit_code
        assert code is not None
        return code

    def signal(self, number: signal.Signals) -> None:
        if self.exit_code is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """End it at once, as a power cut would, and wait."""
        self.signal(signal.SIGKILL)
        self._process.wait()

    async def stop(self, *, within_s: float = 30.0) -> int:
        """Ask it to stop and return its exit code."""
        self.signal(signal.SIGTERM)
        return await self.wait_ended(within_s=within_s)


def _slow_down(seconds: float) -> None:
    """Make each batch of a restore wait, all of them together about *seconds*."""
    from worker.stream.restore import Restore

    apply = Restore._apply

    async def slow(self: Restore, *args: Any) -> None:
        await asyncio.sleep(seconds / 4)
        await apply(self, *args)

    Restore._apply = slow  # type: ignore[assignment, method-assign]


def _limit_faust(app: Any, seconds: float) -> None:
    """Set Faust's limit for a step of its recovery, which it reads anew at each."""
    app.conf.broker_request_timeout = seconds


def main() -> int:
    """Run a worker that counts, by the environment."""
    from worker.settings import load_settings

    return run(load_settings(os.environ))


def run(settings: Settings, *, one_signal_s: float = 0.0) -> int:
    """Run a worker that counts, with the test hooks that the environment names."""
    from tests.support.protocol_injection import install_protocol_errors
    from worker.stream.app import Parts
    from worker.stream.worker import run_worker

    install_protocol_errors()
    crash_at = os.environ.get(CRASH_AT, "")
    if slow_s := os.environ.get("TEST_SLOW_RESTORE_S"):
        _slow_down(float(slow_s))
    limit_s = os.environ.get("TEST_REQUEST_TIMEOUT_S")
    parts = Parts(
        on_created=(lambda app: _limit_faust(app, float(limit_s))) if limit_s else (lambda _: None),
        pipeline=counting_pipeline(settings.qualifications_topic, has_timers=os.environ.get("TEST_TIMERS") == "1"),
        wrap_delivery=(lambda delivery: DyingDelivery(delivery, counted(crash_at)))
        if crash_at
        else (lambda delivery: delivery),
    )
    return run_worker(
        settings,
        parts=parts,
        connect_within_s=float(os.environ.get("TEST_CONNECT_S", "30")),
        one_signal_s=one_signal_s,
    )


if __name__ == "__main__":
    sys.exit(main())
