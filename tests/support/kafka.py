"""Talk to the test broker: fresh topics, records in chosen partitions, everything a topic holds, and waiting without sleeping blindly."""

from __future__ import annotations

import asyncio
import gc
import inspect
import uuid
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Literal, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import for_code
from aiokafka.structs import ConsumerRecord

from worker.demo.broker import EmbeddedBroker

Isolation = Literal["read_committed", "read_uncommitted"]
_TOPIC_EXISTS = 36


class Sent(NamedTuple):
    """A record to produce, as it is: nothing chooses its partition or time for the test."""

    partition: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()
    timestamp_ms: int | None = None  # None: the producer's clock


class Place(NamedTuple):
    """Where a record went."""

    partition: int
    offset: int


def fresh(name: str) -> str:
    """Return *name* made unique: tests share a broker, never a topic or a group."""
    return f"{name}-{uuid.uuid4().hex[:10]}"


def docker_answers() -> bool:
    """Whether a container engine is there, asked with little patience."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # the client leaves its socket behind when nobody answers
        try:
            import docker  # type: ignore[import-untyped]

            client = docker.from_env(timeout=3)
            try:
                return bool(client.ping())
            finally:
                client.close()
        except Exception:  # noqa: BLE001 - not installed, no socket, refused: all mean no
            return False
        finally:
            gc.collect()


@contextmanager
def started_broker(say: Callable[[str], None]) -> Iterator[str]:
    """Start a broker in a container when an engine answers, otherwise embedded; yield its address."""
    if not docker_answers():
        with EmbeddedBroker(say=say) as broker:
            yield broker.bootstrap_servers
        return
    from testcontainers.kafka import KafkaContainer

    container = KafkaContainer("confluentinc/cp-kafka:8.1.1").with_kraft()
    for name in (
        "TRANSACTION_STATE_LOG_REPLICATION_FACTOR",
        "TRANSACTION_STATE_LOG_MIN_ISR",
        "SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR",
        "SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR",
    ):
        container.with_env(f"KAFKA_{name}", "1")
    container.with_env("KAFKA_AUTO_CREATE_TOPICS_ENABLE", "false")
    container.with_env("KAFKA_GROUP_MIN_SESSION_TIMEOUT_MS", "1000")
    with container:
        yield container.get_bootstrap_server()


@asynccontextmanager
async def admin_of(brokers: str) -> AsyncIterator[AIOKafkaAdminClient]:
    """Yield an admin client."""
    admin = AIOKafkaAdminClient(bootstrap_servers=brokers)
    try:
        await admin.start()
        yield admin
    finally:
        await admin.close()


async def create_topics(
    brokers: str, topics: Mapping[str, int], *, config: Mapping[str, str] | None = None, within_s: float = 30.0
) -> None:
    """
    Create each of *topics* (name: partitions) and wait until every partition has a leader.

    Raises:
        KafkaError: The broker refused one; one that exists already is refused too.
    """
    new = [NewTopic(name, count, 1, topic_configs=dict(config or {})) for name, count in topics.items()]
    async with admin_of(brokers) as admin:
        answer = await admin.create_topics(new)
        for topic, code, *message in answer.topic_errors:
            if code:
                raise for_code(code)(f"{topic}: {message}")

        async def all_led() -> bool:
            described = await admin.describe_topics(list(topics))
            led = {
                one["topic"]: sum(partition["leader"] >= 0 for partition in one["partitions"])
                for one in described
                if not one["error_code"]
            }
            return led == dict(topics)

        await wait_until(all_led, within_s=within_s, what=f"leaders of {', '.join(topics)}")


async def produce_all(brokers: str, topic: str, records: Iterable[Sent]) -> list[Place]:
    """Produce *records* in order, each in its own partition, and return where they went when all are acknowledged."""
    producer = AIOKafkaProducer(bootstrap_servers=brokers, enable_idempotence=True, linger_ms=5)
    await producer.start()
    try:
        waiting: list[asyncio.Future[object]] = []
        for record in records:
            if record.key is None and record.value is None:
                await asyncio.gather(*waiting)  # send() refuses such a record, and a batch of our own would overtake
                waiting.append(await _send_empty(producer, topic, record))
            else:
                sending = producer.send(
                    topic,
                    record.value,
                    key=record.key,
                    partition=record.partition,
                    timestamp_ms=record.timestamp_ms,
                    headers=list(record.headers),
                )
                waiting.append(await sending)
        await producer.flush()
        return [Place(done.partition, done.offset) for done in await asyncio.gather(*waiting)]  # type: ignore[attr-defined]
    finally:
        await producer.stop()


async def _send_empty(producer: AIOKafkaProducer, topic: str, record: Sent) -> asyncio.Future[object]:
    batch = producer.create_batch()
    batch.append(key=None, value=None, timestamp=record.timestamp_ms, headers=list(record.headers))
    sent: asyncio.Future[object] = await producer.send_batch(batch, topic, partition=record.partition)
    return sent


async def read_all(
    brokers: str, topic: str, *, isolation: Isolation = "read_committed", within_s: float = 60.0
) -> dict[int, list[ConsumerRecord[bytes, bytes]]]:
    """
    Return all records of *topic* by partition, in offset order, up to its end as of this call.

    The end is the last stable offset for ``read_committed`` and the high watermark for ``read_uncommitted``;
    it is reached by position, because the records before it may all be control records or aborted.

    Raises:
        LookupError: There is no such topic.
        TimeoutError: It was not reached within *within_s* seconds.
    """
    consumer = AIOKafkaConsumer(
        bootstrap_servers=brokers,
        enable_auto_commit=False,
        isolation_level=isolation,
        auto_offset_reset="earliest",
        fetch_max_wait_ms=100,
    )
    await consumer.start()
    try:
        async with asyncio.timeout(within_s):
            parts = [TopicPartition(topic, number) for number in await _partitions(brokers, topic)]
            consumer.assign(parts)
            await consumer.seek_to_beginning(*parts)
            ends = await consumer.end_offsets(parts)
            read: dict[int, list[ConsumerRecord[bytes, bytes]]] = {part.partition: [] for part in parts}
            while True:
                for part, batch in (await consumer.getmany(timeout_ms=100)).items():
                    read[part.partition] += [record for record in batch if record.offset < ends[part]]
                if all([await consumer.position(part) >= ends[part] for part in parts]):
                    return read
    finally:
        await consumer.stop()


async def _partitions(brokers: str, topic: str) -> list[int]:
    async with admin_of(brokers) as admin:
        (described,) = await admin.describe_topics([topic])
    if described["error_code"]:
        raise LookupError(f"{topic}: {for_code(described['error_code']).__name__}")
    return sorted(partition["partition"] for partition in described["partitions"])


async def wait_until(
    condition: Callable[[], bool | Awaitable[bool]], *, within_s: float, what: str = "", every_s: float = 0.05
) -> None:
    """
    Return as soon as *condition* (plain or async) holds.

    Raises:
        TimeoutError: It did not within *within_s* seconds; the text names *what* was waited for.
    """
    try:
        async with asyncio.timeout(within_s):
            while True:
                holds = condition()
                if await holds if inspect.isawaitable(holds) else holds:
                    return
                await asyncio.sleep(every_s)
    except TimeoutError:
        raise TimeoutError(f"not within {within_s:g} s: {what or inspect.getsource(condition).strip()}") from None
