"""Dead letters that do not fit: packed, then without what makes them large, and they say so."""

from __future__ import annotations

import asyncio
import os
from typing import Any

import pytest

from tests.support.small import START
from worker.contracts.dead_letter import OMITTED_HEADER, dead_letter_headers
from worker.settings import load_settings
from worker.stream import large_records
from worker.stream.batches import Row
from worker.stream.large_records import LargeRecords

SETTINGS = load_settings({"LEADSCORE_BROKERS": "localhost:1"})
LIMIT = 1 << 20


class Producer:
    """The part of aiokafka's producer that makes batches."""

    def __init__(self) -> None:
        from aiokafka.producer.message_accumulator import MessageAccumulator

        self._message_accumulator = MessageAccumulator(None, 1 << 19, 0, 30)

    def create_batch(self) -> Any:
        return self._message_accumulator.create_builder()

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> Any:
        raise AssertionError("nothing is sent here")


def letter(value: bytes, *received: tuple[str, bytes], key: bytes = b"k") -> Row:
    ours = {"code": "event.too_large", "path": "$", "problem": "too large", "topic": "in"}
    return Row(key, value, dead_letter_headers(list(received), partition=0, offset=1, timestamp_ms=START, **ours))


def sent(row: Row, monkeypatch: pytest.MonkeyPatch, topic: str = SETTINGS.dlq_topic) -> tuple[list[Row], list[Any]]:
    async def limit(*_: object) -> int:
        return LIMIT

    monkeypatch.setattr(large_records, "message_bytes", limit)

    async def split() -> tuple[list[Row], list[Any]]:
        return await LargeRecords(SETTINGS).split(Producer(), topic, [row])

    return asyncio.run(split())


def unpacked(batch: Any) -> tuple[bytes | None, bytes | None, dict[str, bytes]]:
    from aiokafka.record.default_records import DefaultRecordBatch

    (record,) = DefaultRecordBatch(bytes(batch._build()))
    return record.key, record.value, dict(record.headers)


def test_a_record_that_any_topic_takes_is_left_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    row = letter(b"x" * 200_000)
    assert sent(row, monkeypatch) == ([row], [])


def test_records_of_other_topics_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    row = letter(b"x" * 5_000_000)
    assert sent(row, monkeypatch, "elsewhere") == ([row], [])


def test_a_large_one_is_packed_and_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    usual, (batch,) = sent(letter(b"abc" * 2_000_000, ("trace", b"1")), monkeypatch)
    key, value, headers = unpacked(batch)
    assert (usual, key, value, headers["trace"]) == ([], b"k", b"abc" * 2_000_000, b"1")
    assert OMITTED_HEADER not in headers


def test_what_cannot_be_packed_enough_loses_its_value_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    _, (batch,) = sent(letter(os.urandom(2_000_000), ("trace", b"1")), monkeypatch)
    key, value, headers = unpacked(batch)
    assert (key, value, headers["trace"], headers[OMITTED_HEADER]) == (b"k", None, b"1", b"value")
    assert headers["__connect.errors.offset"] == b"1"  # where the whole of it still lies


def test_headers_and_key_go_only_when_they_are_what_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    _, (batch,) = sent(letter(b"x", ("blob", os.urandom(2_000_000))), monkeypatch)
    key, _, headers = unpacked(batch)
    assert (key, "blob" in headers, headers[OMITTED_HEADER]) == (b"k", False, b"value,headers")
    _, (batch,) = sent(letter(b"x", key=os.urandom(2_000_000)), monkeypatch)
    key, _, headers = unpacked(batch)
    assert (key, headers[OMITTED_HEADER], headers["leadscore.error.code"]) == (
        None,
        b"value,headers,key",
        b"event.too_large",
    )
