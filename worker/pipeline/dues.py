"""Time passing by itself, for one contact and model: due instants found, and handled in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from worker.scoring.contact import UNKNOWN_MS
from worker.scoring.due import HORIZON_MS, Watch, is_safe, next_due, safe_until
from worker.scoring.inactivity import advance
from worker.scoring.model import NEVER_MS
from worker.scoring.qualification import change_tier, evaluate
from worker.scoring.reading import highest, lowest
from worker.scoring.state import Fold

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.scoring.contact import ModelState
    from worker.scoring.model import Model, Reading
    from worker.scoring.qualification import Kind

_SECOND_MS = 1_000


class Handled(NamedTuple):
    """A due instant that was handled."""

    at_ms: int
    fold: Fold  # as of at_ms, until the next one is asked for


class Clockwork:
    """
    What time does under one model.

    Args:
        model: The model.
        publish_tiers: Whether a change of the tier by time alone is told.
    """

    __slots__ = ("_model", "_publish_tiers")

    def __init__(self, model: Model, *, publish_tiers: bool) -> None:
        self._model = model
        self._publish_tiers = publish_tiers and bool(model.tiers)

    def due_of(self, state: ModelState) -> int | None:
        """Return the next due instant of *state*, computed anew when it is not known; none before the first evaluation."""
        if state.due_ms == UNKNOWN_MS:
            if state.evaluated_ms is None:
                return None
            self._note_due(state, state.history.head(self._model), state.evaluated_ms)
        return state.due_ms

    def _note_due(self, state: ModelState, fold: Fold, after_ms: int) -> None:
        """Find the next due instant after *after_ms*, and a floor that holds even if points are added before."""
        model = self._model
        is_ready = state.latch.is_ready
        tier = state.latch.tier if self._publish_tiers else None
        due_ms = state.due_ms = next_due(model, fold, is_ready=is_ready, after_ms=after_ms, tier=tier)
        floor_ms = NEVER_MS if due_ms is None else due_ms
        if is_ready:
            floor_ms = min(floor_ms, fold.next_step_ms, HORIZON_MS)
            judged_ms = floor_ms - (1 if floor_ms == fold.next_step_ms else _SECOND_MS)
            if fold.next_step_ms <= after_ms or not is_safe(model, fold, after_ms, judged_ms):
                floor_ms = UNKNOWN_MS
        state.floor_ms = floor_ms

    def note_event(self, state: ModelState, head: Fold, at_ms: int, *, only_raises: bool, was_ready: bool) -> None:
        """
        Note that *state* was evaluated at *at_ms* after an event: its due instant is to be found anew, its floor may still hold.

        An open lead is due at a step at the soonest. A ready one that only gained points cools no sooner than before.
        """
        state.evaluated_ms = at_ms
        state.due_ms = UNKNOWN_MS
        next_step_ms = head.next_step_ms if head.next_step_ms > at_ms else UNKNOWN_MS
        if self._publish_tiers:
            state.floor_ms = UNKNOWN_MS  # more points may reach a tier that time then takes away sooner
        elif not state.latch.is_ready:
            state.floor_ms = next_step_ms
        elif only_raises and was_ready:
            state.floor_ms = min(state.floor_ms, next_step_ms)
        else:
            state.floor_ms = UNKNOWN_MS

    def handle_due(self, state: ModelState, until_ms: int) -> Iterator[Handled]:
        """Yield every due instant of *state* up to and at *until_ms*, in order; whoever asks for the next has evaluated this one."""
        if until_ms < state.floor_ms or not self._may_be_due(state, until_ms):
            return
        fold: Fold | None = None
        while (at_ms := self.due_of(state) if fold is None else state.due_ms) is not None and at_ms <= until_ms:
            if fold is None:
                fold = state.history.head(self._model).copy()
            advance(self._model, fold, at_ms)
            state.evaluated_ms = at_ms
            state.due_ms = state.floor_ms = UNKNOWN_MS
            yield Handled(at_ms, fold)
            self._note_due(state, fold, at_ms)

    def evaluate_due(self, state: ModelState, handled: Handled) -> Iterator[tuple[Kind, Reading]]:
        """Yield what a due instant tells; the latch moves here, so each is to be told before the next is asked for."""
        told = evaluate(self._model, handled.fold, state.latch, handled.at_ms, may_qualify=False)
        if told is not None:
            yield told
        if self._publish_tiers and (told := change_tier(self._model, handled.fold, state.latch, handled.at_ms)):
            yield told

    def tier_news(self, state: ModelState, fold: Fold, at_ms: int) -> tuple[Kind, Reading] | None:
        """Return what an evaluation at an event tells of the tier, if tiers are told."""
        return change_tier(self._model, fold, state.latch, at_ms) if self._publish_tiers else None

    def _may_be_due(self, state: ModelState, until_ms: int) -> bool:
        """Whether to look closer: the memo, where there is one, else the floor, raised by one cheap look."""
        if state.due_ms != UNKNOWN_MS:
            return state.due_ms is not None and state.due_ms <= until_ms
        if not state.history.instants or state.evaluated_ms is None:
            return False
        if self._publish_tiers:
            state.floor_ms = self._tells_nothing_until(state, state.evaluated_ms, until_ms)
        elif state.latch.is_ready:
            head = state.history.head_at(self._model, state.evaluated_ms)
            state.floor_ms = safe_until(self._model, head, state.evaluated_ms)
        return until_ms >= state.floor_ms

    def _tells_nothing_until(self, state: ModelState, after_ms: int, until_ms: int) -> int:
        """Return an instant before which nothing is due where tiers are told: after *until_ms* if one look at all of it is enough."""
        if until_ms <= after_ms:
            return until_ms + 1
        model, latch = self._model, state.latch
        head = state.history.head_at(model, after_ms)
        if head.next_step_ms <= until_ms:
            return UNKNOWN_MS
        watch = Watch(latch.is_ready, latch.tier, head.is_scored)
        low, high = lowest(model, head, after_ms, until_ms), highest(model, head, after_ms, until_ms)
        return until_ms + 1 if watch.changes(model, low, high) is False else UNKNOWN_MS


def handle_due(model: Model, state: ModelState, until_ms: int) -> Iterator[Handled]:
    """Handle every due instant of *state* up to and at *until_ms* and yield each, telling nobody: the latch moves."""
    clockwork = Clockwork(model, publish_tiers=False)
    for handled in clockwork.handle_due(state, until_ms):
        for _ in clockwork.evaluate_due(state, handled):
            pass
        yield handled
