"""What all partitions of a worker share: store, delivery, and the limits of a round."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from worker.pipeline import Round
    from worker.settings import Settings
    from worker.stores.base import ContactStore
    from worker.stream.delivery import Delivery
    from worker.stream.fatal import Die
    from worker.stream.ports import PartitionLike
    from worker.stream.store_access import StoreAccess

_LEAST_ROUND_S = 0.100
_ROUND_S_A_BUSY_PARTITION = 0.007  # about what one transaction costs worker and broker together
_CATCHING_UP_ROUND_S = 1.0  # nobody waits for a round while thousands of records do; few large ones are cheaper


@dataclass(frozen=True)
class RoundLimits:
    """When a round ends."""

    events: int
    events_catching_up: int
    dirty_bytes: int
    is_low_latency: bool
    refused: int = 1_000  # records of 1,000 in a row; above it a partition stops

    @classmethod
    def from_settings(cls, settings: Settings) -> RoundLimits:
        """Return the limits that *settings* give."""
        return cls(
            settings.round_events,
            settings.round_events_catching_up,
            settings.round_bytes,
            settings.low_latency,
            settings.dlq_limit,
        )

    def are_reached(self, scoring: PartitionLike) -> bool:
        """Whether the open round of *scoring* would write too much, or memory is short."""
        return scoring.is_short_of_memory or scoring.dirty_bytes >= self.dirty_bytes

    def seconds(self, busy_partitions: int, *, is_catching_up: bool) -> float:
        """Return how long a round stays open; a transaction each for many partitions needs longer rounds."""
        if is_catching_up:
            return _CATCHING_UP_ROUND_S
        return max(_LEAST_ROUND_S, _ROUND_S_A_BUSY_PARTITION * busy_partitions)


Observe = Callable[[int, "Round", float, float], None]
"""Hears of each settled round: partition, round, seconds it took to commit, seconds from its first record to the store."""


@dataclass(frozen=True)
class Surroundings:
    """What all partitions of a worker share."""

    store: ContactStore
    access: StoreAccess
    delivery: Delivery
    limits: RoundLimits
    die: Die
    count_busy: Callable[[], int]
    observe: Observe
