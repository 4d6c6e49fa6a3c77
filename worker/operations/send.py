"""Events onto the input topic, keyed and placed as the worker expects them: by contact id, by murmur2."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import orjson
from aiokafka import AIOKafkaProducer

from worker.clock import monotonic, now_ms
from worker.contracts.event_decoding import decode_event
from worker.contracts.instants import format_instant
from worker.errors import ConfigError, EventRefused
from worker.kafka.clients import failures_in_words
from worker.kafka.security import client_options
from worker.lines import read_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from worker.settings import Settings

_BATCH = 500


def event_line(
    contact_id: str, event_type: str, properties: Iterable[str], at: str | None, event_id: str | None
) -> bytes:
    """
    Return one event as JSON; each of *properties* is `name=value`, the value read as JSON where it is such, else as text.

    Raises ConfigError when a property has no `=`, or the event is none.
    """
    values: dict[str, Any] = {}
    for item in properties:
        name, equals, text = item.partition("=")
        if not equals:
            raise ConfigError(where="--prop", problem=f"{item!r} has no =", fix="write name=value")
        try:
            values[name] = orjson.loads(text)
        except orjson.JSONDecodeError:
            values[name] = text
    event = {
        "id": event_id or str(uuid4()),
        "contact_id": contact_id,
        "type": event_type,
        "occurred_at": at or format_instant(now_ms()),
        "properties": values,
    }
    line = orjson.dumps(event)
    try:
        decode_event(line, None)
    except EventRefused as refused:
        raise ConfigError(
            where=refused.path, problem=f"{refused.event_code}: {refused.fields['problem']}", fix="correct that part"
        ) from refused
    return line


def count_lines(path: Path) -> int:
    """Return how many lines of *path* are not empty."""
    return sum(1 for line in read_lines(path) if line.strip())


async def send_lines(
    settings: Settings,
    lines: Iterable[bytes],
    *,
    rate: float = 0,
    is_raw: bool = False,
    progress: Callable[[int], None] | None = None,
) -> int:
    """
    Send each line as one record, and return how many the broker has acknowledged.

    Args:
        settings: Names the brokers and the input topic.
        lines: One JSON event each.
        rate: Events a second; 0 does not pace.
        is_raw: Send lines that hold no event, too, without a key.
        progress: Called with the number of records acknowledged since the last call.

    Raises:
        ConfigError: A line holds no event and *is_raw* is False (everything before it is sent), or the brokers refuse us.
        DependencyError: No broker answers.
    """
    producer = AIOKafkaProducer(
        **client_options(settings), acks="all", enable_idempotence=True, linger_ms=20, max_batch_size=512 * 1024
    )
    async with failures_in_words(settings):
        try:
            await producer.start()
            return await _send_all(producer, settings.input_topic, lines, rate, is_raw=is_raw, progress=progress)
        finally:
            await producer.stop()


async def _send_all(
    producer: AIOKafkaProducer,
    topic: str,
    lines: Iterable[bytes],
    rate: float,
    *,
    is_raw: bool,
    progress: Callable[[int], None] | None,
) -> int:
    started = monotonic()
    batch_size = _BATCH if rate == 0 else max(1, min(_BATCH, int(rate / 10)))
    sent = 0
    waiting = []
    for number, text in enumerate(lines, start=1):
        line = text.strip()
        if not line:
            continue
        waiting.append(await producer.send(topic, value=line, key=_key(line, number, is_raw=is_raw)))
        if len(waiting) >= batch_size:
            sent += await _acknowledged(waiting, progress)
            waiting = []
            if rate:
                await asyncio.sleep(max(0.0, started + sent / rate - monotonic()))
    return sent + await _acknowledged(waiting, progress)


async def _acknowledged(waiting: list[Any], progress: Callable[[int], None] | None) -> int:
    await asyncio.gather(*waiting)
    if progress is not None:
        progress(len(waiting))
    return len(waiting)


def _key(line: bytes, number: int, *, is_raw: bool) -> bytes | None:
    try:
        return decode_event(line, None).contact_id.encode()
    except EventRefused as refused:
        if is_raw:
            return None
        raise ConfigError(
            where=f"line {number}, {refused.path}",
            problem=f"{refused.event_code}: {refused.fields['problem']}; what stands before this line was sent",
            fix="correct it and send the rest (a repeat within the lateness of the model counts once), or send all as it is with --raw",
        ) from refused
