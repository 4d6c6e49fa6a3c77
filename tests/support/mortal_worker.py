"""
A worker with real scoring that can be made to fail where no outside hand reaches.

Run as a program it is `leadscore run` with hooks. It kills itself inside the next round that tells sales something, at
the step that a file in its working directory names. Where TEST_POISON is set, its scoring fails at the record that
holds this text, with an error that quotes it: what a bug of the core could do. Where TEST_DIES_CARRYING is set, it kills
itself while it carries states over.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.support.worker_process import ERASURE_KEY, ROOT, WorkerProcess

POISON = "TEST_POISON"
DIES_CARRYING = "TEST_DIES_CARRYING"
"""At which round, counted over all partitions, it kills itself while it carries states over to a new version of a model."""
STEPS: Mapping[str, Sequence[str]] = {
    # before anything is sent; data acknowledged; offsets accepted; durable and not in the store
    "exactly_once": ("begin", "acked", "offsets", "committed"),
    # before anything is sent; outputs acknowledged and the changelog not; durable and not in the store
    "at_least_once": ("begin", "published", "committed"),
}
"""Where in a round it can die, by guarantee."""

_DIE_AT = Path("die-at")
_CARRIED_A_ROUND = 16  # few, so that a small test has many rounds
_is_telling: ContextVar[bool] = ContextVar("_is_telling", default=False)  # each round is a task of its own


class MortalWorker(WorkerProcess):
    """The worker as a child process; as WorkerProcess, but for the command."""

    def __init__(self, directory: Path, name: str, environ: Mapping[str, str]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.log_file = directory / f"{name}-{len(list(directory.glob('*.log')))}.log"
        self._order = directory / _DIE_AT
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

    def die_at(self, step: str) -> None:
        """Let it kill itself at *step* of the next round that tells sales something."""
        new = self._order.with_suffix(".new")
        new.write_text(step, "utf-8")
        new.replace(self._order)


class DyingDelivery:
    """A delivery that dies as the file says."""

    def __init__(self, inner: Any, topic: str) -> None:
        self._inner = inner
        self._topic = topic
        if hasattr(inner, "_append"):
            inner._append = _before(inner._append, "published")
        else:
            from worker.stream.aiokafka_private import SharedClientProducer as Producer

            Producer.send_offsets_to_transaction = _before(Producer.send_offsets_to_transaction, "acked")
            Producer.commit_transaction = _before(Producer.commit_transaction, "offsets")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def deliver(self, partition: int, round_: Any) -> int:
        _is_telling.set(any(output.topic == self._topic for output in round_.outputs))
        _reach("begin")
        last: int = await self._inner.deliver(partition, round_)
        _reach("committed")
        return last


def _before(method: Callable[..., Any], step: str) -> Any:
    async def hooked(*args: Any) -> Any:
        _reach(step)
        return await method(*args)

    return hooked


def _reach(step: str) -> None:
    if _is_telling.get() and _DIE_AT.exists() and _DIE_AT.read_text("utf-8") == step:
        os.kill(os.getpid(), signal.SIGKILL)


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


def _die_carrying(nth: int) -> None:
    """Let states be carried over in small rounds, and the process die when the *nth* of them is about to be written."""
    from worker.stream import assignment
    from worker.stream.rounds import OwnedPartition

    settle = OwnedPartition.settle_round
    left = nth

    async def counted(self: OwnedPartition) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        await settle(self)

    assignment._CARRIED_A_ROUND = _CARRIED_A_ROUND
    OwnedPartition.settle_round = counted  # type: ignore[method-assign]


def main() -> int:
    """Run a worker as `leadscore run` does, with the hooks."""
    from worker.scoring.model_file import load_model
    from worker.settings import load_settings
    from worker.stream.app import Parts, scoring_pipeline
    from worker.stream.worker import run_worker

    settings = load_settings(os.environ)
    real = scoring_pipeline(settings, tuple(map(load_model, settings.models)))
    poison = os.environ.get(POISON, "").encode()
    if nth := os.environ.get(DIES_CARRYING):
        _die_carrying(int(nth))

    def make_partition(partition: int, partitions: int, row: bytes | None, get_many: Any) -> Any:
        scoring = real.make_partition(partition, partitions, row, get_many)
        return QuotingPartition(scoring, poison) if poison else scoring

    parts = Parts(
        pipeline=replace(real, make_partition=make_partition),
        wrap_delivery=lambda delivery: DyingDelivery(delivery, settings.qualifications_topic),
    )
    return run_worker(settings, parts=parts)


if __name__ == "__main__":
    sys.exit(main())
