"""
Dead letters that may be too large for their topic: packed, and where that is not enough, without what makes them so.

A broker bounds a batch as it is sent. A record that came in a packed batch may be far larger once unpacked, and no dead letter
may keep a partition from going on: what does not fit stays in the source topic, and the dead letter says so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from worker.contracts.dead_letter import OMITTED_HEADER, is_ours
from worker.contracts.headers import Headers
from worker.kafka.aiokafka_private import built_size, packed_batch
from worker.kafka.topics import message_bytes
from worker.stream.batches import BATCH_BYTES, Row

if TYPE_CHECKING:
    from worker.settings import Settings
    from worker.stream.batches import BatchProducer

_LEAST_LARGE = BATCH_BYTES // 2
"""Every topic takes a record of this size as it is."""


class LargeRecords:
    """
    Fits dead letters into their topic.

    Args:
        settings: Names the topic, and the brokers that say how much it takes.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._limit_bytes: int | None = None

    async def split(self, producer: BatchProducer, topic: str, rows: list[Row]) -> tuple[list[Row], list[Any]]:
        """Return those of *rows* that any topic takes, and a batch of its own for each larger one that goes to the dead letters."""
        if topic != self._settings.dlq_topic or not any(size_of(row) > _LEAST_LARGE for row in rows):
            return rows, []
        if self._limit_bytes is None:
            self._limit_bytes = await message_bytes(self._settings, topic)
        large = [self._fitted(producer, row) for row in rows if size_of(row) > _LEAST_LARGE]
        return [row for row in rows if size_of(row) <= _LEAST_LARGE], large

    def _fitted(self, producer: BatchProducer, row: Row) -> Any:
        assert self._limit_bytes is not None  # noqa: S101 - asked for above
        smaller = row
        for smaller in _ever_smaller(row):
            if built_size(_batch_of(producer, smaller)) <= self._limit_bytes:
                break
        return _batch_of(producer, smaller)  # another one: the first is built already


def size_of(row: Row) -> int:
    """Return about how many bytes *row* takes in a batch."""
    key, value, headers = row
    return len(key or b"") + len(value or b"") + sum(len(name) + len(text or b"") for name, text in headers)


def _batch_of(producer: BatchProducer, row: Row) -> Any:
    batch = packed_batch(producer)
    batch.append(timestamp=None, key=row.key, value=row.value, headers=row.headers)
    return batch


def _ever_smaller(row: Row) -> Iterator[Row]:
    """Yield *row* as it is, then without its value, then without the headers it came with, at last without its key."""
    yield row
    ours = [header for header in row.headers if is_ours(header[0])]
    yield _without(row.key, row.headers, ["value"])
    yield _without(row.key, ours, ["value", "headers"])
    yield _without(None, ours, ["value", "headers", "key"])


def _without(key: bytes | None, headers: Headers, omitted: Sequence[str]) -> Row:
    return Row(key, None, [*headers, (OMITTED_HEADER, ",".join(omitted).encode())])
