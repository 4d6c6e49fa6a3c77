"""What a consumer has fetched, as batches, without an object for each record."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from typing import Any

import aiokafka
from aiokafka.consumer.fetcher import Fetcher, FetchError, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.structs import TopicPartition

from worker.kafka.decompression import BatchTooLarge

_READ_UNCOMMITTED = 0


class Fetched:
    """
    What one answer of the broker held of one partition, as batches that nobody has looked into.

    aiokafka makes a ConsumerRecord of every record, which costs more than all else that a restore does with it.
    """

    def __init__(self, place: TopicPartition, records: PartitionRecords) -> None:
        self.place = place
        self._records = records
        self.begins_at: int = records.next_fetch_offset
        self._batches: list[Any] = []
        while records._records.has_next():
            self._batches.append(records._records.next_batch())
        last = self._batches[-1].next_offset if self._batches else 0
        self.position: int = max(self.begins_at, last)  # behind it, control records and aborted ones included

    def batches(self) -> Iterator[list[Any]]:
        """
        Yield the committed records of each batch; each has ``offset``, ``key`` and ``value``.

        Raises:
            CorruptRecordException: a batch does not have its checksum.
            BatchTooLarge: a batch unpacks to more than there may be.
        """
        records, begins_at = self._records, self.begins_at
        for batch in self._batches:
            if records._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"wrong checksum at offset {batch.base_offset}")
            if self._is_visible(batch):
                try:
                    found = list(batch)
                except BatchTooLarge as error:
                    first, last = batch.base_offset, batch.next_offset - 1
                    raise BatchTooLarge(error.limit_bytes, self.place.partition, first, last) from None
                if found and found[0].offset < begins_at:
                    found = [record for record in found if record.offset >= begins_at]
                yield found

    def _is_visible(self, batch: Any) -> bool:
        """Whether *batch* holds records, and nobody has taken them back; as PartitionRecords does it."""
        records = self._records
        if records._isolation_level != _READ_UNCOMMITTED and batch.producer_id is not None:
            records._consume_aborted_up_to(batch.base_offset)
            if batch.is_control_batch and records._contains_abort_marker(batch):
                records._aborted_producers.discard(batch.producer_id)
            if batch.is_transactional and batch.producer_id in records._aborted_producers:
                return False
        return not batch.is_control_batch


async def fetch(
    consumer: aiokafka.AIOKafkaConsumer, places: Collection[TopicPartition], wait_s: float
) -> list[Fetched]:
    """
    Return what *consumer*, which is in no group, has fetched of *places*, and let it fetch on; empty after *wait_s* without any.

    Its position is behind them at once. Raises KafkaError, such as OffsetOutOfRangeError.
    """
    fetcher = consumer._fetcher
    if not (found := _take_fetched(fetcher, places)):
        waiter = fetcher._create_fetch_waiter()
        try:
            await asyncio.wait({waiter}, timeout=wait_s)
        finally:
            waiter.cancel()
        found = _take_fetched(fetcher, places)
    return found


def _take_fetched(fetcher: Fetcher, places: Collection[TopicPartition]) -> list[Fetched]:
    found = []
    for place in [place for place in places if place in fetcher._records]:
        result = fetcher._records.pop(place)
        fetcher._notify(fetcher._wait_consume_future)
        if isinstance(result, FetchError):
            result.check_raise()
        elif result.has_more() and result.check_assignment(place):
            fetched = Fetched(place, result._partition_records)
            result._assignment.state_value(place).consumed_to(fetched.position)
            found.append(fetched)
    return found
