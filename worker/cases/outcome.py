"""A story told to the real pipeline: events of one contact in, what it came to at an instant out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from worker.pipeline import Partition, PipelineOptions, Topics
from worker.pipeline.told import status_name
from worker.scoring.explain import explain
from worker.scoring.latch import Latch
from worker.scoring.qualification import is_held
from worker.scoring.state import Fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from worker.scoring.contact import ModelState
    from worker.scoring.explain import Explanation
    from worker.scoring.model import Model

_TOPICS = Topics(source="case", qualifications="told", scores="", dlq="refused")


class Telling(NamedTuple):
    """One event in the shape of a record."""

    offset: int
    value: bytes
    timestamp: int = 0
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes]] = ()


@dataclass
class Outcome:
    """What a story came to as of *at_ms*."""

    at_ms: int
    fold: Fold  # advanced to at_ms
    latch: Latch
    status: str  # as sales knows it; `held` where only required attributes are missing
    explanation: Explanation
    transitions: list[dict[str, Any]] = field(default_factory=list)  # in the order told

    @property
    def score(self) -> float:
        """The score before it is rounded for show."""
        return self.explanation.reading.score


def outcome_of(
    model: Model, payloads: Iterable[bytes], contact_id: str, until_ms: int, *, tiers: bool = False
) -> Outcome:
    """
    Return what *payloads* come to for one contact: the events as JSON, in the order of arrival, none later than *until_ms*.

    Args:
        model: The model that scores.
        payloads: Events; those of other contacts only move time.
        contact_id: The contact.
        until_ms: Instant to read at; what is due up to it is handled.
        tiers: Whether changes of tier are told.
    """
    options = PipelineOptions(time="stream", clamp=False, publish_tiers=tiers)
    partition = Partition(topics=_TOPICS, partition=0, partitions=1, models=[model], options=options, row=None)
    partition.fold([Telling(place, payload) for place, payload in enumerate(payloads)], _nothing_stored)
    partition.finish(until_ms)
    state = next((one.models[0] for key, one in partition.contacts() if key == contact_id.encode()), None)
    fold, latch = _as_of(model, state, until_ms)
    outputs, _ = partition.take_told()
    told = [orjson.loads(one.value) for one in outputs if one.topic == _TOPICS.qualifications and one.value is not None]
    status = "held" if is_held(model, fold, latch, until_ms) else status_name(latch)
    return Outcome(
        until_ms,
        fold,
        latch,
        status,
        explain(model, fold, until_ms),
        [one for one in told if one["contact_id"] == contact_id],
    )


def _as_of(model: Model, state: ModelState | None, until_ms: int) -> tuple[Fold, Latch]:
    """Return fold and latch of *state*; new ones when nothing was ever accepted."""
    if state is None:
        fold = Fold()
        fold.at_ms = until_ms
        return fold, Latch()
    found = state.history.fold_as_of(model, until_ms)
    return (Fold() if found is None else found), state.latch


def _nothing_stored(keys: Sequence[bytes]) -> list[bytes | None]:
    return [None] * len(keys)
