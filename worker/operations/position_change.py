"""
An operator moves a partition's position: over records that nobody can fold, or to the beginning of a topic made anew.

The position is a row of the changelog, so it is changed by writing that row as an owner of the partition would. With
exactly_once this fences the worker that owns the partition now, with at_least_once that worker sees a foreign row at its next
round; either way it restarts, restores and goes on from the new row. A worker that stands still looks for it by itself.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from worker.errors import ConfigError, DependencyError
from worker.kafka.aiokafka_private import high_watermarks, partition_count
from worker.kafka.clients import failures_in_words, started_consumer
from worker.kafka.security import client_options
from worker.pipeline import PARTITION_KEY, PartitionRow, PipelineOptions, decode_partition_row, fence_of
from worker.pipeline.rows import encode_partition_row

if TYPE_CHECKING:
    from worker.settings import Settings

OPERATOR_HEADER = "leadscore.operator"
"""On a partition row that an operator has written: the command, as it was carried out."""

_TAIL_ROWS = 50_000
"""Rows at the end of the changelog among which the newest partition row is looked for; a round is far smaller."""
_POLL_MS = 200


class Standing(NamedTuple):
    """Where a partition stands, and what its topic holds."""

    partition: int
    row: PartitionRow | None  # None: nothing was handled yet
    first: int  # offset of the first record that the topic still holds
    end: int  # end of the topic

    @property
    def next_offset(self) -> int:
        """The first record that is not handled."""
        return self.first if self.row is None else self.row.next_offset


class Change(NamedTuple):
    """A partition's position, before and after."""

    partition: int
    from_offset: int
    to_offset: int
    epoch: int
    dropping: tuple[str, ...] = ()  # models whose states are to go; the position stays where it is
    passed_over: tuple[int, ...] = ()  # offsets ahead that are not to be handled; the position stays where it is


Decide = Callable[[Standing], Change | None]
"""What becomes of a partition; None: it stays as it is. Raises ConfigError for what cannot be."""


def skip(offset: int, through: int) -> Decide:
    """Return the decision to pass over the records *offset* to *through*; refused when the partition stands elsewhere."""

    def decide(standing: Standing) -> Change:
        where = f"partition {standing.partition}"
        is_ahead = offset > standing.next_offset
        if offset < standing.next_offset or (is_ahead and through != offset):
            raise ConfigError(
                where=where,
                problem=f"it stands at offset {standing.next_offset}, not at {offset}",
                fix=f"name {standing.partition}:{standing.next_offset}, and the last record to pass over with --through; "
                "further ahead one record at a time can be passed over",
            )
        if not offset <= through < standing.end:
            raise ConfigError(
                where=where,
                problem=f"--through {through} is not between {offset}, where it stands, and {standing.end - 1}, its last record",
                fix="name the last record to pass over",
            )
        epoch = 0 if standing.row is None else standing.row.epoch
        if is_ahead:  # what lies before it is still to be handled
            return Change(standing.partition, standing.next_offset, standing.next_offset, epoch, passed_over=(offset,))
        return Change(standing.partition, offset, through + 1, epoch)

    return decide


def raise_epoch(standing: Standing) -> Change | None:
    """Decide to read the topic from its beginning, under the next epoch; nothing to do where nothing was read."""
    if standing.row is None:
        return None
    return Change(standing.partition, standing.row.next_offset, standing.first, standing.row.epoch + 1)


def drop_model(name: str) -> Decide:
    """Return the decision to let go of the states of the model *name*; nothing to do where it never wrote."""

    def decide(standing: Standing) -> Change | None:
        row = standing.row
        if row is None or name not in row.models or name in row.dropping:
            return None
        return Change(standing.partition, row.next_offset, row.next_offset, row.epoch, (name,))

    return decide


async def look(settings: Settings, partitions: Sequence[int] | None = None) -> list[Standing]:
    """
    Return where *partitions* (None: all) stand.

    Raises:
        ConfigError: there is no such topic or partition.
        DependencyError: no broker answers.
    """
    async with _reader(settings) as consumer:
        known = range(await partition_count(consumer, settings.input_topic))
        await partition_count(consumer, settings.changelog_topic)
        for partition in partitions or ():
            if partition not in known:
                raise ConfigError(
                    where=settings.input_topic,
                    problem=f"it has no partition {partition}",
                    fix=f"name one of 0 to {len(known) - 1}",
                )
        return [await _standing(consumer, settings, partition) for partition in partitions or known]


