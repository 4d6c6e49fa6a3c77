"""What is said about a contact: transitions for sales, score rows for whoever reads scores."""

from __future__ import annotations

from struct import pack
from typing import TYPE_CHECKING, Any

from worker.contracts.event_rules import ERASURE_TYPE
from worker.contracts.instants import format_instant
from worker.contracts.score import ScoreRow
from worker.contracts.transition import EventSource, Reason, Transition, transition_id
from worker.scoring.conditions import attribute_at
from worker.scoring.explain import REASONS, contributions
from worker.scoring.latch import Status
from worker.scoring.once import hash64
from worker.scoring.qualification import Kind, is_held
from worker.scoring.reading import read, shown, tier_name

if TYPE_CHECKING:
    from worker.scoring.contact import ModelState
    from worker.scoring.latch import Latch
    from worker.scoring.model import Model, Reading
    from worker.scoring.state import Fold

HELD = "held"
"""Status of an open lead that only lacks required data."""


def tell(
    model: Model,
    contact_id: str,
    fold: Fold,
    latch: Latch,
    told: tuple[Kind, Reading],
    at_ms: int,
    *,
    cause: str,
    source: EventSource | None,
) -> Transition:
    """Return the transition that *told* asks for, and remember in *latch* that it was told."""
    kind, reading = told
    score = shown(model, reading.score)
    number = latch.tier_changes if kind == "lead.tier_changed" else latch.sequence
    transition = Transition(
        id=transition_id(contact_id, model.name, latch.epoch, number, kind),
        kind=kind,
        contact_id=contact_id,
        model=model.name,
        version=model.version,
        digest=model.digest,
        epoch=latch.epoch or None,
        sequence=number,
        cause=cause,
        score=score,
        tier=tier_name(model, reading.tier),
        groups=_shown_groups(model, reading),
        previous_score=latch.told_score,
        previous_tier=tier_name(model, latch.told_tier),
        at=format_instant(at_ms),
        first_ready_at=_instant(latch.first_ready_ms),
        last_ready_at=_instant(latch.last_ready_ms),
        event=source,
        reasons=_reasons(model, fold, at_ms),
        attributes=_included(model, fold),
    )
    latch.told_score = score
    latch.told_tier = reading.tier
    if kind != "lead.tier_changed":
        latch.told_ms = at_ms
        if source is None:
            latch.timer_cooled_ms = at_ms
    return transition


def tell_erased(model: Model, contact_id: str, latch: Latch, at_ms: int) -> Transition:
    """Return the `lead.cooled` of a ready lead that was erased: nothing but which lead it was, and when."""
    return Transition(
        id=transition_id(contact_id, model.name, latch.epoch, latch.sequence, "lead.cooled"),
        kind="lead.cooled",
        contact_id=contact_id,
        model=model.name,
        version=model.version,
        digest=model.digest,
        epoch=latch.epoch or None,
        sequence=latch.sequence,
        cause=ERASURE_TYPE,
        at=format_instant(at_ms),
    )


def score_row(model: Model, state: ModelState, at_ms: int) -> tuple[ScoreRow, int]:
    """Return what the scores topic says of *state* as of *at_ms*, and a hash of all of it but that instant."""
    fold = state.history.head_at(model, at_ms)
    reading = read(model, fold, at_ms)
    status = HELD if is_held(model, fold, state.latch, at_ms) else status_name(state.latch)
    row = ScoreRow(
        score=shown(model, reading.score),
        tier=tier_name(model, reading.tier),
        groups=_shown_groups(model, reading),
        status=status,
        as_of=format_instant(at_ms),
        next_due=_instant(state.due_ms),
        version=model.version,
        digest=model.digest,
    )
    due_ms = -1 if state.due_ms is None else state.due_ms
    numbers = pack(f">d{len(row.groups)}dIqI", row.score, *row.groups.values(), reading.tier, due_ms, model.version)
    return row, hash64(numbers + status.encode())


def status_name(latch: Latch) -> str:
    """Return the latch's status as readers know it."""
    return Status(latch.status).name.lower()


def _instant(at_ms: int | None) -> str | None:
    return None if at_ms is None else format_instant(at_ms)


def _shown_groups(model: Model, reading: Reading) -> dict[str, float]:
    return {group.name: shown(model, value) for group, value in zip(model.groups, reading.groups, strict=True)}


def _included(model: Model, fold: Fold) -> dict[str, Any] | None:
    """Return the attributes that the model includes, null where missing; None when it includes none."""
    if model.qualify is None or not model.qualify.include:
        return None
    return {".".join(path): attribute_at(fold.attributes, path) for path in model.qualify.include}


def _reasons(model: Model, fold: Fold, at_ms: int) -> list[Reason]:
    return [
        Reason(
            rule=item.rule,
            points=round(item.points, 3),
            awarded=item.awarded,
            count=item.awards,
            last_at=_instant(item.last_ms),
        )
        for item in contributions(model, fold, at_ms)[:REASONS]
    ]
