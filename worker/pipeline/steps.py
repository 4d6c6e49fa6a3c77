"""One event, or one due instant, of one contact under one model: due instants first, then fold, latch, evaluation."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from worker.contracts.event_rules import ADJUSTMENT_TYPE, UPDATE_TYPE
from worker.contracts.transition import EventSource
from worker.pipeline.dues import Clockwork
from worker.pipeline.told import tell, tell_erased
from worker.scoring.contact import UNKNOWN_MS, ModelState
from worker.scoring.history import Accepted, pack_id
from worker.scoring.latch import Latch, Status
from worker.scoring.qualification import TIMER, evaluate, heed, invite, is_inviting
from worker.scoring.reading import positive_sum, read

if TYPE_CHECKING:
    from worker.contracts.transition import Transition
    from worker.pipeline.effects import Effects
    from worker.pipeline.inputs import PipelineOptions
    from worker.pipeline.intake import Matched
    from worker.scoring.contact import Contact
    from worker.scoring.matching import Trace
    from worker.scoring.model import Model, Reading
    from worker.scoring.qualification import Kind
    from worker.scoring.state import Fold

_SECOND_MS = 1_000
_HALF_HEEDED = frozenset({ADJUSTMENT_TYPE, UPDATE_TYPE})
MODEL_CHANGED = "model.changed"
"""The cause of what a new version of a model changed."""


class Steps:
    """What happens to a contact under *model*, the one at *index*."""

    __slots__ = (
        "_effects",
        "_index",
        "_options",
        "_partition",
        "_publishes_tiers",
        "_safe_ceiling",
        "_source",
        "clockwork",
        "model",
    )

    def __init__(
        self, model: Model, index: int, source: str, partition: int, effects: Effects, options: PipelineOptions
    ) -> None:
        self.model = model
        self.clockwork = Clockwork(model, publish_tiers=options.publish_tiers)
        self._index = index
        self._source = source
        self._partition = partition
        self._effects = effects
        self._options = options
        # Asked for at almost every event.
        self._publishes_tiers = options.publish_tiers
        self._safe_ceiling = model.safe_ceiling

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
            state.latch.epoch = contact.erased_ms or 0
        history = state.history
        event_id = pack_id(found.event.id)
        if (event_id in history.ids or history.late_ids) and history.has(model, event_id):
            effects.count("duplicate", 1, model.name)
            return False
        at_ms = found.at_ms
        instants = history.instants
        in_order = not instants or at_ms > instants[-1] or history.is_in_order(at_ms, event_id)
        if in_order:
            time_ms = at_ms if time_ms is None else max(time_ms, at_ms)
        if time_ms is not None and time_ms >= state.floor_ms:
            self.pass_time(found.key, state, time_ms)
        accepted = history.accept(model, at_ms, event_id, trace, in_order=in_order)
        effects.effective[self._index] += 1
        is_usual = accepted.in_order and not accepted.overflowed and state.latch.timer_cooled_ms is None
        if not is_usual or history.head(model).dropped_keys:
            self._count_oddities(state, at_ms, accepted)
        if found.event.type in _HALF_HEEDED:
            self._count_unheeded(found.event.type, trace)
        elif in_order and trace.only_awards and self._stays_quiet(state, at_ms, trace, gained=accepted.gained):
            return True
        self._evaluate(state, found, trace, accepted)
        return True

    def _stays_quiet(self, state: ModelState, at_ms: int, trace: Trace, *, gained: bool) -> bool:
        """
        Whether an event in order that did no more than give awards surely tells nothing; then it is evaluated by this.

        It is what happens after most events, and costs a tenth of an evaluation. An open lead whose points above 0 are too few cannot
        be ready; a ready one that only gained points cools no sooner than was found before; a closed one stays closed.
        """
        latch = state.latch
        if self._publishes_tiers or (latch.told_ms is not None and latch.told_ms > at_ms):
            return False
        status = latch.status
        floor_ms = state.history.head(self.model).next_step_ms  # after at_ms: the head was advanced to it
        ceiling = inf
        if status is Status.OPEN:
            ceiling = state.ceiling + trace.gain
            if gained and not ceiling < self._safe_ceiling:
                return False
        elif status is Status.READY:
            if trace.lowers or state.floor_ms <= at_ms + _SECOND_MS:
                return False
            floor_ms = min(floor_ms, state.floor_ms)
        elif status is not Status.CLOSED:
            return False
        state.ceiling = ceiling
        state.evaluated_ms = at_ms
        state.due_ms = UNKNOWN_MS
        state.floor_ms = floor_ms
        return True

    def pass_time(self, key: bytes, state: ModelState, until_ms: int) -> bool:
        """Handle every due instant up to and at *until_ms*; whether there was any."""
        was_due = False
        for handled in self.clockwork.handle_due(state, until_ms):
            was_due = True
            self._effects.count("fired", 1, self.model.name)
            for news in self.clockwork.evaluate_due(state, handled):
                told = tell(
                    self.model, key.decode(), handled.fold, state.latch, news, handled.at_ms, cause=TIMER, source=None
                )
                self._publish(key, state.latch, told, handled.at_ms)
        return was_due

    def erase(self, contact: Contact, found: Matched, time_ms: int | None) -> None:
        """Forget what is not newer than an erasure, after what was due before it. A ready lead has cooled by it."""
        at_ms = found.at_ms
        self._effects.count("effective", 1, self.model.name)
        state = contact.models[self._index]
        if state is None:
            return
        history, latch = state.history, state.latch
        if history.is_in_order(at_ms, pack_id(found.event.id)):
            time_ms = at_ms if time_ms is None else max(time_ms, at_ms)
        if time_ms is not None:
            self.pass_time(found.key, state, time_ms)
        self._count_behind_timer(latch, at_ms)
        if latch.is_ready:
            cooled_ms = max(at_ms, history.newest_ms or at_ms, latch.told_ms or at_ms)
            self._publish(
                found.key, latch, tell_erased(self.model, found.event.contact_id, latch, cooled_ms), cooled_ms
            )
        history.erase(self.model, at_ms)
        if history.instants:
            left = contact.models[self._index] = ModelState()
            left.history = history
            left.latch = Latch(epoch=at_ms)
        else:
            contact.models[self._index] = None

    def change_model(self, key: bytes, state: ModelState, time_ms: int | None) -> None:
        """
        Evaluate *state* for the first time under a new version, as of the partition's time *time_ms*.

        Sales hears of it only where the deployment asks for that.
        """
        latch = state.latch
        if state.evaluated_ms is None:
            return
        at_ms = max(state.evaluated_ms, state.history.newest_ms or 0, latch.told_ms or 0, time_ms or 0)
        fold = state.history.head_at(self.model, at_ms)
        news = evaluate(self.model, fold, latch, at_ms, may_qualify=True)
        state.evaluated_ms = at_ms
        for one in (news, self.clockwork.tier_news(state, fold, at_ms)):
            if one is None:
                continue
            told = tell(self.model, key.decode(), fold, latch, one, at_ms, cause=MODEL_CHANGED, source=None)
            self._publish(key, latch, told, at_ms, is_silent=not self._options.publish_model_changes)
        latch.timer_cooled_ms = None if news is not None else latch.timer_cooled_ms

    def _publish(self, key: bytes, latch: Latch, told: Transition, at_ms: int, *, is_silent: bool = False) -> None:
        """Tell sales, or keep it back: what is older than the deployment wants, and what ends a lead that was kept back."""
        since_ms = self._options.emit_since_ms
        if told.kind == "lead.cooled":
            is_kept_back = is_silent or latch.is_kept_back
        else:
            is_kept_back = is_silent or (since_ms is not None and at_ms < since_ms)
            if told.kind == "lead.sales_ready":
                latch.is_kept_back = is_kept_back
        if is_kept_back:
            self._effects.count("kept_back", 1, self.model.name)
        else:
            self._effects.publish(key, told)

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
        self._count_behind_timer(state.latch, at_ms)

    def _count_behind_timer(self, latch: Latch, at_ms: int) -> None:
        if latch.timer_cooled_ms is not None and at_ms < latch.timer_cooled_ms:
            self._effects.count("behind_timer", 1, self.model.name)

    def _count_unheeded(self, event_type: str, trace: Trace) -> None:
        """Count what a reserved event asked for and did not get: points to nowhere, values too long to keep."""
        if event_type == ADJUSTMENT_TYPE and trace.given is None:
            self._effects.count("adjustments_ignored", 1, self.model.name)
        if trace.update is not None and trace.update.dropped:
            self._effects.count("attributes_dropped", trace.update.dropped, self.model.name)

    def _is_quiet(
        self, state: ModelState, at_ms: int, trace: Trace, *, in_order: bool, may_qualify: bool, only_raises: bool
    ) -> bool:
        """
        Whether an evaluation would tell nothing, by bounds that cost next to nothing; never wrongly True.

        An open lead whose points above 0 are too few cannot be ready; a ready one that only gained points cools no sooner than
        was found before.
        """
        status = state.latch.status
        state.ceiling = state.ceiling + trace.gain if in_order and status is Status.OPEN else inf
        if status is Status.OPEN:
            return not may_qualify or state.ceiling < self._safe_ceiling
        return status is Status.READY and only_raises and state.floor_ms > at_ms + _SECOND_MS

    def _evaluate(self, state: ModelState, found: Matched, trace: Trace, accepted: Accepted) -> None:
        """Move the latch by an event that was folded, and tell sales what follows."""
        model, latch, event = self.model, state.latch, found.event
        newest_ms = state.history.newest_ms or 0
        at_ms = newest_ms if latch.told_ms is None else max(newest_ms, latch.told_ms)
        fold = state.history.head_at(model, at_ms)
        inviting = is_inviting(event.type, gained=accepted.gained)
        was_ready = latch.is_ready
        if inviting:
            invite(latch)
        if trace.feedback >= 0 and heed(
            model, latch, model.feedback_by_index[trace.feedback], event.properties.get("sequence")
        ):
            self._tell(found, fold, latch, ("lead.cooled", read(model, fold, at_ms)), at_ms)
        only_raises = accepted.in_order and not trace.lowers and at_ms == newest_ms
        may_qualify = inviting or event.type == UPDATE_TYPE
        if not self._is_quiet(
            state, at_ms, trace, in_order=accepted.in_order, may_qualify=may_qualify, only_raises=only_raises
        ):
            news = evaluate(model, fold, latch, at_ms, may_qualify=may_qualify)
            if news is not None:
                self._tell(found, fold, latch, news, at_ms)
            if latch.status is Status.OPEN:
                state.ceiling = positive_sum(model, fold, at_ms)
        if (news := self.clockwork.tier_news(state, fold, at_ms)) is not None:
            self._tell(found, fold, latch, news, at_ms)
        self.clockwork.note_event(state, state.history.head(model), at_ms, only_raises=only_raises, was_ready=was_ready)

    def _tell(self, found: Matched, fold: Fold, latch: Latch, news: tuple[Kind, Reading], at_ms: int) -> None:
        event = found.event
        source = EventSource(id=event.id, topic=self._source, partition=self._partition, offset=found.record.offset)
        told = tell(self.model, event.contact_id, fold, latch, news, at_ms, cause=event.type, source=source)
        self._publish(found.key, latch, told, at_ms)
