"""Where a consumer stands, where logs end, and how many partitions a topic has."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator
from typing import Any, NamedTuple

import aiokafka
from aiokafka.errors import TopicAuthorizationFailedError
from aiokafka.structs import TopicPartition

from worker.clock import Deadline
from worker.errors import ConfigError

_READ_UNCOMMITTED = 0
_TOPIC_WITHIN_S = 5.0
"""How long a topic may be unknown to brokers that answer: they hear of a new one some moments late."""
_TOPIC_RETRY_S = 0.1


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


async def partition_count(consumer: aiokafka.AIOKafkaConsumer, topic: str, *, within_s: float = _TOPIC_WITHIN_S) -> int:
    """
    Return how many partitions *topic* has; while no broker answers, wait for one.

    Raises:
        ConfigError: there is no such topic, as brokers say again and again for *within_s* seconds.
        TopicAuthorizationFailedError: we may not see it.
    """
    client, unknown_until = consumer._client, None
    answered = await client.add_topic(topic)
    while (partitions := client.cluster.partitions_for_topic(topic)) is None:
        if topic in client.cluster.unauthorized_topics:
            raise TopicAuthorizationFailedError(topic)
        if answered:
            unknown_until = unknown_until or Deadline(within_s)
            if unknown_until.has_passed:
                raise ConfigError(
                    where=topic, problem="there is no such topic", fix="`leadscore topics check` says what is missing"
                )
        await asyncio.sleep(_TOPIC_RETRY_S)
        answered = await client.force_metadata_update()
    return len(partitions)
