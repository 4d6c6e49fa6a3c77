"""The headers of a dead letter: what arrived, untouched, then where it lay and what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

CONNECTOR_NAME: Final = "leadscore"
EXCEPTION_CLASS: Final = "worker.errors.EventRefused"
OMITTED_HEADER: Final = "leadscore.error.omitted"
"""On a dead letter that is too large for its topic: which of value, headers and key it came with were left out."""

V = TypeVar("V", bytes, bytes | None)
"""A header's value: null where a producer may have written it."""


def dead_letter_headers(
    headers: Sequence[tuple[str, V]],
    *,
    code: str,
    path: str,
    problem: str,
    topic: str,
    partition: int,
    offset: int,
    timestamp_ms: int,
) -> list[tuple[str, V]]:
    """
    Return *headers* as received, then ours, each as text in UTF-8; none repeats a value of the event.

    The first are those of Kafka Connect's dead-letter queue, so that its tools work on ours.
    A record that is refused twice has ours twice: the last of a name is the newest.

    Args:
        headers: Of the record as received.
        code: Stable code, `event.not_json`.
        path: JSON path at fault.
        problem: What is wrong there, in words.
        topic: Topic, partition and offset say where the record lies in the source.
        partition: See *topic*.
        offset: See *topic*.
        timestamp_ms: The record's own time.
    """
    ours = {
        "__connect.errors.topic": topic,
        "__connect.errors.partition": str(partition),
        "__connect.errors.offset": str(offset),
        "__connect.errors.connector.name": CONNECTOR_NAME,
        "__connect.errors.exception.class.name": EXCEPTION_CLASS,
        "__connect.errors.exception.message": f"{code} at {path}: {problem}",
        "leadscore.error.code": code,
        "leadscore.error.path": path,
        "leadscore.error.record_time": str(timestamp_ms),
    }
    found = list(headers)
    found += [(name, text.encode()) for name, text in ours.items()]
    return found


def is_ours(name: str) -> bool:
    """Return whether the header *name* of a dead letter is one of those that `dead_letter_headers` adds."""
    return name.startswith(("__connect.errors.", "leadscore.error."))
