"""
The worker's half of `protocol_errors`: one wrapper around the method by which every client of aiokafka sends.

Answers are made by the schema that aiokafka itself reads them with, so they look like a broker's to whoever asked.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.types import Array, Boolean, Bytes, Schema, String, TaggedFields

from tests.support.protocol_errors import API, CODES, FILE, Mishap, account

_Send = Callable[..., Awaitable[Any]]


def install_protocol_errors(environ: Mapping[str, str] = os.environ) -> None:
    """Let the requests of this process meet what the control file says; nothing happens where none is named."""
    if path := environ.get(FILE):
        from aiokafka.conn import AIOKafkaConnection

        AIOKafkaConnection.send = _Injector(Path(path)).wrap(AIOKafkaConnection.send)


class _Injector:
    """Knows what is still to happen."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._seen: tuple[int, int] | None = None
        self._mishaps: list[Mishap] = []
        self._done: Counter[int] = Counter()
        self._lock = threading.Lock()  # a worker has clients in two threads

    def wrap(self, send: _Send) -> _Send:
        def wrapped(connection: Any, request: Any, expect_response: bool = True) -> Awaitable[Any]:
            if not expect_response or not self._has_mishaps():
                return send(connection, request, expect_response)
            wire = request.prepare(connection._versions)
            mishap = self._take(wire)
            if mishap is None:
                return send(connection, request, expect_response)
            return _meet(mishap, send, connection, wire)

        return wrapped

    def _has_mishaps(self) -> bool:
        try:
            stat = self._file.stat()
        except FileNotFoundError:
            return False
        seen = stat.st_mtime_ns, stat.st_ino
        if seen != self._seen:
            with self._lock:
                self._mishaps = [Mishap(**fields) for fields in json.loads(self._file.read_text("utf-8"))]
                self._done = account(self._file)
                self._seen = seen
        return any(self._done[number] < mishap.times for number, mishap in enumerate(self._mishaps))

    def _take(self, wire: Any) -> Mishap | None:
        """Return what happens to *wire*, with the one code that it gets, and note that it did."""
        with self._lock:
            for number, mishap in enumerate(self._mishaps):
                nth = self._done[number]
                if nth >= mishap.times or API[mishap.api] != wire.API_KEY or not _concerns(mishap.topic, wire):
                    continue
                self._done[number] += 1
                with self._file.with_suffix(".done").open("a", encoding="utf-8") as account:
                    account.write(f"{number}\n")
                return mishap._replace(codes=(mishap.codes[nth % len(mishap.codes)],)) if mishap.codes else mishap
        return None


async def _meet(mishap: Mishap, send: _Send, connection: Any, wire: Any) -> Any:
    if mishap.action == "error":
        return await _refuse(mishap, send, connection, wire)
    if mishap.action == "disconnect":
        connection.close()
        raise KafkaConnectionError("connection broken by the test")
    if mishap.action == "hold":
        await asyncio.sleep(mishap.seconds)
        return await send(connection, _Ready(wire), True)
    answer = await send(connection, _Ready(wire), True)
    if mishap.seconds:
        await asyncio.sleep(mishap.seconds)
    if mishap.action == "delay":
        return answer
    connection.close()
    if mishap.seconds:
        raise TimeoutError  # as aiokafka's own clock would say
    raise KafkaConnectionError("connection broken by the test")


class _Ready(NamedTuple):
    """A request for exactly these bytes."""

    wire: Any

    def prepare(self, _: Any) -> Any:
        return self.wire


async def _refuse(mishap: Mishap, send: _Send, connection: Any, wire: Any) -> Any:
    """Answer for the broker; what the request asks of other topics is really sent."""
    code = CODES[mishap.codes[0]]
    if mishap.api == "Metadata":
        return _without_topics(await send(connection, _Ready(wire), True), mishap.topic, code)
    meant, others = _parted(mishap.topic, wire)
    refused = _answer(wire.RESPONSE_TYPE, code, meant)
    if not others:
        return refused
    rest = copy.copy(wire)
    rest.topics = others
    answer = await send(connection, _Ready(rest), True)
    name = _topics_field(answer)
    setattr(answer, name, [*getattr(answer, name), *getattr(refused, name)])
    return answer


