"""
A worker with real scoring that can be made to fail where no outside hand reaches.

Run as a program it is `leadscore run` with hooks. It kills itself inside the next round that tells sales something, at
the step that a file in its working directory names. Where TEST_POISON is set, its scoring fails at the record that
holds this text, with an error that quotes it: what a bug of the core could do. Where TEST_DIES_CARRYING is set, it kills
itself while it carries states over. Further files in its working directory block it for a while, and put its clock wrong.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.support.faults.crash_points import CRASH_AT, DIE_AT, DyingDelivery, counted, ordered
from tests.support.worker_process import ERASURE_KEY, ROOT, WorkerProcess

POISON = "TEST_POISON"
DIES_CARRYING = "TEST_DIES_CARRYING"
"""At which round, counted over all partitions, it kills itself while it carries states over to a new version of a model."""
BLOCK_FOR = Path("block-for")
"""File in the working directory with seconds for which the next fold blocks the whole process."""
CLOCK_OFF_BY = Path("clock-off-by")
"""File in the working directory with seconds by which the wall clock is off."""
_CARRIED_A_ROUND = 16  # few, so that a small test has many rounds


class MortalWorker(WorkerProcess):
    """The worker as a child process; as WorkerProcess, but for the command."""

    def __init__(self, directory: Path, name: str, environ: Mapping[str, str]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.log_file = directory / f"{name}-{len(list(directory.glob('*.log')))}.log"
        self._order = directory / DIE_AT
        self._order.unlink(missing_ok=True)
        kept = {key: value for key, value in os.environ.items() if not key.startswith("LEADSCORE_")}
        own = {"PYTHONPATH": str(ROOT), "LEADSCORE_ERASURE_KEY": ERASURE_KEY, "LEADSCORE_WEB_PORT": "0"}
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.mortal_worker"],
                env=kept | own | dict(environ),
                cwd=directory,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def die_at(self, step: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Let it send itself *number* at *step* of the next round that tells sales something."""
        new = self._order.with_suffix(".new")
        new.write_text(f"{step} {number.name}", "utf-8")
        new.replace(self._order)


class QuotingPartition:
    """Scoring that fails at the record that holds *poison*."""

    def __init__(self, inner: Any, poison: bytes) -> None:
        self._inner = inner
        self._poison = poison

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def fold(self, records: Sequence[Any], get_many: Any) -> None:
        for record in records:
            if self._poison in (record.value or b""):
                raise LookupError(f"cannot fold {record.value!r} of {record.key!r}")
        self._inner.fold(records, get_many)


class BlockingPartition:
    """Scoring during which nothing else of the process runs for as many seconds as a file says, once."""

    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def fold(self, records: Sequence[Any], get_many: Any) -> None:
        if BLOCK_FOR.exists():
            seconds = float(BLOCK_FOR.read_text("utf-8"))
            BLOCK_FOR.unlink()
            time.sleep(seconds)
        self._inner.fold(records, get_many)


def _move_clock() -> None:
    """Let the wall clock be off by as many seconds as a file says, from one call to the next; what is monotonic stays."""
    real_ns = time.time_ns  # noqa: TID251 - it is the clock that is put wrong

    def moved_ns() -> int:
        try:
            return real_ns() + int(float(CLOCK_OFF_BY.read_text("utf-8")) * 1e9)
        except (FileNotFoundError, ValueError):  # not there, or half written
            return real_ns()

    time.time_ns = moved_ns  # noqa: TID251
    time.time = lambda: moved_ns() / 1e9  # noqa: TID251


def _die_carrying(nth: int) -> None:
    """Let states be carried over in small rounds, and the process die when the *nth* of them is about to be written."""
    from worker.stream import carry_over
    from worker.stream.rounds import OwnedPartition

    settle = OwnedPartition.settle_round
    left = nth

    async def counted(self: OwnedPartition) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        await settle(self)

    carry_over._CARRIED_A_ROUND = _CARRIED_A_ROUND
    OwnedPartition.settle_round = counted  # type: ignore[method-assign]


def main() -> int:
    """Run a worker as `leadscore run` does, with the hooks."""
    from tests.support.protocol_injection import install_protocol_errors
    from worker.scoring.model_file import load_model
    from worker.settings import load_settings
    from worker.stream.app import Parts, scoring_pipeline
    from worker.stream.worker import run_worker

    install_protocol_errors()
    _move_clock()
    settings = load_settings(os.environ)
    real = scoring_pipeline(settings, tuple(map(load_model, settings.models)))
    poison = os.environ.get(POISON, "").encode()
    if nth := os.environ.get(DIES_CARRYING):
        _die_carrying(int(nth))

    def make_partition(partition: int, partitions: int, row: bytes | None, get_many: Any) -> Any:
        scoring = real.make_partition(partition, partitions, row, get_many)
        return QuotingPartition(scoring, poison) if poison else BlockingPartition(scoring)

    crash_at = os.environ.get(CRASH_AT)
    reach = counted(crash_at) if crash_at else ordered
    parts = Parts(
        pipeline=replace(real, make_partition=make_partition),
        wrap_delivery=lambda delivery: DyingDelivery(delivery, reach, settings.qualifications_topic),
    )
    return run_worker(settings, parts=parts)


if __name__ == "__main__":
    sys.exit(main())
