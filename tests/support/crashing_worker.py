"""A worker whose scoring fails at one contact, with an error text that quotes the record: what a bug of the core could do."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

POISON = "TEST_POISON"
"""Names the variable that holds the text at which scoring fails."""


class QuotingPartition:
    """Scoring that raises an error of a bug at the record that holds *poison*."""

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


def main() -> int:
    """Run a worker as `leadscore run` does, with the bug."""
    from worker.scoring.model_file import load_model
    from worker.settings import load_settings
    from worker.stream.app import Parts, scoring_pipeline
    from worker.stream.worker import run_worker

    settings = load_settings(os.environ)
    real = scoring_pipeline(settings, tuple(map(load_model, settings.models)))
    poison = os.environ[POISON].encode()

    def make_partition(partition: int, partitions: int, row: bytes | None) -> Any:
        return QuotingPartition(real.make_partition(partition, partitions, row), poison)

    return run_worker(settings, parts=Parts(pipeline=replace(real, make_partition=make_partition)))


if __name__ == "__main__":
    sys.exit(main())
