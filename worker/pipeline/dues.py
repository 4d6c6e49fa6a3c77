"""Time passing by itself, for one contact and model: due instants found, and handled in order."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from worker.scoring.contact import UNKNOWN_MS
from worker.scoring.due import HORIZON_MS, is_safe, next_due, safe_until
from worker.scoring.inactivity import advance
from worker.scoring.model import NEVER_MS
from worker.scoring.qualification import evaluate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from worker.scoring.contact import ModelState
    from worker.scoring.model import Model, Reading
    from worker.scoring.qualification import Kind
    from worker.scoring.state import Fold

_SECOND_MS = 1_000


class Handled(NamedTuple):
    """A due instant that was handled, and what it tells, if anything."""

    at_ms: int
    fold: Fold  # as of at_ms, until the next one is asked for
    told: tuple[Kind, Reading] | None


def due_of(model: Model, state: ModelState) -> int | None:
    """Return the next due instant of *state*, computed anew when it is not known."""
    if state.due_ms == UNKNOWN_MS:
        head = state.history.head(model)
        after_ms = head.at_ms if state.evaluated_ms is None else state.evaluated_ms
        _note_due(model, state, head, after_ms)
    return state.due_ms


def _note_due(model: Model, state: ModelState, fold: Fold, after_ms: int) -> None:
    """Find the next due instant after *after_ms*, and a floor that holds even if points are added before."""
    is_ready = state.latch.is_ready
    due_ms = state.due_ms = next_due(model, fold, is_ready=is_ready, after_ms=after_ms)
    floor_ms = NEVER_MS if due_ms is None else due_ms
    if is_ready:
        floor_ms = min(floor_ms, fold.next_step_ms, HORIZON_MS)
        judged_ms = floor_ms - (1 if floor_ms == fold.next_step_ms else _SECOND_MS)
        if fold.next_step_ms <= after_ms or not is_safe(model, fold, after_ms, judged_ms):
            floor_ms = UNKNOWN_MS
    state.floor_ms = floor_ms


def note_event(state: ModelState, head: Fold, at_ms: int, *, only_raises: bool, was_ready: bool) -> None:
    """
    Note that *state* was evaluated at *at_ms* after an event: its due instant is to be found anew, its floor may still hold.

    An open lead is due at a step at the soonest. A ready one that only gained points cools no sooner than before.
    """
    state.evaluated_ms = at_ms
    state.due_ms = UNKNOWN_MS
    next_step_ms = head.next_step_ms if head.next_step_ms > at_ms else UNKNOWN_MS
    if not state.latch.is_ready:
        state.floor_ms = next_step_ms
    elif only_raises and was_ready:
        state.floor_ms = min(state.floor_ms, next_step_ms)
    else:
        state.floor_ms = UNKNOWN_MS


def handle_due(model: Model, state: ModelState, until_ms: int) -> Iterator[Handled]:
    """
    Handle every due instant of *state* up to and at *until_ms*, in order, and yield each.

    The latch moves here; whoever consumes this tells what was told before asking for the next.
    """
    if until_ms < state.floor_ms or not _may_be_due(model, state, until_ms):
        return
    fold: Fold | None = None
    while (at_ms := due_of(model, state) if fold is None else state.due_ms) is not None and at_ms <= until_ms:
        if fold is None:
            fold = state.history.head(model).copy()
        advance(model, fold, at_ms)
        told = evaluate(model, fold, state.latch, at_ms, inviting=False)
        state.evaluated_ms = at_ms
        state.due_ms = state.floor_ms = UNKNOWN_MS
        yield Handled(at_ms, fold, told)
        _note_due(model, state, fold, at_ms)


def _may_be_due(model: Model, state: ModelState, until_ms: int) -> bool:
    """Whether to look closer: the memo, where there is one, else the floor, raised by one cheap look."""
    if state.due_ms != UNKNOWN_MS:
        return state.due_ms is not None and state.due_ms <= until_ms
    if not state.history.journal or state.evaluated_ms is None:
        return False
    if state.latch.is_ready:
        head = state.history.head_at(model, state.evaluated_ms)
        state.floor_ms = safe_until(model, head, state.evaluated_ms)
    return until_ms >= state.floor_ms
