"""Short-lived Kafka clients of the operator's commands: started, used, stopped, and every failure in words."""

from __future__ import annotations

import asyncio
import difflib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaConnectionError,
    KafkaError,
    NotCoordinatorForGroupError,
)

from worker.clock import Deadline
from worker.errors import ConfigError, DependencyError
from worker.kafka.aiokafka_private import partition_count
from worker.kafka.refusals import raise_refusal, refusal_of
from worker.kafka.security import client_options

if TYPE_CHECKING:
    from worker.settings import Settings

_REQUEST_TIMEOUT_MS = 30_000
_RETRY_S = 0.2
_MOVING = (GroupCoordinatorNotAvailableError, GroupLoadInProgressError, NotCoordinatorForGroupError)

Answer = TypeVar("Answer")


@asynccontextmanager
async def failures_in_words(settings: Settings) -> AsyncIterator[None]:
    """Turn what a client raises into a ConfigError where a broker refuses us, else into a DependencyError."""
    brokers = ", ".join(settings.brokers)
    try:
        yield
    except KafkaConnectionError as error:
        await raise_refusal(settings)
        raise DependencyError(
            what="Kafka", problem=f"no answer from {brokers}", fix="check LEADSCORE_BROKERS"
        ) from error
    except (KafkaError, TimeoutError) as error:
        if (refusal := refusal_of(error, brokers, settings)) is not None:
            raise refusal from error
        raise DependencyError(
            what=f"Kafka at {brokers}",
            problem=f"a request failed: {type(error).__name__}",
            fix="check that the cluster is healthy, and try again",
        ) from error


@asynccontextmanager
async def started_admin(settings: Settings) -> AsyncIterator[AIOKafkaAdminClient]:
    """Yield an admin client; raises DependencyError when no broker answers or one refuses."""
    async with failures_in_words(settings):
        admin = AIOKafkaAdminClient(**client_options(settings), request_timeout_ms=_REQUEST_TIMEOUT_MS)
        try:
            await admin.start()
            yield admin
        finally:
            await admin.close()


@asynccontextmanager
async def started_consumer(settings: Settings, **options: Any) -> AsyncIterator[AIOKafkaConsumer]:
    """Yield a consumer that joins no group and commits nothing; raises DependencyError like `started_admin`."""
    async with failures_in_words(settings):
        consumer = AIOKafkaConsumer(
            **client_options(settings),
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            request_timeout_ms=_REQUEST_TIMEOUT_MS,
            **options,
        )
        try:
            await consumer.start()
            yield consumer
        finally:
            await consumer.stop()


async def of_coordinator(ask: Callable[[], Awaitable[Answer]]) -> Answer:
    """Return what *ask* gets from the group's coordinator, asking again while that is being found or moves (at most 30 s)."""
    deadline = Deadline(_REQUEST_TIMEOUT_MS / 1000)
    while True:
        try:
            return await ask()
        except _MOVING:
            if deadline.has_passed:
                raise
        await asyncio.sleep(_RETRY_S)


async def places_of(consumer: AIOKafkaConsumer, topic: str, variable: str) -> list[TopicPartition]:
    """Return the partitions of *topic*, in order; raises ConfigError that names *variable* when there is no such topic."""
    # Asked for all: for a single topic that is not there, the client would ask again and again.
    topics = await consumer.topics()
    if topic not in topics:
        near = difflib.get_close_matches(topic, topics, n=1)
        hint = f"did you mean {near[0]}? " if near else ""
        raise ConfigError(
            where=topic,
            problem="there is no such topic, or this user may not see it",
            fix=f"{hint}check {variable} and LEADSCORE_BROKERS",
        )
    return [TopicPartition(topic, number) for number in range(await partition_count(consumer, topic))]
