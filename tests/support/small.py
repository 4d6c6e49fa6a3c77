"""Small models, events and histories for tests of the scoring core: one line each, every number in sight."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from worker.contracts.event import Event
from worker.contracts.event_decoding import decode_event
from worker.pipeline import Output, Partition, PipelineOptions, Round, Topics
from worker.pipeline.inputs import GetMany
from worker.scoring.history import Accepted, History, pack_id
from worker.scoring.matching import Matcher, Trace
from worker.scoring.model import Model
from worker.scoring.model_file import parse_model
from worker.scoring.state import Fold

SECOND, MINUTE, HOUR, DAY = 1_000, 60_000, 3_600_000, 86_400_000
START = 1_767_225_600_000
"""2026-01-01T00:00:00Z, a Thursday."""
TOPICS = Topics(source="in", qualifications="told", scores="scores", dlq="refused")


def small_model(*rules: Mapping[str, Any], **parts: Any) -> Model:
    """Return a model of *rules*, each `rule(...)`; *parts* are further keys of the file."""
    named = [{"rule": f"rule {number}", **one} for number, one in enumerate(rules)]
    return parse_model(json.dumps({"model": "small", "version": 1, "rules": named, **parts}))


def rule(event_type: str, points: float, **parts: Any) -> dict[str, Any]:
    """Return a rule: *points* for each event of *event_type*."""
    return {"when": {"type": event_type}, "points": points, **parts}


def event(event_type: str, at_ms: int = START, event_id: str = "", **properties: Any) -> Event:
    """Return an event of contact `c`."""
    return decode_event(event_value(event_type, at_ms, event_id, **properties), None)


def event_value(
    event_type: str,
    at_ms: int = START,
    event_id: str = "",
    *,
    contact: str = "c",
    machine: bool = False,
    **properties: Any,
) -> bytes:
    """Return an event as JSON; its id says type and time when none is given."""
    fields = {
        "id": event_id or f"{event_type}@{at_ms}",
        "contact_id": contact,
        "type": event_type,
        "occurred_at": at_ms,
        "machine": machine,
        "properties": properties,
    }
    return json.dumps(fields).encode()


def trace_of(model: Model, one: Event) -> Trace:
    """Return what *model* keeps of *one*."""
    trace = Matcher(model).match(one, one.occurred_at)
    assert trace is not None, "the event is without trace"
    return trace


def accept(
    history: History, model: Model, event_type: str, at_ms: int, event_id: str = "", **properties: Any
) -> Accepted:
    """Take an event into *history*."""
    one = event(event_type, at_ms, event_id, **properties)
    packed = pack_id(one.id)
    in_order = history.is_in_order(at_ms, packed)
    return history.accept(model, at_ms, packed, trace_of(model, one), in_order=in_order)


def folded(model: Model, *events: tuple[str, int]) -> Fold:
    """Return the fold of (type, instant) events."""
    history = History()
    for event_type, at_ms in events:
        accept(history, model, event_type, at_ms)
    return history.head(model).copy()


class SmallRecord(NamedTuple):
    """A Kafka record."""

    offset: int
    value: bytes | None
    key: bytes | None = b"c"
    timestamp: int = START
    headers: Sequence[tuple[str, bytes]] = ()


def small_partition(
    *models: Model,
    row: bytes | None = None,
    partition: int = 0,
    partitions: int = 1,
    get_many: GetMany | None = None,
    **options: Any,
) -> Partition:
    """Return a partition that runs in stream time unless told otherwise."""
    return Partition(
        topics=TOPICS,
        partition=partition,
        partitions=partitions,
        models=models,
        options=replace(PipelineOptions(time="stream", clamp=False), **options),
        row=row,
        get_many=get_many,
    )


def nothing_stored(keys: Sequence[bytes]) -> list[bytes | None]:
    """Stand for an empty store."""
    return [None] * len(keys)


def drained(partition: Partition) -> Round:
    """Close the open round of *partition* and settle it at once."""
    closed = partition.drain()
    assert closed is not None, "nothing to write"
    partition.settled()
    return closed


def told(outputs: Sequence[Output]) -> list[tuple[str, int, str, float]]:
    """Return (kind, sequence, cause, score) of each transition among *outputs*."""
    values = [json.loads(one.value) for one in outputs if one.topic == TOPICS.qualifications and one.value]
    return [(one["kind"], one["sequence"], one["cause"], one["score"]) for one in values]
