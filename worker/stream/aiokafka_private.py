"""
The one module that touches private names of aiokafka, checked at import; Faust's are in `faust_private`.

It gives: a producer that shares one client with its siblings and commits offsets under the group's
fencing, where a consumer stands in its partitions, and the high watermark for a read_committed consumer.
"""

from __future__ import annotations

import types
from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import aiokafka
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.consumer.fetcher import Fetcher
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.producer import sender as aiokafka_sender
from aiokafka.producer.message_accumulator import MessageAccumulator
from aiokafka.producer.producer import AIOKafkaProducer
from aiokafka.producer.sender import Sender, TxnOffsetCommitHandler
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.structs import TopicPartition

from worker.stream.txn_offsets import FencedOffsetCommit, Member

EXPECTED = "0.14."
_NEXT_TRANSACTION_BACKOFF_S = 0.002
_READ_UNCOMMITTED = 0

_NAMES: tuple[tuple[object, tuple[str, ...]], ...] = (
    (aiokafka_sender, ("BACKOFF_OVERRIDE",)),
    (Sender, ("_do_txn_offset_commit", "_find_coordinator", "close", "start")),
    (TxnOffsetCommitHandler, ("create_request", "handle_response", "do")),
    (AIOKafkaProducer, ("create_batch", "send_batch", "stop", "start")),
    (MessageAccumulator, ("add_batch", "create_builder")),
    (TransactionManager, ("error_transaction", "offset_committed")),
    (Fetcher, ("fetched_records", "close")),
    (GroupCoordinator, ("close", "check_errors")),
)


def check_names() -> None:
    """
    Check the version and every private name used here.

    Raises:
        RuntimeError: aiokafka is another version than this was written and tested for.
    """
    missing = [
        f"{getattr(owner, '__name__', owner)}.{name}"
        for owner, names in _NAMES
        for name in names
        if not hasattr(owner, name)
    ]
    if missing or not aiokafka.__version__.startswith(EXPECTED):
        raise RuntimeError(
            f"aiokafka {EXPECTED}x is expected, found {aiokafka.__version__}"
            + (f" without {', '.join(missing)}" if missing else "")
            + "; install the pinned version"
        )


check_names()

# The broker finishes one transaction a moment after it has said so. aiokafka waits 20 ms before it asks again; the answer
# is there after 2.
aiokafka_sender.BACKOFF_OVERRIDE = _NEXT_TRANSACTION_BACKOFF_S


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

        async def commit(sender: Sender, offsets: Mapping[TopicPartition, Any], group: str) -> None:
            if offsets:
                node = await sender._find_coordinator(CoordinationType.GROUP, group)
                await FencedOffsetCommit(sender, offsets, group, member).do(node)

        self._sender._do_txn_offset_commit = types.MethodType(commit, self._sender)

    async def start(self) -> None:
        """Get a producer id: whoever had this transactional id before is fenced, its open transaction aborted."""
        await self._sender.start()

    async def stop(self) -> None:
        """Stop sending; the shared client stays open. An open transaction is left to the broker."""
        if not self._closed:  # type: ignore[has-type]
            self._closed = True
            await self._sender.close()


class Progress(NamedTuple):
    """Where a consumer stands in one partition, as its last poll saw it."""

    position: int  # offset that is read next; past control records and aborted ones
    highwater: int  # end of the log
    stable: int  # end of what a read_committed consumer may read
    polled_ms: int  # wall clock when the broker last said so


def progress_of(
    consumer: aiokafka.AIOKafkaConsumer, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, Progress]:
    """Return where *consumer* stands in each of *partitions* it owns and has heard of; call it in the consumer's loop."""
    found: dict[TopicPartition, Progress] = {}
    for partition, state in _states(consumer, partitions):
        if state.highwater is not None:
            stable = state.highwater if state.lso is None else state.lso
            found[partition] = Progress(state.position, state.highwater, stable, state.timestamp)
    return found


def positions_of(
    consumer: aiokafka.AIOKafkaConsumer, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, int]:
    """Return the position of *consumer* in each of *partitions* that it owns and has one for; call it in its loop."""
    return {partition: state.position for partition, state in _states(consumer, partitions)}


def _states(
    consumer: aiokafka.AIOKafkaConsumer, partitions: Collection[TopicPartition]
) -> Iterator[tuple[TopicPartition, Any]]:
    subscription = consumer._subscription.subscription
    assignment: Any = subscription.assignment if subscription is not None else None
    if assignment is None:
        return
    for partition in partitions:
        state = assignment.state_value(partition)
        if state is not None and state.has_valid_position:
            yield partition, state


async def high_watermarks(
    consumer: aiokafka.AIOKafkaConsumer, partitions: Collection[TopicPartition]
) -> dict[TopicPartition, int]:
    """
    Return the real log ends of *partitions*, open transactions included.

    `end_offsets` of a read_committed consumer is the last stable offset, and would hide a commit that is under way.
    """
    fetcher = consumer._fetcher
    level, fetcher._isolation_level = fetcher._isolation_level, _READ_UNCOMMITTED
    try:
        return dict(await consumer.end_offsets(list(partitions)))
    finally:
        fetcher._isolation_level = level


async def partition_count(consumer: aiokafka.AIOKafkaConsumer, topic: str) -> int:
    """Return how many partitions *topic* has; raises KafkaError when it does not exist or cannot be seen."""
    return len(await consumer._client._wait_on_metadata(topic))


def member_of(consumer: aiokafka.AIOKafkaConsumer) -> Member:
    """Return who *consumer* is in its group right now."""
    coordinator = consumer._coordinator
    return Member(coordinator.generation, coordinator.member_id, coordinator._group_instance_id)


def ended_parts(consumer: aiokafka.AIOKafkaConsumer) -> list[str]:
    """Return the names of background tasks of *consumer* that have ended though it runs: it will never read again."""
    tasks = {
        "group coordination": getattr(consumer._coordinator, "_coordination_task", None),
        "fetching": getattr(consumer._fetcher, "_fetch_task", None),
    }
    return [name for name, task in tasks.items() if task is not None and task.done()]
