"""
The one module that touches private names of aiokafka, checked at import; Faust's are in `faust_private`.

It gives: a producer that shares one client with its siblings and commits offsets under the group's
fencing, where a consumer stands in its partitions, the high watermark for a read_committed consumer, and
what the group says of a member.
"""

from __future__ import annotations

import asyncio
import math
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any, NamedTuple

import aiokafka
from aiokafka.client import AIOKafkaClient, CoordinationType
from aiokafka.consumer import fetcher as aiokafka_fetcher
from aiokafka.consumer.fetcher import Fetcher, FetchError, FetchResult, PartitionRecords
from aiokafka.consumer.group_coordinator import GroupCoordinator
from aiokafka.errors import CorruptRecordException, KafkaError, TopicAuthorizationFailedError
from aiokafka.producer import sender as aiokafka_sender
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator
from aiokafka.producer.producer import AIOKafkaProducer
from aiokafka.producer.sender import Sender, TxnOffsetCommitHandler
from aiokafka.producer.transaction_manager import TransactionManager
from aiokafka.record._crecords import default_records as aiokafka_batches
from aiokafka.structs import TopicPartition

from worker.clock import Deadline, monotonic
from worker.errors import ConfigError
from worker.stream.decompression import UNPACK, BatchTooLarge
from worker.stream.named_heartbeat import FENCED_INSTANCE_ID, NamedHeartbeat
from worker.stream.txn_offsets import FencedOffsetCommit, Member

EXPECTED = "0.14."
_NEXT_TRANSACTION_BACKOFF_S = 0.002
_READ_UNCOMMITTED = 0
_TOPIC_WITHIN_S = 5.0
"""How long a topic may be unknown to brokers that answer: they hear of a new one some moments late."""
_TOPIC_RETRY_S = 0.1

_NAMES: tuple[tuple[object, tuple[str, ...]], ...] = (
    (aiokafka_sender, ("BACKOFF_OVERRIDE",)),
    (Sender, ("_do_txn_offset_commit", "_find_coordinator", "close", "start")),
    (TxnOffsetCommitHandler, ("create_request", "handle_response", "do")),
    (AIOKafkaProducer, ("create_batch", "send_batch", "stop", "start")),
    (MessageAccumulator, ("add_batch", "create_builder")),
    (BatchBuilder, ("_build",)),
    (aiokafka_batches.DefaultRecordBatch, ("CODEC_ZSTD",)),
    (TransactionManager, ("error_transaction", "offset_committed")),
    (Fetcher, ("fetched_records", "close")),
    (PartitionRecords, ("_consume_aborted_up_to", "_contains_abort_marker", "_unpack_records")),
    (Fetcher, ("_create_fetch_waiter", "_notify")),
    (FetchResult, ("check_assignment", "has_more")),
    (FetchError, ("check_raise",)),
    (aiokafka_fetcher, ("PartitionRecords",)),
    (aiokafka_batches, tuple(UNPACK)),
    (GroupCoordinator, ("close", "check_errors", "_do_heartbeat", "_send_req")),
    (AIOKafkaClient, ("add_topic", "force_metadata_update")),
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


class Fetched:
    """
    What one answer of the broker held of one partition, as batches that nobody has looked into.

    aiokafka makes a ConsumerRecord of every record, which costs more than all else that a restore does with it.
    """

    def __init__(self, place: TopicPartition, records: PartitionRecords) -> None:
        self.place = place
        self._records = records
        self._begins_at: int = records.next_fetch_offset
        self._batches: list[Any] = []
        while records._records.has_next():
            self._batches.append(records._records.next_batch())
        last = self._batches[-1].next_offset if self._batches else 0
        self.position: int = max(self._begins_at, last)  # behind it, control records and aborted ones included

    def batches(self) -> Iterator[list[Any]]:
        """
        Yield the committed records of each batch; each has ``offset``, ``key`` and ``value``.

        Raises:
            CorruptRecordException: a batch does not have its checksum.
            BatchTooLarge: a batch unpacks to more than there may be.
        """
        records, begins_at = self._records, self._begins_at
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


def member_of(consumer: aiokafka.AIOKafkaConsumer) -> Member:
    """Return who *consumer* is in its group right now."""
    coordinator = consumer._coordinator
    return Member(coordinator.generation, coordinator.member_id, coordinator._group_instance_id)


def tell_heartbeats(consumer: aiokafka.AIOKafkaConsumer, tell: Callable[[float], None]) -> None:
    """
    Call *tell* with the monotonic instant at which each heartbeat was sent that the group answered as to a member.

    It is called in the consumer's loop. Telling the same consumer's twice changes nothing.
    """
    coordinator = consumer._coordinator
    if coordinator is None or "_do_heartbeat" in vars(coordinator):
        return
    beat = coordinator._do_heartbeat

    async def told() -> bool:
        asked_at = monotonic()
        is_member: bool = await beat()
        if is_member:
            tell(asked_at)
        return is_member

    coordinator._do_heartbeat = told


async def has_lost_its_name(consumer: aiokafka.AIOKafkaConsumer, member: Member) -> bool:
    """
    Return whether another process has joined under the instance id of *member*; False when the group does not answer.

    Call it in the consumer's loop.
    """
    coordinator = consumer._coordinator
    if coordinator is None or not member.instance_id or not member.member_id:
        return False
    question = NamedHeartbeat(coordinator.group_id, member.generation, member.member_id, member.instance_id)
    try:
        answer = await coordinator._send_req(question)
    except (KafkaError, NotImplementedError):  # away, or a broker that does not know the question
        return False
    return bool(answer.error_code == FENCED_INSTANCE_ID)


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


def coordination_error(consumer: aiokafka.AIOKafkaConsumer) -> BaseException | None:
    """Return what keeps *consumer* from being in its group, such as a missing permission; the next poll would raise it."""
    error: BaseException | None = getattr(consumer._coordinator, "_pending_exception", None)
    return error


def ended_parts(consumer: aiokafka.AIOKafkaConsumer) -> list[str]:
    """Return the names of background tasks of *consumer* that have ended though it runs: it will never read again."""
    tasks = {
        "group coordination": getattr(consumer._coordinator, "_coordination_task", None),
        "fetching": getattr(consumer._fetcher, "_fetch_task", None),
    }
    return [name for name, task in tasks.items() if task is not None and task.done()]
