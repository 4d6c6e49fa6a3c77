"""What sales is told: the latch, moved by feedback, good signs and evaluations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from worker.scoring.conditions import attribute_at
from worker.scoring.due import cools
from worker.scoring.latch import Status
from worker.scoring.reading import read

if TYPE_CHECKING:
    from worker.scoring.latch import Latch
    from worker.scoring.model import Feedback, Model, Qualify, Reading
    from worker.scoring.state import Fold

Kind = Literal["lead.sales_ready", "lead.cooled", "lead.tier_changed"]
_EMPTY: tuple[Any, ...] = (None, "", [], {})
TIMER = "timer"
"""The cause of what time did by itself."""


def is_inviting(event_type: str, *, gained: bool) -> bool:
    """Whether an event is a good sign: points of 0 or more by anyone but sales."""
    return gained and not event_type.startswith("sales.")


def invite(latch: Latch) -> None:
    """Let a good sign wake a resting lead."""
    if latch.status is Status.RESTING:
        latch.status = Status.OPEN


def heed(model: Model, latch: Latch, feedback: Feedback, sequence: object) -> bool:
    """
    Move the latch as *feedback* says; return whether the lead cooled by it.

    Feedback on an older round of the lead (*sequence*, an integer below the current one) leaves the latch alone.
    """
    if isinstance(sequence, int) and not isinstance(sequence, bool) and sequence < latch.sequence:
        return False
    if feedback.latch is None or latch.status is Status.CLOSED:
        return False
    if feedback.latch == "closed":
        latch.status = Status.CLOSED
        return False
    recycles = model.qualify is not None and model.qualify.again == "recycle"
    is_recycled = feedback.type == "sales.recycled"
    if latch.status is Status.READY:
        latch.status = Status.WAITING if recycles and not is_recycled else Status.RESTING
        return True
    if latch.status is Status.WAITING and is_recycled:
        latch.status = Status.RESTING
    return False


def evaluate(model: Model, fold: Fold, latch: Latch, at_ms: int, *, may_qualify: bool) -> tuple[Kind, Reading] | None:
    """
    Decide at *at_ms* whether sales must be told that a lead is ready or has cooled, and move the latch if so.

    Only a good sign or new data (*may_qualify*) makes a lead ready, never time alone and never a penalty that has faded.
    """
    qualify = model.qualify
    if qualify is None:
        return None
    if latch.status is Status.OPEN:
        if not may_qualify or not fold.is_scored or _is_too_soon(qualify, latch, at_ms):
            return None
        reading = read(model, fold, at_ms)
        if not _is_wanted(qualify, reading) or missing(model, fold):
            return None
        latch.status = Status.READY
        latch.sequence += 1
        latch.last_ready_ms = at_ms
        if latch.first_ready_ms is None:
            latch.first_ready_ms = at_ms
        return "lead.sales_ready", reading
    if latch.status is Status.READY:
        reading = read(model, fold, at_ms)
        if cools(qualify, reading, reading, is_scored=fold.is_scored) is not True:
            return None
        latch.status = Status.WAITING if qualify.again == "recycle" else Status.OPEN
        return "lead.cooled", reading
    return None


def change_tier(model: Model, fold: Fold, latch: Latch, at_ms: int) -> tuple[Kind, Reading] | None:
    """Decide at *at_ms* whether another tier must be told than the one told last, and remember that one if so."""
    if not model.tiers:
        return None
    reading = read(model, fold, at_ms)
    if reading.tier == latch.tier:
        return None
    latch.tier = reading.tier
    latch.tier_changes += 1
    return "lead.tier_changed", reading


def is_held(model: Model, fold: Fold, latch: Latch, at_ms: int) -> bool:
    """Whether nothing but required data keeps an open lead from being ready at *at_ms*."""
    qualify = model.qualify
    if qualify is None or latch.status is not Status.OPEN or not fold.is_scored or not missing(model, fold):
        return False
    return not _is_too_soon(qualify, latch, at_ms) and _is_wanted(qualify, read(model, fold, at_ms))


def missing(model: Model, fold: Fold) -> list[tuple[str, ...]]:
    """Return the paths of required attributes that are missing or empty."""
    if model.qualify is None:
        return []
    attributes = fold.attributes
    return [path for path in model.qualify.require if attribute_at(attributes, path) in _EMPTY]


def _is_too_soon(qualify: Qualify, latch: Latch, at_ms: int) -> bool:
    return latch.last_ready_ms is not None and at_ms - latch.last_ready_ms < qualify.not_within_ms


def _is_wanted(qualify: Qualify, reading: Reading) -> bool:
    """Whether `when` holds, and `exclude` does not."""
    if qualify.when.judge(reading, reading) is not True:
        return False
    return qualify.exclude is None or qualify.exclude.judge(reading, reading) is not True
