"""A worker that counts, and whose event loop stands still for a while when the test says so: what a rule without end would do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tests.support.worker_process import ERASURE_KEY, ROOT, WorkerProcess

_ORDER = Path("block-for")


class BlockingWorker(WorkerProcess):
    """The worker as a child process; as WorkerProcess, but for the command."""

    def __init__(self, directory: Path, name: str, environ: Mapping[str, str]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.name = name
        self.log_file = directory / f"{name}.log"
        self._order = directory / _ORDER
        kept = {key: value for key, value in os.environ.items() if not key.startswith("LEADSCORE_")}
        own = {"PYTHONPATH": str(ROOT), "LEADSCORE_ERASURE_KEY": ERASURE_KEY, "LEADSCORE_WEB_PORT": "0"}
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.blocking_worker"],
                env=kept | own | dict(environ),
                cwd=directory,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def block(self, seconds: float) -> None:
        """Let it stand still for *seconds* at the next record."""
        new = self._order.with_suffix(".new")
        new.write_text(str(seconds), "utf-8")
        new.replace(self._order)

    @property
    def is_ordered(self) -> bool:
        """Whether it has still to begin."""
        return self._order.exists()


class _BlockingPartition:
    def __init__(self, inner: Any) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def fold(self, records: Sequence[Any], get_many: Any) -> None:
        if _ORDER.exists():
            seconds = float(_ORDER.read_text("utf-8"))
            _ORDER.unlink()
            time.sleep(seconds)
        self._inner.fold(records, get_many)


def main() -> int:
    """Run a worker that counts, with the hook."""
    from tests.support.counting_pipeline import counting_pipeline
    from worker.settings import load_settings
    from worker.stream.app import Parts
    from worker.stream.worker import run_worker

    settings = load_settings(os.environ)
    counting = counting_pipeline(settings.qualifications_topic, has_timers=False)

    def make_partition(*args: Any) -> Any:
        return _BlockingPartition(counting.make_partition(*args))

    return run_worker(settings, parts=Parts(pipeline=replace(counting, make_partition=make_partition)))


if __name__ == "__main__":
    sys.exit(main())
