"""
Score a recorded history by the very pipeline that runs live: it is one partition, its order is arrival order.

Without a broker, without a clock. A file has no Kafka timestamps, so nothing of it is clamped; records of a topic have them.
"""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from worker.contracts.event_decoding import decode_event
from worker.contracts.instants import MIN_INSTANT_MS
from worker.contracts.json_encoding import encode_json
from worker.errors import EventRefused
from worker.export import score_lines
from worker.pipeline import Partition, PipelineOptions, Topics

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from worker.contracts.event import Event
    from worker.export import ScoreLine
    from worker.pipeline.round import Count
    from worker.scoring.contact import Contact
    from worker.scoring.model import Model

_TOPICS = Topics(source="file", qualifications="transitions", scores="", dlq="refused")
_CHUNK = 4_096
NOWHERE = -1
"""The place of what no record led to."""


class Origin(NamedTuple):
    """Where a line really lies, when the history is put together from several sources."""

    source: str  # file or topic
    partition: int  # 0 in a file
    offset: int  # in a file the line number, from 0
    is_record: bool  # of a topic


class Line(NamedTuple):
    """One line of a history in the shape of a record; *offset* is its place in the whole history, from 0."""

    offset: int
    value: bytes | None
    timestamp: int = 0
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()
    origin: Origin | None = None  # None: line `offset` of the only file


class Refused(NamedTuple):
    """A line that holds no event."""

    line: int  # from 1; of a record its offset
    code: str
    source: str = ""  # file or `topic[partition]`; empty when there is only one file


@dataclass(frozen=True, slots=True)
class Terms:
    """How a history is scored; instants and spans in ms."""

    as_of_ms: int | None = None  # None: the newest event time of the history; later events are left out
    emit_since_ms: int | None = None  # what would be told before it is kept back
    publish_tiers: bool = False
    max_skew_ms: int | None = None  # how far an event may lie after its record; None: nothing is clamped


@dataclass
class Replay:
    """What a history came to under models that ran together."""

    as_of_ms: int | None = None  # None when no line holds an event
    scores: dict[str, list[ScoreLine]] = field(default_factory=dict)  # by model name, in byte order of contact ids
    transitions: dict[str, list[bytes]] = field(default_factory=dict)  # by model name, encoded, in the order told
    places: dict[str, list[int]] = field(default_factory=dict)  # beside each of these, `Line.offset` or NOWHERE
    counts: Counter[Count] = field(default_factory=Counter)
    refused: list[Refused] = field(default_factory=list)
    contacts: list[tuple[bytes, Contact]] = field(default_factory=list)  # as they are at the end


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
    (result,) = replay_history([models], batches_of([("", lines)]), Terms(as_of_ms), progress=progress)
    result.contacts.clear()  # hundreds of megabytes after a long history, and only reports look at them
    return result


def batches_of(sources: Sequence[tuple[str, Iterable[bytes]]]) -> Iterator[list[Line]]:
    """Yield the lines of named *sources*, one after the other, as pieces of one history; empty lines are passed over."""
    if len(sources) == 1:
        for piece in _pieces(enumerate(sources[0][1])):
            yield [Line(number, text) for number, line in piece if (text := line.strip())]
        return
    start = 0
    for name, lines in sources:
        end = start
        for piece in _pieces(enumerate(lines)):
            yield [
                Line(start + number, text, origin=Origin(name, 0, number, is_record=False))
                for number, line in piece
                if (text := line.strip())
            ]
            end = start + piece[-1][0] + 1
        start = end


