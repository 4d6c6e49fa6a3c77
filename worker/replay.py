"""
Score a recorded history by the very pipeline that runs live: a file is one partition, its order is arrival order.

Without a broker, without a clock. A file has no Kafka timestamps, so nothing is clamped.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import orjson

from worker.contracts.event import decode_event
from worker.errors import EventRefused
from worker.export import score_lines
from worker.pipeline import Partition, PipelineOptions, Topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from worker.export import ScoreLine
    from worker.pipeline.round import Count
    from worker.scoring.model import Model

_TOPICS = Topics(source="file", qualifications="transitions", scores="", dlq="refused")
_CHUNK = 4_096


class Line(NamedTuple):
    """One line of a file in the shape of a record; *offset* is the line number, from 0."""

    offset: int
    value: bytes
    timestamp: int = 0
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


class Refused(NamedTuple):
    """A line that holds no event."""

    line: int  # from 1
    code: str


@dataclass
class Replay:
    """What a history came to."""

    as_of_ms: int | None = None  # None when no line holds an event
    scores: dict[str, list[ScoreLine]] = field(default_factory=dict)  # by model name, in byte order of contact ids
    transitions: dict[str, list[bytes]] = field(default_factory=dict)  # by model name, encoded, in the order told
    counts: Counter[Count] = field(default_factory=Counter)
    refused: list[Refused] = field(default_factory=list)


def replay_lines(
    models: Sequence[Model],
    lines: Iterable[bytes],
    as_of_ms: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Replay:
    """
    Replay events, one JSON object a line, and read every score at the end.

    Args:
        models: The models that score, each on its own.
        lines: The history in arrival order; empty lines are passed over.
        as_of_ms: Instant to read at; later events are left out. None means the newest event time of the history.
        progress: Called now and then with the lines read since the last call.
    """
    result = Replay()
    partition = Partition(
        topics=_TOPICS,
        partition=0,
        partitions=1,
        models=models,
        options=PipelineOptions(time="stream", clamp=False, cache_contacts=1 << 62),
        row=None,
    )
    chunk: list[Line] = []
    for number, text in enumerate(lines):
        if not text.strip() or (as_of_ms is not None and _is_after(text, as_of_ms)):
            continue
        chunk.append(Line(number, text.strip()))
        if len(chunk) >= _CHUNK:
            _fold(partition, chunk, result)
            if progress is not None:
                progress(len(chunk))
            chunk = []
    _fold(partition, chunk, result)
    if progress is not None:
        progress(len(chunk))
    result.as_of_ms = partition.newest_ms if as_of_ms is None else as_of_ms
    if result.as_of_ms is not None:
        partition.finish(result.as_of_ms)
        _collect(partition, result)
        for index, model in enumerate(models):
            result.scores[model.name] = score_lines(partition.contacts(), model, index, result.as_of_ms)
            result.transitions.setdefault(model.name, [])
    return result


def _is_after(text: bytes, as_of_ms: int) -> bool:
    try:
        return decode_event(text.strip(), None).occurred_at > as_of_ms
    except EventRefused:
        return False


def _nothing_stored(keys: Sequence[bytes]) -> list[bytes | None]:
    """Stand for the store: every contact of a replay stays in memory."""
    return [None] * len(keys)


def _fold(partition: Partition, chunk: Sequence[Line], result: Replay) -> None:
    partition.fold(chunk, _nothing_stored)
    _collect(partition, result)


def _collect(partition: Partition, result: Replay) -> None:
    """Take what was told so far out of the partition; nothing of it has to be stored."""
    outputs, counts = partition.take_told()
    result.counts.update(counts)
    for output in outputs:
        headers = dict(output.headers)
        if output.topic == _TOPICS.qualifications and output.value is not None:
            result.transitions.setdefault(orjson.loads(output.value)["model"], []).append(output.value)
        elif output.topic == _TOPICS.dlq:
            line = int(headers["__connect.errors.offset"]) + 1
            result.refused.append(Refused(line, headers["leadscore.error.code"].decode()))
