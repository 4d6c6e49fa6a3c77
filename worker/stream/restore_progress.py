"""How far a restore has come, how fast it is, and how long it will still take."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field

from worker.clock import monotonic
from worker.logs import log_event

_log = logging.getLogger(__name__)

_TELL_EVERY_S = 10.0
_LOOK_EVERY_S = 0.5
_LOOKS = 20
"""The rate is that of the last looks together, 10 s: what lies further back says little of what is to come."""


@dataclass
class PartitionRestore:
    """How far the restore of one partition has come, in changelog offsets."""

    partition: int
    start: int
    position: int
    target: int  # the high watermark when the restore began
    stored: int | None  # last offset the store includes
    rows: int = 0  # read so far
    counted: int = 0  # of these, in the metrics
    lost: dict[bytes, bytes | None] = field(
        default_factory=dict
    )  # what a later row with a lower fence hides; None: a tombstone
    first_lost: int | None = None  # offset of the first row that hid one

    @property
    def is_complete(self) -> bool:
        """Whether everything up to the target is in the store."""
        return self.position >= self.target

    @property
    def total(self) -> int:
        """Offsets that there were to read when it began; not all are rows, where transactions or compaction were."""
        return max(0, self.target - self.start)

    @property
    def remaining(self) -> int:
        """Offsets still to read."""
        return max(0, self.target - self.position)


class RestoreProgress:
    """The restore of all *partitions* together; a line in the log every 10 seconds."""

    def __init__(self, partitions: Collection[PartitionRestore]) -> None:
        self._partitions = partitions
        self._looks: deque[tuple[float, int, int]] = deque(maxlen=_LOOKS)  # instant, rows, remaining
        self._began = self._told_at = monotonic()
        self._ended: float | None = None

    def begin(self) -> None:
        """Note that reading begins."""
        self._began = self._told_at = monotonic()
        self._look()

    def end(self) -> None:
        """Note that everything is in the store."""
        self._ended = monotonic()

    @property
    def seconds(self) -> float:
        """How long it has taken so far, or took."""
        return (monotonic() if self._ended is None else self._ended) - self._began

    @property
    def rows(self) -> int:
        """Rows read."""
        return sum(one.rows for one in self._partitions)

    @property
    def remaining(self) -> int:
        """Offsets still to read."""
        return sum(one.remaining for one in self._partitions)

    @property
    def rows_per_second(self) -> float:
        """Rows read a second, lately."""
        seconds, rows, _ = self._lately()
        return rows / seconds if seconds else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Estimate of the seconds until everything is read; None while nothing is known."""
        seconds, _, offsets = self._lately()
        if not self.remaining:
            return 0.0
        return self.remaining * seconds / offsets if offsets > 0 else None

    def tell(self) -> None:
        """Take note of where it stands; call it often."""
        now = monotonic()
        if now - self._looks[-1][0] >= _LOOK_EVERY_S:
            self._look()
        if now - self._told_at >= _TELL_EVERY_S:
            self._told_at = now
            left = self.seconds_left
            log_event(
                _log,
                logging.INFO,
                "restore_progress",
                partitions=sorted(one.partition for one in self._partitions if not one.is_complete),
                rows=self.rows,
                remaining=self.remaining,
                rows_per_second=round(self.rows_per_second),
                seconds_left=None if left is None else round(left),
            )

    def _look(self) -> None:
        self._looks.append((monotonic(), self.rows, self.remaining))

    def _lately(self) -> tuple[float, int, int]:
        """Return seconds, rows and offsets since the oldest look that is kept."""
        if not self._looks:
            return 0.0, 0, 0
        at, rows, remaining = self._looks[0]
        return (monotonic() if self._ended is None else self._ended) - at, self.rows - rows, remaining - self.remaining
