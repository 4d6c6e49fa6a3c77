"""The event that erases a contact, sent to its partition, and the wait until the changelog shows that it is gone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, NamedTuple

from aiokafka import AIOKafkaProducer, TopicPartition

from worker.clock import Deadline
from worker.contracts.event_rules import ERASURE_TYPE
from worker.contracts.partitioner import partition_of
from worker.errors import ConfigError
from worker.kafka.aiokafka_private import high_watermarks
from worker.kafka.clients import failures_in_words, places_of, started_consumer
from worker.kafka.security import client_options
from worker.operations.send import event_line
from worker.pipeline import fence_of
from worker.pipeline.graves import GRAVE_KEY, grave_key

if TYPE_CHECKING:
    from aiokafka import AIOKafkaConsumer

    from worker.settings import Settings

Seen = Literal["erased", "newer", "waiting"]
"""The state is gone; what is newer than the erasure is kept; no worker has handled it yet."""


class Erasure(NamedTuple):
    """An erasure that was sent."""

    partition: int
    offset: int
    seen: Seen


def erasure_hash(settings: Settings, contact_id: str) -> str:
    """
    Return the keyed hash that an erasure leaves behind, in hexadecimal: it names a contact to those who have key and id only.

    Raises:
        ConfigError: LEADSCORE_ERASURE_KEY is not set.
    """
    if settings.erasure_key is None:
        raise ConfigError(
            where="LEADSCORE_ERASURE_KEY",
            problem="not set: what was erased could not be named in the log",
            fix="set the key that the workers have",
        )
    return grave_key(contact_id.encode(), settings.erasure_key.reveal().encode()).removeprefix(GRAVE_KEY).hex()


async def place_of_erasure(settings: Settings, contact_id: str) -> int:
    """Return the partition of the input topic that *contact_id* belongs to; raises ConfigError when there is no such topic."""
    async with started_consumer(settings) as consumer:
        places = await places_of(consumer, settings.input_topic, "LEADSCORE_INPUT_TOPIC")
    return partition_of(contact_id.encode(), len(places))


async def erase(settings: Settings, contact_id: str, *, wait_s: float) -> Erasure:
    """
    Send the erasure of *contact_id*, and wait at most *wait_s* seconds until a worker has carried it out; 0 does not wait.

    Raises:
        ConfigError: *contact_id* is none, or a topic is not there.
        DependencyError: The brokers do not answer.
    """
    key, line = contact_id.encode(), event_line(contact_id, ERASURE_TYPE, (), None, None)
    partition = await place_of_erasure(settings, contact_id)
    if not wait_s:
        return Erasure(partition, await _send(settings, partition, key, line), "waiting")
    async with started_consumer(settings, isolation_level="read_committed") as consumer:
        places = await places_of(consumer, settings.changelog_topic, "LEADSCORE_APP_ID")
        place = places[partition]
        start = (await high_watermarks(consumer, [place]))[place]  # before it is sent: what follows is news
        consumer.assign([place])
        consumer.seek(place, start)
        offset = await _send(settings, partition, key, line)
        return Erasure(partition, offset, await _watch(consumer, place, key, offset, wait_s))


async def _send(settings: Settings, partition: int, key: bytes, line: bytes) -> int:
    async with failures_in_words(settings):
        producer = AIOKafkaProducer(**client_options(settings), acks="all", enable_idempotence=True)
        try:
            await producer.start()
            sent = await producer.send_and_wait(settings.input_topic, line, key=key, partition=partition)
        finally:
            await producer.stop()
    return int(sent.offset)


async def _watch(consumer: AIOKafkaConsumer, place: TopicPartition, key: bytes, offset: int, wait_s: float) -> Seen:
    """Return what the changelog says of *key* once the event at *offset* is applied."""
    deadline = Deadline(wait_s)
    while not deadline.has_passed:
        for record in (await consumer.getmany(place, timeout_ms=200)).get(place, ()):
            if record.key == key and record.value is None:
                return "erased"
            if record.key == key and fence_of(record.value).offset >= offset:
                return "newer"
        await asyncio.sleep(0)
    return "waiting"


def hash_or_none(settings: Settings, contact_id: str) -> str | None:
    """Return `erasure_hash`, None where there is no key."""
    return None if settings.erasure_key is None else erasure_hash(settings, contact_id)
