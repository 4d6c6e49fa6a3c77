"""Records to the broker in batches: built per topic and partition, sent, and acknowledged with their offsets."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol

from aiokafka.structs import TopicPartition

from worker.contracts.headers import Header
from worker.errors import RestartRequired
from worker.pipeline import Round

BATCH_BYTES = 512 * 1024
"""Well below every topic's max.message.bytes; one larger record gets a batch of its own."""

_NO_HEADERS: list[Header] = []
"""A list, as aiokafka's batch builder insists."""


class Row(NamedTuple):
    """A record to produce, without its place."""

    key: bytes | None
    value: bytes | None
    headers: list[Header] = _NO_HEADERS


class Acked(NamedTuple):
    """The place where a run of rows went: offsets *first* to *last*, both included."""

    first: int
    last: int
    is_contiguous: bool  # nobody else's record lies in between


class BatchProducer(Protocol):
    """The part of aiokafka's producer that sends whole batches."""

    def create_batch(self) -> Any:
        """Return an empty batch."""

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> Any:
        """Queue *batch* and return the future of its acknowledgement."""


def outputs_of(round_: Round) -> dict[TopicPartition, list[Row]]:
    """Return the records that *round_* publishes, by where they go, in their order."""
    rows: dict[TopicPartition, list[Row]] = {}
    for output in round_.outputs:
        rows.setdefault(TopicPartition(output.topic, output.partition), []).append(
            Row(output.key, output.value, list(output.headers))
        )
    return rows


def changelog_of(round_: Round) -> list[Row]:
    """
    Return the changelog rows of *round_*: values, then tombstones, the partition row last.

    At least once, a crash may leave any beginning of them: a gravestone then stands before what it is for is gone.
    """
    *values, partition_row = (Row(key, value) for key, value in round_.puts.items())
    return [*values, *(Row(key, None) for key in round_.deletes), partition_row]


class Fitting(Protocol):
    """What fits records into a topic that may be too large for it."""

    async def split(self, producer: BatchProducer, topic: str, rows: list[Row]) -> tuple[list[Row], list[Any]]:
        """Return those of *rows* that need no care, and a batch for each of the others."""


async def send(
    producer: BatchProducer,
    rows: dict[TopicPartition, list[Row]],
    fitting: Fitting | None = None,
    *,
    one_by_one: bool = False,
) -> dict[TopicPartition, Acked]:
    """
    Send *rows* and wait until all of them are acknowledged; *fitting* cares for those that are large.

    With *one_by_one* a batch is sent only when the one before it in its partition is acknowledged. Without a transaction
    around them, a batch that is refused would otherwise be missing before one that is not: a position without its contacts.

    Raises:
        KafkaError: the broker will not take them.
        RestartRequired: the broker does not say where they lie.
    """
    batches: dict[TopicPartition, list[Any]] = {}
    for place, its_rows in rows.items():
        usual, large = (its_rows, []) if fitting is None else await fitting.split(producer, place.topic, its_rows)
        batches[place] = [*_batches(producer, usual), *large]
    waiting: dict[TopicPartition, list[Any]] = {place: [] for place in batches}
    # The first batch of every partition goes out before any second one: within a transaction this registers all partitions
    # with the coordinator in one request.
    for turn in range(max(map(len, batches.values()), default=0)):
        for place, its_batches in batches.items():
            if turn < len(its_batches):
                waiting[place].append(
                    await producer.send_batch(its_batches[turn], place.topic, partition=place.partition)
                )
        if one_by_one:
            for futures in waiting.values():
                await futures[-1]
    return {place: await _acknowledged(place, batches[place], futures) for place, futures in waiting.items()}


def _batches(producer: BatchProducer, rows: Iterable[Row]) -> Iterator[Any]:
    batch = producer.create_batch()
    for key, value, headers in rows:
        if batch.append(timestamp=None, key=key, value=value, headers=headers) is None:
            yield batch
            batch = producer.create_batch()
            batch.append(timestamp=None, key=key, value=value, headers=headers)  # the first one fits, whatever its size
    if batch.record_count():
        yield batch


async def _acknowledged(place: TopicPartition, batches: Sequence[Any], futures: Sequence[Any]) -> Acked:
    first = last = -1
    is_contiguous = True
    for batch, future in zip(batches, futures, strict=True):
        offset = (await future).offset
        if offset < 0:
            raise RestartRequired(
                what=f"{place.topic}[{place.partition}]",
                problem="the broker knows a batch already, but no longer where it lies",
            )
        is_contiguous = is_contiguous and (first < 0 or offset == last + 1)
        first = offset if first < 0 else first
        last = offset + batch.record_count() - 1
    return Acked(first, last, is_contiguous)
