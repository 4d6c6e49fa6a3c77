"""Dead letters as the worker writes them, for whoever reads them."""

from __future__ import annotations

from collections.abc import Sequence

from worker.contracts.dead_letter import dead_letter_headers
from worker.operations.dead_letters import DeadLetter, letter_of
from worker.replay import Line, Origin


def letter(
    offset: int = 0,
    code: str = "event.bad_time",
    *,
    partition: int = 0,
    at_ms: int = 0,
    received: Sequence[tuple[str, bytes]] = (),
    value: bytes | None = b"{}",
    topic: str = "in",
) -> DeadLetter:
    """Return a dead letter of contact `jane` from offset 41 of partition 7 of *topic*, received with the headers *received*."""
    headers = dead_letter_headers(
        received, code=code, path="$.occurred_at", problem="p", topic=topic, partition=7, offset=41, timestamp_ms=5
    )
    origin = Origin(f"{topic}-dlq", partition, offset, is_record=True)
    return letter_of(Line(0, value, at_ms, b"jane", tuple(headers), origin))