def _pieces(numbered: Iterator[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    while piece := list(islice(numbered, _CHUNK)):
        yield piece


def replay_history(
    model_sets: Sequence[Sequence[Model]],
    batches: Iterable[Sequence[Line]],
    terms: Terms,
    *,
    watch: Callable[[Event, int, int], None] | None = None,
    progress: Callable[[int], None] | None = None,
) -> list[Replay]:
    """
    Replay one history in one pass, under each of *model_sets* by itself, and read every score at the end.

    Args:
        model_sets: Models that run together. Two of one name never do, but may be compared in two sets.
        batches: The history in arrival order, with rising offsets.
        terms: How it is scored.
        watch: Is shown each event that counts, with its time (ms, clamped) and its place in the history.
        progress: Called now and then with the lines read since the last call.
    """
    runs = [_Run(models, terms) for models in model_sets]
    for batch in batches:
        kept = _kept(batch, terms, watch)
        for run in runs:
            run.fold(kept)
        if progress is not None:
            progress(len(kept))
    return [run.finish() for run in runs]


def _kept(batch: Sequence[Line], terms: Terms, watch: Callable[[Event, int, int], None] | None) -> Sequence[Line]:
    """Return the lines that are not after the instant to read at; refused ones stay, to be counted."""
    if terms.as_of_ms is None and watch is None:
        return batch
    kept = []
    for line in batch:
        try:
            event = decode_event(line.value, line.key)
        except EventRefused:
            kept.append(line)
            continue
        at_ms = _clamped(event.occurred_at, line.timestamp, terms.max_skew_ms)
        if terms.as_of_ms is None or at_ms <= terms.as_of_ms:
            kept.append(line)
            if watch is not None:
                watch(event, at_ms, line.offset)
    return kept


def _clamped(occurred_ms: int, record_ms: int, max_skew_ms: int | None) -> int:
    """Return the event time as the pipeline takes it."""
    if max_skew_ms is None or record_ms < MIN_INSTANT_MS or occurred_ms <= record_ms + max_skew_ms:
        return occurred_ms
    return record_ms


class _Run:
    """One history under models that run together."""

    def __init__(self, models: Sequence[Model], terms: Terms) -> None:
        options = PipelineOptions(
            time="stream",
            clamp=terms.max_skew_ms is not None,
            max_skew_ms=terms.max_skew_ms or 0,
            emit_since_ms=terms.emit_since_ms,
            publish_tiers=terms.publish_tiers,
        )
        self._models = models
        self._as_of_ms = terms.as_of_ms
        self._result = Replay()
        self._partition = Partition(topics=_TOPICS, partition=0, partitions=1, models=models, options=options, row=None)

    def fold(self, batch: Sequence[Line]) -> None:
        self._partition.fold(batch, _nothing_stored)
        self._collect(batch)

    def finish(self) -> Replay:
        """Handle what is due up to the instant to read at, and read."""
        result, partition = self._result, self._partition
        result.as_of_ms = partition.newest_ms if self._as_of_ms is None else self._as_of_ms
        if result.as_of_ms is None:
            return result
        partition.finish(result.as_of_ms)
        self._collect(())
        result.contacts = list(partition.contacts())
        for index, model in enumerate(self._models):
            result.scores[model.name] = score_lines(result.contacts, model, index, result.as_of_ms)
            result.transitions.setdefault(model.name, [])
            result.places.setdefault(model.name, [])
        return result

    def _collect(self, batch: Sequence[Line]) -> None:
        """Take what was told so far out of the partition; nothing of it has to be stored."""
        result = self._result
        outputs, counts = self._partition.take_told()
        result.counts.update(counts)
        origins = {line.offset: line.origin for line in batch if line.origin is not None} if outputs else {}
        for output in outputs:
            if output.topic == _TOPICS.qualifications and output.value is not None:
                told = orjson.loads(output.value)
                place = told["event"]["offset"] if "event" in told else NOWHERE
                result.places.setdefault(told["model"], []).append(place)
                result.transitions.setdefault(told["model"], []).append(_located(output.value, origins.get(place)))
            elif output.topic == _TOPICS.dlq:
                headers = dict(output.headers)
                place = int(headers["__connect.errors.offset"] or b"")
                code = (headers["leadscore.error.code"] or b"").decode()
                result.refused.append(_refused(place, code, origins.get(place)))


def _nothing_stored(keys: Sequence[bytes]) -> list[bytes | None]:
    """Stand for the store: every contact of a replay stays in memory."""
    return [None] * len(keys)


def _located(transition: bytes, origin: Origin | None) -> bytes:
    """Return *transition* with the place where the event that led to it really lies."""
    if origin is None:
        return transition
    told: dict[str, Any] = json.loads(transition)  # the other decoder would make long integers of attributes inexact
    told["event"] |= {"topic": origin.source, "partition": origin.partition, "offset": origin.offset}
    return encode_json(told)


def _refused(place: int, code: str, origin: Origin | None) -> Refused:
    if origin is None:
        return Refused(place + 1, code)
    if origin.is_record:
        return Refused(origin.offset, code, f"{origin.source}[{origin.partition}]")
    return Refused(origin.offset + 1, code, origin.source)
