"""A dump shows nobody who was erased, whatever is left of them in the changelog."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.structs import TopicPartition

from worker.errors import ConfigError
from worker.operations import dump
from worker.operations.dump import without_buried
from worker.pipeline import PARTITION_KEY
from worker.pipeline.graves import encode_grave, grave_key
from worker.scoring.codec import pack_header
from worker.scoring.contact import Fence
from worker.settings import Settings, load_settings

SECRET = "a key for erasures, long enough"


def _settings(secret: str = SECRET) -> Settings:
    return load_settings({"LEADSCORE_BROKERS": "kafka:9092"} | ({"LEADSCORE_ERASURE_KEY": secret} if secret else {}))


def _value(offset: int, revision: int = 0, epoch: int = 0) -> bytes:
    return pack_header(Fence(epoch, offset, revision), None) + b"\x80"


def _grave(name: bytes, offset: int, epoch: int = 0) -> tuple[bytes, bytes]:
    return grave_key(name, SECRET.encode()), encode_grave(1_000, Fence(epoch, offset, 0))


@pytest.mark.parametrize(
    ("value", "grave", "is_shown"),
    [
        (_value(6), 7, False),
        (_value(7), 7, True),
        (_value(8), 7, True),
        (_value(9, epoch=0), 1, True),
        (_value(6, revision=9), 7, False),
    ],
)
def test_value_that_is_older_than_the_erasure_is_not_shown(value: bytes, grave: int, is_shown: bool) -> None:
    """If this fails, `contact dump` shows somebody whom the worker has forgotten: a row outlived its tombstone."""
    key, stone = _grave(b"jane", grave)
    values = {(0, b"jane"): value, (0, b"lara"): _value(1), (0, PARTITION_KEY): b"row", (0, key): stone}
    left = without_buried(values, _settings())
    assert left == {place: one for place, one in values.items() if is_shown or place[1] != b"jane"}


def test_grave_of_another_partition_is_nobodys_here() -> None:
    key, stone = _grave(b"jane", 7)
    values = {(0, b"jane"): _value(6), (1, key): stone}
    assert without_buried(values, _settings()) == values


def test_dump_without_the_key_is_refused_once_somebody_was_erased() -> None:
    key, stone = _grave(b"jane", 7)
    with pytest.raises(ConfigError, match="contacts were erased that must not be shown"):
        without_buried({(0, key): stone, (0, b"jane"): _value(6)}, _settings(""))
    values = {(0, b"jane"): _value(6)}
    assert without_buried(values, _settings("")) == values


class _Consumer:
    """A changelog of one partition, read a row at a time."""

    def __init__(self, rows: list[tuple[bytes, bytes | None]]) -> None:
        self.rows = rows
        self.at = 0

    async def getmany(self, timeout_ms: int) -> dict[TopicPartition, list[Any]]:
        key, value = self.rows[self.at]
        self.at += 1
        return {PLACE: [SimpleNamespace(key=key, value=value)]}

    async def position(self, _: TopicPartition) -> int:
        return self.at


PLACE = TopicPartition("changelog", 0)


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([_value(1), _value(3), _value(2)], _value(3)),
        ([_value(1), None], None),
        ([_value(1), None, _value(2)], _value(2)),
        ([_grave(b"jane", 3), _value(6), _grave(b"jane", 3), None], _value(6)),
        ([_value(6), _grave(b"jane", 7), None, _value(6)], None),
        ([_value(6), _grave(b"jane", 7), None, _value(8)], _value(8)),
    ],
    ids=[
        *("highest fence", "tombstone", "after a tombstone"),
        *("erased late by a worker that was cut off", "told late by one", "back after the erasure"),
    ],
)
def test_row_that_a_restore_would_keep_is_dumped(
    rows: list[bytes | tuple[bytes, bytes] | None], kept: bytes | None
) -> None:
    """If this fails, a dump lacks a contact that the worker scores, or shows one that it has forgotten."""
    named = [row if isinstance(row, tuple) else (b"jane", row) for row in rows]
    consumer: Any = _Consumer([*named, (PARTITION_KEY, _value(2))])
    values = asyncio.run(dump._read_until(consumer, {PLACE: len(named) + 1}, _settings()))
    assert values.get((0, b"jane")) == kept
    assert (0, PARTITION_KEY) in values, "a row of the worker's own is as old as no gravestone"
