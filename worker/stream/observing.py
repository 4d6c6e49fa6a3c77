"""What the worker tells operators: counts of rounds, lag in records and seconds, progress of a restore."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from worker import metrics as catalogue
from worker.stream.lag import Lag, lag_of

if TYPE_CHECKING:
    from worker.metrics import Metrics
    from worker.pipeline import Round
    from worker.settings import Settings
    from worker.stream.restore import Restore
    from worker.stream.rounds import OwnedPartition


class Observer:
    """
    Writes what happens into *metrics*.

    Args:
        metrics: Of this worker.
        settings: Names the source topic and the kind of store.
    """

    def __init__(self, metrics: Metrics, settings: Settings) -> None:
        self._metrics = metrics
        self._topic = settings.input_topic
        self._store = settings.store.partition("://")[0]

    def round_settled(self, partition: int, round_: Round, commit_seconds: float, seconds: float) -> None:
        """Count one round that is durable, visible and stored."""
        metrics, place = self._metrics, {"topic": self._topic, "partition": partition}
        metrics.apply_counts(round_.counts, self._topic, partition)
        metrics.add(catalogue.ROUNDS, 1, **place)
        metrics.add(catalogue.CHANGELOG_ROWS, len(round_.puts) + len(round_.deletes), **place)
        size = sum(map(len, round_.puts)) + sum(map(len, round_.puts.values())) + sum(map(len, round_.deletes))
        metrics.add(catalogue.CHANGELOG_BYTES, size, **place)
        metrics.observe(catalogue.ROUND_SECONDS, seconds)
        metrics.observe(catalogue.COMMIT_SECONDS, commit_seconds)

    def store_size(self, partition: int, size_bytes: int) -> None:
        """Note how much of *partition* the store holds."""
        self._metrics.set(catalogue.STORE_BYTES, size_bytes, store=self._store, partition=partition)

    def group_silence(self, seconds: float) -> None:
        """Note for how long the group has not answered."""
        self._metrics.set(catalogue.GROUP_SILENCE, seconds)

    def store_away(self, seconds: float) -> None:
        """Note for how long the store has not answered."""
        self._metrics.set(catalogue.STORE_AWAY, seconds, store=self._store)

    def stopped(self, owned: Iterable[OwnedPartition]) -> None:
        """Note which of *owned* stand still until an operator has decided."""
        for one in owned:
            for reason in catalogue.STOPPED.reasons:
                place = {"topic": self._topic, "partition": one.number, "reason": reason}
                self._metrics.set(catalogue.STOPPED, one.stopped is not None and one.stopped.reason == reason, **place)

    def partitions_assigned(self) -> None:
        """Count one assignment."""
        self._metrics.add(catalogue.REBALANCES)

    def partition_given_up(self, partition: int) -> None:
        """Forget the gauges of *partition*, which others show from now on."""
        self._metrics.forget_partition(partition)

    def restore_going_on(self, restore: Restore) -> None:
        """Note how far *restore* has come, and count what it has read since the last call."""
        for partition, one in restore.partitions.items():
            place = {"topic": self._topic, "partition": partition}
            self._metrics.set(catalogue.RESTORE_REMAINING, one.remaining, **place)
            self._metrics.add(catalogue.RESTORED_ROWS, one.rows - one.counted, **place)
            one.counted = one.rows
        if (left_s := restore.progress.seconds_left) is not None:
            self._metrics.set(catalogue.RESTORE_LEFT, left_s)

    def restore_complete(self, restore: Restore) -> None:
        """Note that *restore* has ended."""
        self.restore_going_on(restore)
        for partition in restore.partitions:
            place = {"topic": self._topic, "partition": partition}
            self._metrics.set(catalogue.RESTORE_SECONDS, restore.seconds, **place)

    def lag(self, owned: Iterable[OwnedPartition], now_ms: int) -> dict[int, Lag]:
        """Measure the lag of *owned* now, note it, and return it by partition."""
        found = {}
        for one in owned:
            if (lag := lag_of(one, now_ms)) is not None:
                place = {"topic": self._topic, "partition": one.number}
                self._metrics.set(catalogue.LAG_RECORDS, lag.records, **place)
                self._metrics.set(catalogue.LAG_SECONDS, lag.seconds, **place)
                cached = getattr(one.scoring, "cached_contacts", None)
                if cached is not None:
                    self._metrics.set(catalogue.CACHED_CONTACTS, cached, **place)
                    self._metrics.set(catalogue.CACHED_BYTES, getattr(one.scoring, "cached_bytes", 0), **place)
                found[one.number] = lag
        return found
