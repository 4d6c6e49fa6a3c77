"""
Exactly once: a round's outputs, changelog rows and source offset change in one Kafka transaction of its partition.

One transactional producer a source partition, under an id that belongs to the partition: opening it fences whoever owned
the partition before and aborts what that one left open, so no takeover ever waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from aiokafka.structs import OffsetAndMetadata, TopicPartition

from worker.errors import RestartRequired
from worker.kafka.aiokafka_private import SharedClientProducer
from worker.kafka.security import client_options
from worker.kafka.txn_offsets import Member
from worker.pipeline import Round
from worker.stream.batches import BATCH_BYTES, Row, changelog_of, outputs_of, send
from worker.stream.large_records import LargeRecords

if TYPE_CHECKING:
    from aiokafka.client import AIOKafkaClient

    from worker.settings import Settings

_REQUEST_TIMEOUT_MS = 30_000
_RETRY_BACKOFF_MS = 20  # aiokafka's 100 ms is longer than a whole transaction


class ExactlyOnce:
    """
    A Delivery by transactions.

    Args:
        settings: Topics, app id and transaction timeout.
        client: Gives the started client that all producers share.
    """

    merges_by_fence = False  # a fenced worker's rows are aborted, and a restore does not see them

    def __init__(self, settings: Settings, client: Callable[[], AIOKafkaClient]) -> None:
        self._settings = settings
        self._client = client
        self._producers: dict[int, SharedClientProducer] = {}
        self._large = LargeRecords(settings)

    async def open(self, partitions: Sequence[int], member: Member) -> None:
        """Open one producer for each of *partitions*, and stop those of partitions that are ours no longer."""
        await self.close()
        opened = {partition: self._producer(partition, member) for partition in partitions}
        self._producers.update(opened)
        await asyncio.gather(*(producer.start() for producer in opened.values()))

    async def settle_restore(self, partition: int, changelog_end: int, lost: Sequence[Row]) -> int:
        """Return the end: there is nothing to put right."""
        if lost:
            raise RestartRequired(
                what=f"restore of partition {partition}", problem="rows to put again, though transactions fence"
            )
        return changelog_end - 1

    async def deliver(self, partition: int, round_: Round) -> int:
        """
        Run one transaction.

        Offsets go out only after all data is acknowledged: sent together, the broker asks for retries, which
        takes several times as long.
        """
        producer = self._producers[partition]
        try:
            return await self._transact(producer, partition, round_)
        except Exception as error:
            if (cause := producer.cause_of(error)) is not error:
                raise cause from error
            raise

    async def _transact(self, producer: SharedClientProducer, partition: int, round_: Round) -> int:
        changelog = TopicPartition(self._settings.changelog_topic, partition)
        rows = outputs_of(round_)
        rows[changelog] = changelog_of(round_)
        await producer.begin_transaction()
        acked = await send(producer, rows, self._large)
        source = TopicPartition(self._settings.input_topic, partition)
        await producer.send_offsets_to_transaction(
            {source: OffsetAndMetadata(round_.next_offset, "")}, self._settings.app_id
        )
        await producer.commit_transaction()
        return acked[changelog].last

    def done(self, partition: int, next_offset: int) -> None:
        """Do nothing: the offset was part of the transaction."""

    def committable(self) -> Mapping[int, int]:
        """Return nothing: Faust commits no offsets."""
        return {}

    async def close(self) -> None:
        """Stop all producers."""
        producers, self._producers = list(self._producers.values()), {}
        await asyncio.gather(*(producer.stop() for producer in producers))

    def _producer(self, partition: int, member: Member) -> SharedClientProducer:
        options: dict[str, Any] = client_options(self._settings)
        return SharedClientProducer(
            client=self._client(),
            member=member,
            **options,
            client_id=f"{self._settings.app_id}-{partition}",
            transactional_id=f"{self._settings.app_id}-{partition}",
            transaction_timeout_ms=self._settings.transaction_timeout_ms,
            max_batch_size=BATCH_BYTES,
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
            retry_backoff_ms=_RETRY_BACKOFF_MS,
        )
