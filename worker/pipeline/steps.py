"""One event, or one due instant, of one contact under one model: due instants first, then fold, latch, evaluation."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from worker.contracts.transition import EventSource
from worker.pipeline.dues import handle_due, note_event
from worker.pipeline.told import tell
from worker.scoring.contact import ModelState
from worker.scoring.history import Accepted, pack_id
from worker.scoring.qualification import TIMER, Status, evaluate, heed, invite, is_inviting
from worker.scoring.reading import positive_sum, read

if TYPE_CHECKING:
    from worker.pipeline.effects import Effects
    from worker.pipeline.intake import Matched
    from worker.scoring.contact import Contact
    from worker.scoring.matching import Trace
    from worker.scoring.model import Model, Reading
    from worker.scoring.qualification import Kind


_SECOND_MS = 1_000


class Steps:
    """What happens to a contact under *model*, the one at *index*."""

    __slots__ = ("_effects", "_index", "_partition", "_source", "model")

    def __init__(self, model: Model, index: int, source: str, partition: int, effects: Effects) -> None:
        self.model = model
        self._index = index
        self._source = source
        self._partition = partition
        self._effects = effects

    def take(self, contact: Contact, found: Matched, trace: Trace, time_ms: int | None) -> bool:
        """
        Fold one event, after what was due before it; False for a duplicate, which changes nothing.

        Args:
            contact: Changed in place.
            found: The event.
            trace: What the model keeps of it.
            time_ms: Partition time: due instants up to it come first. None while none is known.
        """
        model, effects = self.model, self._effects
        state = contact.models[self._index]
        if state is None:
            state = contact.models[self._index] = ModelState()
        history = state.history
        event_id = pack_id(found.event.id)
        if history.has(event_id):
            effects.count("duplicate", 1, model.name)
            return False
        at_ms = found.at_ms
        in_order = history.is_in_order(at_ms, event_id)
        if in_order:
            time_ms = at_ms if time_ms is None else max(time_ms, at_ms)
        if time_ms is not None and time_ms >= state.floor_ms:
            self.pass_time(found.key, state, time_ms)
        accepted = history.accept(model, at_ms, event_id, trace, in_order=in_order)
        effects.count("effective", 1, model.name)
        self._count_oddities(state, at_ms, accepted)
        self._evaluate(state, found, trace, accepted)
        return True

    def pass_time(self, key: bytes, state: ModelState, until_ms: int) -> bool:
        """Handle every due instant up to and at *until_ms*; whether there was any."""
        was_due = False
        for handled in handle_due(self.model, state, until_ms):
            was_due = True
            self._effects.count("fired", 1, self.model.name)
            if handled.told is not None:
                told = tell(
                    self.model,
                    key.decode(),
                    handled.fold,
                    state.latch,
                    handled.told,
                    handled.at_ms,
                    cause=TIMER,
                    source=None,
                )
                self._effects.publish(key, told)
        return was_due

    def _count_oddities(self, state: ModelState, at_ms: int, accepted: Accepted) -> None:
        if accepted.is_late:
            self._effects.count("late", 1, self.model.name)
        if accepted.overflowed:
            self._effects.count("overflowed", accepted.overflowed, self.model.name)
        head = state.history.head(self.model)
        if head.dropped_keys:
            if accepted.in_order:
                self._effects.count("once_keys_dropped", head.dropped_keys, self.model.name)
            head.dropped_keys = 0
        cooled_ms = state.latch.timer_cooled_ms
        if cooled_ms is not None and at_ms < cooled_ms:
            self._effects.count("behind_timer", 1, self.model.name)

    def _is_quiet(
        self, state: ModelState, at_ms: int, trace: Trace, *, in_order: bool, inviting: bool, only_raises: bool
    ) -> bool:
        """
        Whether an evaluation would tell nothing, by bounds that cost next to nothing; never wrongly True.

        An open lead whose points above 0 are too few cannot be ready; a ready one that only gained points cools no sooner than
        was found before.
        """
        state.ceiling = state.ceiling + trace.gain if in_order else inf
        status = state.latch.status
        if status is Status.OPEN:
            return not inviting or state.ceiling < self.model.safe_ceiling
        return status is Status.READY and only_raises and state.floor_ms > at_ms + _SECOND_MS

    def _evaluate(self, state: ModelState, found: Matched, trace: Trace, accepted: Accepted) -> None:
        """Move the latch by an event that was folded, and tell sales what follows."""
        model, latch, event = self.model, state.latch, found.event
        newest_ms = state.history.newest_ms or 0
        at_ms = newest_ms if latch.told_ms is None else max(newest_ms, latch.told_ms)
        fold = state.history.head_at(model, at_ms)
        inviting = is_inviting(event.type, gained=accepted.gained)
        was_ready = latch.is_ready
        results: list[tuple[Kind, Reading]] = []
        if inviting:
            invite(latch)
        if trace.feedback >= 0 and heed(
            model, latch, model.feedback_by_index[trace.feedback], event.properties.get("sequence")
        ):
            results.append(("lead.cooled", read(model, fold, at_ms)))
        only_raises = accepted.in_order and not trace.lowers and at_ms == newest_ms
        if not self._is_quiet(
            state, at_ms, trace, in_order=accepted.in_order, inviting=inviting, only_raises=only_raises
        ):
            result = evaluate(model, fold, latch, at_ms, inviting=inviting)
            if result is not None:
                results.append(result)
            state.ceiling = positive_sum(model, fold, at_ms)
        for news in results:
            source = EventSource(id=event.id, topic=self._source, partition=self._partition, offset=found.record.offset)
            told = tell(model, event.contact_id, fold, latch, news, at_ms, cause=event.type, source=source)
            self._effects.publish(found.key, told)
        note_event(state, state.history.head(model), at_ms, only_raises=only_raises, was_ready=was_ready)
