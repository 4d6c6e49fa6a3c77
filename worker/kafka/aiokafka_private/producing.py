"""Producers that share one client, and batches that are packed or measured before they are sent."""

from __future__ import annotations

import math
import types
from collections.abc import Mapping
from typing import Any

from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.producer import sender as aiokafka_sender
from aiokafka.producer.producer import AIOKafkaProducer
from aiokafka.producer.sender import Sender
from aiokafka.record._crecords import default_records as aiokafka_batches
from aiokafka.structs import TopicPartition

from worker.kafka.txn_offsets import FencedOffsetCommit, Member

_NEXT_TRANSACTION_BACKOFF_S = 0.002

# The broker finishes one transaction a moment after it has said so. aiokafka waits 20 ms before it asks again; the answer
# is there after 2.
aiokafka_sender.BACKOFF_OVERRIDE = _NEXT_TRANSACTION_BACKOFF_S


def keep_batches(producer: AIOKafkaProducer) -> None:
    """
    Let *producer*, which is idempotent, wait for a leader as long as for anything else.

    aiokafka sends such a producer's batches again until it succeeds, but gives one up that has had no leader for the request
    timeout: a broker that was shut down in good order for longer would cost every worker its life.
    """
    producer._message_accumulator._batch_ttl = math.inf


class SharedClientProducer(AIOKafkaProducer):  # type: ignore[misc]
    """
    A transactional producer on somebody else's client (sockets, metadata), fenced by the group as well.

    Args:
        client: A started client; it stays open when this producer is stopped.
        member: Who we were in the group when the partition was assigned: a snapshot, since live values would
            lend a worker that has lost its partitions the new generation.
        options: What AIOKafkaProducer takes.
    """

    def __init__(self, *, client: AIOKafkaClient, member: Member, **options: Any) -> None:
        super().__init__(**options)
        self.client = client
        self._metadata = client.cluster
        self._message_accumulator._cluster = client.cluster
        self._sender.client = client
        keep_batches(self)

        async def commit(sender: Sender, offsets: Mapping[TopicPartition, Any], group: str) -> None:
            if offsets:
                node = await sender._find_coordinator(CoordinationType.GROUP, group)
                await FencedOffsetCommit(sender, offsets, group, member).do(node)

        self._sender._do_txn_offset_commit = types.MethodType(commit, self._sender)

    async def start(self) -> None:
        """Get a producer id: whoever had this transactional id before is fenced, its open transaction aborted."""
        await self._sender.start()

    def cause_of(self, error: Exception) -> BaseException:
        """Return why the open transaction failed, of which *error* may only be an echo: the first request to hear of it knows."""
        failed = self._txn_manager._transaction_waiter
        if failed is None or not failed.done() or failed.cancelled():
            return error
        return failed.exception() or error

    async def stop(self) -> None:
        """Stop sending; the shared client stays open. An open transaction is left to the broker."""
        if not self._closed:  # type: ignore[has-type]
            self._closed = True
            await self._sender.close()


def packed_batch(producer: Any) -> Any:
    """Return an empty batch of *producer* that will be packed with Zstandard, whatever else it sends."""
    accumulator = producer._message_accumulator
    usual, accumulator._compression_type = accumulator._compression_type, aiokafka_batches.DefaultRecordBatch.CODEC_ZSTD
    try:
        return producer.create_batch()
    finally:
        accumulator._compression_type = usual


def built_size(batch: Any) -> int:
    """Return how many bytes *batch* takes as it is sent; it cannot be sent any more."""
    return len(batch._build())
