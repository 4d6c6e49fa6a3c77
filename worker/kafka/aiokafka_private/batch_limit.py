"""No batch unpacks to more than may be held in memory."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from aiokafka.consumer import fetcher as aiokafka_fetcher
from aiokafka.consumer.fetcher import PartitionRecords
from aiokafka.record._crecords import default_records as aiokafka_batches
from aiokafka.structs import TopicPartition

from worker.kafka.decompression import UNPACK, BatchTooLarge


def limit_batches(limit_bytes: int, source_topic: str) -> None:
    """
    Let no batch unpack to more than *limit_bytes*, for all consumers of this process.

    A poll of *source_topic* returns what lies before such a batch, and of the batch nothing: `too_large_batches` says where
    they are. In any other topic the poll raises BatchTooLarge.
    """

    def under_limit(unpack: Callable[[Any, int], bytes]) -> Callable[[Any], bytes]:
        return lambda packed: unpack(packed, limit_bytes)

    for name, unpack in UNPACK.items():
        setattr(aiokafka_batches, name, under_limit(unpack))
    _PlacedRecords.source_topic = source_topic
    aiokafka_fetcher.PartitionRecords = _PlacedRecords


class _PlacedRecords(PartitionRecords):  # type: ignore[misc]
    """The records of one answer of the broker; knows where a batch lies that is too large."""

    source_topic = ""

    def __init__(self, tp: TopicPartition, records: Any, *rest: Any) -> None:
        self._batches = _Batches(records)
        super().__init__(tp, self._batches, *rest)

    def _unpack_records(self) -> Iterator[Any]:
        began_at = self.next_fetch_offset
        try:
            yield from super()._unpack_records()
        except BatchTooLarge as error:
            if self._tp.topic != self.source_topic:
                raise
            if self.next_fetch_offset == began_at:
                # Raised here, it would take with it what the same poll has found in other partitions.
                last = self._batches.newest.next_offset - 1
                _too_large[self._tp] = BatchTooLarge(error.limit_bytes, self._tp.partition, began_at, last)


class _Batches:
    """The batches of one answer, of which the newest one given is remembered."""

    __slots__ = ("_records", "has_next", "newest")

    def __init__(self, records: Any) -> None:
        self._records = records
        self.has_next = records.has_next
        self.newest: Any = None

    def next_batch(self) -> Any:
        self.newest = self._records.next_batch()
        return self.newest


_too_large: dict[TopicPartition, BatchTooLarge] = {}


def too_large_batches(partitions: Collection[TopicPartition]) -> list[BatchTooLarge]:
    """Return the batches at which polls of *partitions* have stopped since the last call; call it in the consumer's loop."""
    return [_too_large.pop(partition) for partition in partitions if partition in _too_large]