def _topics_of(wire: Any) -> Sequence[Any]:
    return getattr(wire, "topics", None) or ()


def _name_of(topic: Any) -> str:
    return str(topic if isinstance(topic, str) else topic[0])


def _concerns(topic: str, wire: Any) -> bool:
    return not topic or any(_name_of(one) == topic for one in _topics_of(wire))


def _parted(topic: str, wire: Any) -> tuple[list[Any], list[Any]]:
    topics = _topics_of(wire)
    meant = [one for one in topics if not topic or _name_of(one) == topic]
    return meant, [one for one in topics if one not in meant]


def _topics_field(answer: Any) -> str:
    """Return the name of the field that has an entry for each topic."""
    pairs = zip(answer.SCHEMA.names, answer.SCHEMA.fields, strict=True)
    return next(str(name) for name, field in pairs if isinstance(field, Array) and isinstance(field.array_of, Schema))


def _answer(kind: Any, code: int, topics: Sequence[Any]) -> Any:
    """Return an answer of *kind* with *code* wherever one goes, and an entry for each of *topics* and its partitions."""
    entries = [(_name_of(one), [_number_of(partition) for partition in one[1]]) for one in topics]
    return kind(*_filled(kind.SCHEMA, code, entries))


def _number_of(partition: Any) -> int:
    return int(partition if isinstance(partition, int) else partition[0])


def _filled(schema: Schema, code: int, entries: Sequence[tuple[str, Sequence[int]]]) -> tuple[Any, ...]:
    values: list[Any] = []
    for name, field in zip(schema.names, schema.fields, strict=True):
        if isinstance(field, Array) and isinstance(field.array_of, Schema):
            values.append([_entry(field.array_of, code, *entry) for entry in entries])
        else:
            values.append(_blank(name, field, code))
    return tuple(values)


def _entry(schema: Schema, code: int, topic: str, partitions: Sequence[int]) -> tuple[Any, ...]:
    values: list[Any] = [topic]
    for name, field in zip(schema.names[1:], schema.fields[1:], strict=True):
        if isinstance(field, Array) and isinstance(field.array_of, Schema):
            values.append([_place(field.array_of, code, number) for number in partitions])
        else:
            values.append(_blank(name, field, code))
    return tuple(values)


def _place(schema: Schema, code: int, number: int) -> tuple[Any, ...]:
    rest = zip(schema.names[1:], schema.fields[1:], strict=True)
    return number, *(_blank(name, field, code) for name, field in rest)


def _blank(name: str, field: Any, code: int) -> Any:
    if name == "error_code":
        return code
    if name == "throttle_time_ms":
        return 0
    if isinstance(field, Array):
        return []
    if isinstance(field, String):
        return ""
    for kind, value in ((Bytes, b""), (TaggedFields, {}), (Boolean, False)):
        if isinstance(field, type) and issubclass(field, kind):
            return value
    return -1


def _without_topics(answer: Any, topic: str, code: int) -> Any:
    """Return metadata in which *topic*, or each one, has the error *code* and no partitions."""
    (schema,) = (
        field.array_of
        for name, field in zip(answer.SCHEMA.names, answer.SCHEMA.fields, strict=True)
        if name == "topics" and isinstance(field, Array)
    )
    names = schema.names
    at = {name: names.index(name) for name in ("error_code", "topic", "partitions")}
    told = []
    for one in answer.topics:
        fields = list(one)
        if not topic or fields[at["topic"]] == topic:
            fields[at["error_code"]], fields[at["partitions"]] = code, []
        told.append(tuple(fields))
    answer.topics = told
    return answer
