"""The end of a round: every changed contact is written once, last of all the partition's own row."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.contracts.score import ScoreRow, encode_scores
from worker.pipeline.graves import encode_grave, grave_key
from worker.pipeline.round import DueChange, Output
from worker.pipeline.told import score_row
from worker.scoring.codec import encode_contact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.pipeline.inputs import PipelineOptions
    from worker.pipeline.round import Round
    from worker.pipeline.steps import Steps
    from worker.scoring.contact import Contact
    from worker.scoring.model import Model


class Closing:
    """Writes contacts into a round: value, place in the due index, score row."""

    __slots__ = ("_erasure_key", "_is_stream", "_merges_by_fence", "_models", "_partition", "_scores", "_steps")

    def __init__(self, steps: Sequence[Steps], scores: str, partition: int, options: PipelineOptions) -> None:
        self._steps = steps
        self._models: tuple[Model, ...] = tuple(one.model for one in steps)
        self._scores = scores
        self._partition = partition
        self._is_stream = options.time == "stream"
        self._merges_by_fence = options.merges_by_fence
        self._erasure_key = options.erasure_key

    def write(self, key: bytes, contact: Contact, closed: Round) -> None:
        """Add *contact* to *closed*."""
        contact.is_dirty = False
        fire_ms = self._fire_ms(contact)
        if self._scores and not self._add_score(key, contact, closed) and contact.is_buried:
            closed.outputs.append(Output(self._scores, self._partition, key, None, ()))
        if fire_ms != contact.stored_fire_ms:
            closed.due.append(DueChange(key, contact.stored_fire_ms, fire_ms))
            contact.stored_fire_ms = fire_ms
        if not contact.is_empty:
            closed.puts[key] = encode_contact(contact, self._models, fire_ms)
        elif not contact.is_buried:
            self._forget(key, contact, closed)
        if contact.is_buried:  # after the contact's own value: of what is left of it, that one must not be the older
            self._bury(key, contact, closed)

    def _forget(self, key: bytes, contact: Contact, closed: Round) -> None:
        """
        Let go of a contact that only models knew which were dropped; its last score was theirs too.

        After an erasure an empty value takes its place, since a tombstone counts for no newer than the contact's gravestone;
        also where a worker that was cut off may still write: its tombstone, which has no age, would take away what has come since.
        """
        if contact.erased_ms is None and not self._merges_by_fence:
            closed.deletes.append(key)
        else:
            closed.puts[key] = encode_contact(contact, self._models, None)
        if self._scores:
            closed.outputs.append(Output(self._scores, self._partition, key, None, ()))

    def _bury(self, key: bytes, contact: Contact, closed: Round) -> None:
        """Write the gravestone of an erased contact; where nothing newer is known of it, everything else of it goes."""
        contact.is_buried = False
        closed.puts[grave_key(key, self._erasure_key)] = encode_grave(contact.erased_ms or 0, contact.fence)
        if contact.is_empty:
            closed.deletes.append(key)

    def _fire_ms(self, contact: Contact) -> int | None:
        """Return when to wake *contact*: its soonest due instant, by stream time once the partition is that far past it."""
        soonest_ms: int | None = None
        for steps, state in zip(self._steps, contact.models, strict=True):
            if state is None:
                continue
            due_ms = steps.clockwork.due_of(state)
            if due_ms is not None:
                wake_ms = due_ms + steps.model.lateness_ms if self._is_stream else due_ms
                soonest_ms = wake_ms if soonest_ms is None else min(soonest_ms, wake_ms)
        return soonest_ms

    def _add_score(self, key: bytes, contact: Contact, closed: Round) -> bool:
        """Publish the contact's scores if anything but their instant has changed since they were last published; whether it has."""
        rows: dict[str, ScoreRow] = {}
        is_news = False
        for model, state in zip(self._models, contact.models, strict=True):
            if state is not None and state.evaluated_ms is not None:
                rows[model.name], row_hash = score_row(model, state, state.evaluated_ms)
                is_news = is_news or row_hash != state.row_hash
                state.row_hash = row_hash
        if is_news:
            closed.outputs.append(Output(self._scores, self._partition, key, encode_scores(rows), ()))
        return is_news
