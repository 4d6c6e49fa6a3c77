"""What a process takes up over time, and how fast that grows: least squares over samples taken at steady moments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.support.faults.figures import MB

_AN_HOUR_S = 3_600.0


class Sample(NamedTuple):
    """One look at a worker."""

    at_s: float  # since the begin
    rss_mb: float
    handles: int
    disk_mb: float


@dataclass
class Growth:
    """Samples of one worker, or of one worker's lives at equal age."""

    samples: list[Sample] = field(default_factory=list)

    def take(self, at_s: float, pid: int, state: Path) -> None:
        """Add a look at the process *pid* with its *state* directory; nothing when it has ended."""
        try:
            process = psutil.Process(pid)
            sample = Sample(at_s, process.memory_info().rss / MB, process.num_fds(), disk_mb(state))
        except psutil.Error:
            return
        self.samples.append(sample)

    def an_hour(self) -> dict[str, float]:
        """
        Return by how much each grows an hour in the second half; nothing of fewer than three samples.

        In the first half caches and the journals of busy contacts fill.
        """
        samples = self.samples[len(self.samples) // 2 :]
        if len(samples) < 3:
            return {}
        at = [sample.at_s for sample in samples]
        return {
            f"{name}_an_hour": round(slope(at, [getattr(sample, name) for sample in samples]) * _AN_HOUR_S, 2)
            for name in ("rss_mb", "handles", "disk_mb")
        }

    def last(self) -> dict[str, float]:
        """Return the last look."""
        return {name: round(value, 1) for name, value in self.samples[-1]._asdict().items()} if self.samples else {}


def slope(xs: Sequence[float], ys: Sequence[float]) -> float:
    """
    Return by how much y grows a unit of x, by least squares; 0 where all x are equal.

    >>> slope([0, 1, 2, 3], [5, 7, 9, 11])
    2.0
    >>> slope([0, 1, 2], [4, 4, 4])
    0.0
    """
    middle_x, middle_y = sum(xs) / len(xs), sum(ys) / len(ys)
    spread = sum((x - middle_x) ** 2 for x in xs)
    return sum((x - middle_x) * (y - middle_y) for x, y in zip(xs, ys, strict=True)) / spread if spread else 0.0


def disk_mb(directory: Path) -> float:
    """Return what the files below *directory* take up; files that vanish meanwhile count nothing."""
    total = 0
    for path in directory.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total / MB
