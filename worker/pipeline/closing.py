"""The end of a round: every changed contact is written once, last of all the partition's own row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.contracts.score import ScoreRow, encode_scores
from worker.pipeline.dues import due_of
from worker.pipeline.round import DueChange, Output
from worker.pipeline.told import score_row
from worker.scoring.codec import encode_contact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.pipeline.round import Round
    from worker.scoring.contact import Contact
    from worker.scoring.model import Model


class Closing:
    """Writes contacts into a round: value, place in the due index, score row."""

    __slots__ = ("_is_stream", "_models", "_partition", "_scores")

    def __init__(self, models: Sequence[Model], scores: str, partition: int, *, is_stream: bool) -> None:
        self._models = models
        self._scores = scores
        self._partition = partition
        self._is_stream = is_stream

    def write(self, key: bytes, contact: Contact, closed: Round) -> None:
        """Add *contact* to *closed*."""
        contact.is_dirty = False
        fire_ms = self._fire_ms(contact)
        if self._scores:
            self._add_score(key, contact, closed)
        if fire_ms != contact.stored_fire_ms:
            closed.due.append(DueChange(key, contact.stored_fire_ms, fire_ms))
            contact.stored_fire_ms = fire_ms
        closed.puts[key] = encode_contact(contact, self._models, fire_ms)

    def _fire_ms(self, contact: Contact) -> int | None:
        """Return when to wake *contact*: its soonest due instant, by stream time once the partition is that far past it."""
        soonest_ms: int | None = None
        for model, state in zip(self._models, contact.models, strict=True):
            if state is None:
                continue
            due_ms = due_of(model, state)
            if due_ms is not None:
                wake_ms = due_ms + model.lateness_ms if self._is_stream else due_ms
                soonest_ms = wake_ms if soonest_ms is None else min(soonest_ms, wake_ms)
        return soonest_ms

    def _add_score(self, key: bytes, contact: Contact, closed: Round) -> None:
        """Publish the contact's scores if anything but their instant has changed since they were last published."""
        rows: dict[str, ScoreRow] = {}
        is_news = False
        for model, state in zip(self._models, contact.models, strict=True):
            if state is not None and state.evaluated_ms is not None:
                rows[model.name], row_hash = score_row(model, state, state.evaluated_ms)
                is_news = is_news or row_hash != state.row_hash
                state.row_hash = row_hash
        if is_news:
            closed.outputs.append(Output(self._scores, self._partition, key, encode_scores(rows), ()))
