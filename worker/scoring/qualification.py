"""What sales is told, and what was told already: the latch, moved by feedback, good signs and evaluations."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Literal

import msgspec

from worker.scoring.due import cools
from worker.scoring.reading import read

if TYPE_CHECKING:
    from worker.scoring.model import Feedback, Model, Reading
    from worker.scoring.state import Fold

Kind = Literal["lead.sales_ready", "lead.cooled"]
TIMER = "timer"
"""The cause of what time did by itself."""


class Status(IntEnum):
    """Where the latch stands; the numbers are stored."""

    OPEN = 0
    READY = 1
    RESTING = 2
    WAITING = 3
    CLOSED = 4


class Latch(msgspec.Struct, array_like=True):
    """What was told of one contact under one model. It follows processing order and is no part of the fold. Instants in ms."""

    status: Status = Status.OPEN
    sequence: int = 0
    epoch: int = 0  # event time of the last erasure, else 0
    first_ready_ms: int | None = None
    last_ready_ms: int | None = None
    told_ms: int | None = None  # `at` of the newest lead.sales_ready or lead.cooled of this epoch
    told_score: float = 0.0  # as shown there
    told_tier: int = 0
    timer_cooled_ms: int | None = None  # `at` of the newest lead.cooled by timer
    is_kept_back: bool = False  # the newest lead.sales_ready was not published

    @property
    def is_ready(self) -> bool:
        """Whether sales holds this lead for ready."""
        return self.status is Status.READY


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


def evaluate(model: Model, fold: Fold, latch: Latch, at_ms: int, *, inviting: bool) -> tuple[Kind, Reading] | None:
    """
    Decide at *at_ms* whether sales must be told, and move the latch if so.

    Only a good sign (*inviting*) makes a lead ready, never time alone and never a penalty that has faded.
    """
    qualify = model.qualify
    if qualify is None:
        return None
    if latch.status is Status.OPEN:
        if not inviting or not fold.is_scored:
            return None
        if latch.last_ready_ms is not None and at_ms - latch.last_ready_ms < qualify.not_within_ms:
            return None
        reading = read(model, fold, at_ms)
        if qualify.when.judge(reading, reading) is not True:
            return None
        latch.status = Status.READY
        latch.sequence += 1
        latch.last_ready_ms = at_ms
        if latch.first_ready_ms is None:
            latch.first_ready_ms = at_ms
        return "lead.sales_ready", reading
    if latch.status is Status.READY:
        reading = read(model, fold, at_ms)
        if cools(qualify, reading, reading) is not True:
            return None
        latch.status = Status.WAITING if qualify.again == "recycle" else Status.OPEN
        return "lead.cooled", reading
    return None
