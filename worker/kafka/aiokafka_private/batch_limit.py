"""No batch unpacks to more than may be held in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

from aiokafka.consumer import fetcher as aiokafka_fetcher
from aiokafka.consumer.fetcher import FetchResult
from aiokafka.record._crecords import default_records as aiokafka_batches
from aiokafka.structs import TopicPartition

from worker.kafka.aiokafka_private.fetching import Fetched
from worker.kafka.decompression import UNPACK, BatchTooLarge


def limit_batches(limit_bytes: int, source_topic: str) -> None:
    """
    Let no batch unpack to more than *limit_bytes*, for all consumers of this process.

    A poll of *source_topic* returns what lies before such a batch, and of the batch nothing: `too_large_batches` says where
    they are. In any other topic the poll raises BatchTooLarge.

    Records of *source_topic* come as the batches hold them, with ``offset``, ``timestamp``, ``key``, ``value`` and ``headers``.
    """

    def under_limit(unpack: Callable[[Any, int], bytes]) -> Callable[[Any], bytes]:
        return lambda packed: unpack(packed, limit_bytes)

    for name, unpack in UNPACK.items():
        setattr(aiokafka_batches, name, under_limit(unpack))
    _SourceResult.source_topic = source_topic
    aiokafka_fetcher.FetchResult = _SourceResult


class _SourceResult(FetchResult):  # type: ignore[misc]
    """
    One answer of the broker for one partition; of the source topic it is taken batch by batch.

    aiokafka makes a ConsumerRecord of every record, which costs more than fetching it.
    """

    source_topic = ""
    _partition_records: Any

    def getall(self, max_records: int | None = None) -> list[Any]:
        """Return the records of the answer; the position is behind them at once."""
        place = self._topic_partition
        if place.topic != self.source_topic or max_records is not None:
            return super().getall(max_records)  # type: ignore[no-any-return]
        if not self.check_assignment(place) or not self.has_more():
            return []
        fetched = Fetched(place, self._partition_records)
        found: list[Any] = []
        position = fetched.position
        try:
            for records in fetched.batches():
                found += records
        except BatchTooLarge as error:
            position = max(error.first, fetched.begins_at)
            if not found:
                # Raised here, it would take with it what the same poll has found in other partitions.
                _too_large[place] = BatchTooLarge(error.limit_bytes, place.partition, position, error.last)
        self._assignment.state_value(place).consumed_to(position)
        self._partition_records = None
        return found


_too_large: dict[TopicPartition, BatchTooLarge] = {}


def too_large_batches(partitions: Collection[TopicPartition]) -> list[BatchTooLarge]:
    """Return the batches at which polls of *partitions* have stopped since the last call; call it in the consumer's loop."""
    return [_too_large.pop(partition) for partition in partitions if partition in _too_large]
