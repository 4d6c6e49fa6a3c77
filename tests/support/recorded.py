"""The recorded history that acceptance runs on: real steps of a bank's loan applications, read where they lie, never copied."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

from tests.support.needs import missing
from worker.lines import read_lines

VARIABLE = "LEADSCORE_TEST_DATA"
NAME = "bpi2012.jsonl.gz"
EVENTS = 262_200
ROOT = Path(__file__).resolve().parents[2]  # the tests may be seen through a link, from where the worker is compiled
LOANS = ROOT / "tests" / "models" / "bpi-loans.yaml"
"""The scoring model that was written for it."""


def recorded_file() -> Path:
    """Return where the recording lies: LEADSCORE_TEST_DATA names it or its folder; without it the calling test is skipped."""
    named = ROOT / os.environ.get(VARIABLE, "../shared/data")
    file = named / NAME if named.is_dir() or named.name == "data" else named
    if not file.is_file():
        missing(f"the recorded history {NAME} is not there; {VARIABLE} names it, now {named}")
    return file


def recorded_lines(limit: int = EVENTS) -> list[bytes]:
    """Return the first *limit* events as they are written, without their line ends."""
    return [line.strip() for line in islice(read_lines(recorded_file()), limit)]
