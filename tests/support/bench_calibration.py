"""A loop whose cost never changes, measured beside everything else: when it moves, the machine did, not the worker."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

import orjson

from worker.clock import cpu_seconds

_TURNS = 5


def calibrate(values: Sequence[bytes]) -> float:
    """Return the CPU µs that decoding one of *values*, JSON, takes here and now; the median of a few turns."""
    turns = []
    for _ in range(_TURNS):
        began = cpu_seconds()
        for value in values:
            orjson.loads(value)
        turns.append((cpu_seconds() - began) / len(values) * 1e6)
    return median(turns)