async def carry_out(settings: Settings, partition: int, decide: Decide, note: str) -> Change | None:
    """
    Take *partition* from whoever owns it, and write the position that *decide* returns, with *note* of whose doing it is.

    Raises:
        ConfigError: *decide* refuses, or the erasure key is missing where a first row has to be written.
        DependencyError: no broker answers, or a worker wrote at the same moment.
    """
    async with failures_in_words(settings), _owner(settings, partition) as producer, _reader(settings) as consumer:
        standing = await _standing(consumer, settings, partition)  # read again: whoever owned it may have written since
        change = decide(standing)
        if change is None:
            return None
        place = TopicPartition(settings.changelog_topic, partition)
        end = (await high_watermarks(consumer, [place]))[place]
        value = encode_partition_row(_changed(standing.row or _first_row(settings), change))
        acked = await _write(producer, settings, place, value, note)
        if settings.guarantee == "at_least_once" and acked != end:
            raise DependencyError(
                what=f"partition {partition}",
                problem="a worker wrote at the same moment",
                fix="run the command again; it is safe to repeat",
            )
        return change


def _changed(row: PartitionRow, change: Change) -> PartitionRow:
    if change.dropping:
        names = sorted({*row.dropping, *change.dropping})
        return msgspec.structs.replace(row, dropping=names, revision=row.revision + 1)
    if change.passed_over:
        offsets = sorted({*row.passed_over, *change.passed_over})
        return msgspec.structs.replace(row, passed_over=offsets, revision=row.revision + 1)
    ahead = [] if change.epoch != row.epoch else [offset for offset in row.passed_over if offset >= change.to_offset]
    return msgspec.structs.replace(
        row,
        next_offset=change.to_offset,
        epoch=change.epoch,
        revision=row.revision + 1,
        stopped_limit=None,
        passed_over=ahead,
    )


def _first_row(settings: Settings) -> PartitionRow:
    if settings.erasure_key is None:
        raise ConfigError(
            where="LEADSCORE_ERASURE_KEY",
            problem="it is needed to write the first row of a partition",
            fix="set it as the workers have it",
        )
    options = PipelineOptions(erasure_key=settings.erasure_key.reveal().encode())
    return PartitionRow(0, 0, None, None, settings.time, options.erasure_check, 0, {})


@asynccontextmanager
async def _reader(settings: Settings) -> AsyncIterator[AIOKafkaConsumer]:
    async with started_consumer(settings, isolation_level="read_committed") as consumer:
        yield consumer


@asynccontextmanager
async def _owner(settings: Settings, partition: int) -> AsyncIterator[AIOKafkaProducer]:
    is_exact = settings.guarantee == "exactly_once"
    producer = AIOKafkaProducer(
        **client_options(settings),
        client_id=f"{settings.app_id}-operator",
        acks="all",
        enable_idempotence=True,
        transactional_id=f"{settings.app_id}-{partition}" if is_exact else None,
    )
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


async def _write(producer: AIOKafkaProducer, settings: Settings, place: TopicPartition, value: bytes, note: str) -> int:
    is_exact = settings.guarantee == "exactly_once"
    if is_exact:
        await producer.begin_transaction()
    sent = await producer.send_and_wait(
        place.topic, value, PARTITION_KEY, partition=place.partition, headers=[(OPERATOR_HEADER, note.encode())]
    )
    if is_exact:
        await producer.commit_transaction()
    offset: int = sent.offset
    return offset


async def _standing(consumer: AIOKafkaConsumer, settings: Settings, partition: int) -> Standing:
    source = TopicPartition(settings.input_topic, partition)
    first = (await consumer.beginning_offsets([source]))[source]
    end = (await high_watermarks(consumer, [source]))[source]
    return Standing(partition, await _newest_row(consumer, settings.changelog_topic, partition), first, end)


async def _newest_row(consumer: AIOKafkaConsumer, topic: str, partition: int) -> PartitionRow | None:
    """Return the partition row of the highest fence; it lies near the end, since every round ends with one."""
    place = TopicPartition(topic, partition)
    begin = (await consumer.beginning_offsets([place]))[place]
    end = (await high_watermarks(consumer, [place]))[place]
    reach = _TAIL_ROWS
    while end > begin:
        start = max(begin, end - reach)
        if (value := await _highest_row(consumer, place, start, end)) is not None:
            return decode_partition_row(value)
        if start == begin:
            break
        reach *= 10
    return None


async def _highest_row(consumer: AIOKafkaConsumer, place: TopicPartition, start: int, end: int) -> bytes | None:
    # Without a turn of the loop in between: for a partition without position the client would ask a group that there is not.
    consumer.assign([place])
    consumer.seek(place, start)
    newest: bytes | None = None
    while await consumer.position(place) < end:
        for records in (await consumer.getmany(place, timeout_ms=_POLL_MS)).values():
            for record in records:
                is_row = record.key == PARTITION_KEY and record.value is not None
                if is_row and (newest is None or fence_of(record.value) >= fence_of(newest)):
                    newest = record.value
    return newest
