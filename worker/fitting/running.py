"""
A model over the contacts of a history, by the very pipeline that runs live: what is judged is the file that was written.

Each contact runs in a partition of its own, in stream time, so that its score can be read at an instant of its own.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, NamedTuple

import orjson

from worker.contracts.instants import parse_instant
from worker.export import score_lines
from worker.pipeline import Partition, PipelineOptions, Topics

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from worker.fitting.looks import Judged, Look
    from worker.fitting.timelines import Happening, Timeline
    from worker.scoring.model import Model

_TOPICS = Topics(source="history", qualifications="told", scores="", dlq="")


class _Line(NamedTuple):
    """An event in the shape of a record."""

    offset: int
    value: bytes
    timestamp: int = 0
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


class _Run:
    """One contact under one model, event by event."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._next = 0
        options = PipelineOptions(time="stream", clamp=False)
        self._partition = Partition(
            topics=_TOPICS, partition=0, partitions=1, models=(model,), options=options, row=None
        )

    def fold(self, happenings: Sequence[Happening]) -> None:
        lines = [_Line(self._next + place, one.line) for place, one in enumerate(happenings)]
        self._next += len(lines)
        self._partition.fold(lines, lambda keys: [None] * len(keys))

    def score(self, at_ms: int) -> float:
        """Return the score at *at_ms*; 0 for a contact that has none, as everywhere."""
        lines = score_lines(self._partition.contacts(), self._model, 0, at_ms)
        return lines[0].score if lines else 0.0

    def told_ms(self) -> int | None:
        """Return when the contact was first said to be sales-ready; None if it never was."""
        outputs, _ = self._partition.take_told()
        told = [orjson.loads(one.value) for one in outputs if one.topic == _TOPICS.qualifications and one.value]
        return min((parse_instant(one["at"]) for one in told if one["kind"] == "lead.sales_ready"), default=None)


def scores_at(model: Model, looks: Iterable[Look]) -> list[float]:
    """Return the score of each look under *model*; a contact's looks stand side by side, in order of time."""
    scores = []
    known: Timeline | None = None
    run = _Run(model)
    done = 0
    for look in looks:
        if look.timeline is not known:
            known, run, done = look.timeline, _Run(model), 0
        happenings = list(look.timeline.until(look.at_ms))
        run.fold(happenings[done:])
        done = len(happenings)
        scores.append(run.score(look.at_ms))
    return scores


def peak_of(model: Model, judged: Judged, within_ms: int) -> float:
    """
    Return the highest score that a contact had right after an event that some rule is about, while nothing was certain.

    -inf when there was no such event: only an award can make a lead ready.
    """
    types = _types_of(model)
    run = _Run(model)
    peak = -inf
    waiting: list[Happening] = []
    for happening in visible(judged, within_ms):
        waiting.append(happening)
        if types is None or happening.type in types:
            run.fold(waiting)
            waiting = []
            peak = max(peak, run.score(happening.at_ms))
    return peak


def told_at(model: Model, judged: Judged, within_ms: int) -> int | None:
    """Return when sales is first told of a contact while nothing is certain; None if never."""
    run = _Run(model)
    run.fold(visible(judged, within_ms))
    return run.told_ms()


def visible(judged: Judged, within_ms: int) -> list[Happening]:
    """Return the events of a contact that may be looked at: until its time to answer in is over, or something is certain."""
    last_ms = judged.timeline.first_ms + within_ms
    return [one for one in judged.timeline.until(last_ms) if judged.sees(one.at_ms)]


def _types_of(model: Model) -> frozenset[str] | None:
    """Return the event types that rules of *model* name; None when some rule may match any type."""
    types: set[str] = set()
    for rule in model.rules:
        if rule.when.types is None:
            return None
        types.update(rule.when.types)
    return frozenset(types)
