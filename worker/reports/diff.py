"""Two models on one history: who would be gained, lost, told earlier or later if the other one were in force."""

from __future__ import annotations

from collections import Counter
from statistics import median
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from worker.export import ScoreLine
    from worker.reports.crossings import Crossing
    from worker.scoring.model import Model

Change = Literal["gained", "lost", "earlier", "later", "same", "neither"]
CHANGES: tuple[Change, ...] = get_args(Change)
"""gained: first ready under the other model only; lost: under this one only; earlier, later: both, the other one sooner or not."""


class DiffLine(NamedTuple):
    """One contact under this model and the other."""

    contact_id: str
    change: Change
    ready: Crossing | None  # first, under this model
    other_ready: Crossing | None
    score: float  # as shown, as of the end
    other_score: float
    tier: str
    other_tier: str

    @property
    def moved_ms(self) -> int | None:
        """How much later the other model is; below 0 when it is earlier, None unless both made it ready."""
        if self.ready is None or self.other_ready is None:
            return None
        return self.other_ready.at_ms - self.ready.at_ms


class TierMatrix(NamedTuple):
    """How many contacts are in which tier under this model (rows) and the other (columns), lowest first."""

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    contacts: list[list[int]]


class Diff(NamedTuple):
    """Two models beside each other."""

    lines: list[DiffLine]  # in byte order of contact ids
    counts: dict[Change, int]
    erased: int  # contacts that asked to be forgotten, and are in none of this
    median_earlier_ms: float | None  # of those told earlier; above 0
    median_later_ms: float | None
    tiers: TierMatrix | None  # None unless both models have tiers

    def examples(self, change: Change, limit: int) -> list[DiffLine]:
        """Return at most *limit* contacts of one kind: gained and lost oldest first, moved ones by how far."""
        found = [line for line in self.lines if line.change == change]
        found.sort(key=lambda line: -abs(line.moved_ms) if line.moved_ms is not None else _instant(line))
        return found[:limit]


class Side(NamedTuple):
    """What one model made of the history."""

    model: Model
    lines: Sequence[ScoreLine]
    ready: Mapping[str, Crossing]


def compare(this: Side, other: Side, erased: Collection[str]) -> Diff:
    """
    Compare what two models made of one history, contact by contact.

    A contact that one of them does not know counts there as 0 points in the lowest tier. Contacts in *erased* are left out.
    """
    scores = {line.contact_id: line for line in this.lines}
    other_scores = {line.contact_id: line for line in other.lines}
    known = {*scores, *other_scores, *this.ready, *other.ready} - set(erased)
    lowest, other_lowest = _lowest(this.model), _lowest(other.model)
    lines = []
    for contact_id in sorted(known, key=str.encode):
        ready, other_ready = this.ready.get(contact_id), other.ready.get(contact_id)
        score, other_score = scores.get(contact_id), other_scores.get(contact_id)
        lines.append(
            DiffLine(
                contact_id,
                _change(ready, other_ready),
                ready,
                other_ready,
                score.shown if score else 0.0,
                other_score.shown if other_score else 0.0,
                score.tier if score else lowest,
                other_score.tier if other_score else other_lowest,
            )
        )
    counted = Counter(line.change for line in lines)
    return Diff(
        lines,
        {change: counted[change] for change in CHANGES},
        len(erased),
        _median([-line.moved_ms for line in lines if line.moved_ms is not None and line.change == "earlier"]),
        _median([line.moved_ms for line in lines if line.moved_ms is not None and line.change == "later"]),
        _matrix(this.model, other.model, lines),
    )


def _change(ready: Crossing | None, other: Crossing | None) -> Change:
    if ready is None:
        return "neither" if other is None else "gained"
    if other is None:
        return "lost"
    if other.at_ms == ready.at_ms:
        return "same"
    return "earlier" if other.at_ms < ready.at_ms else "later"


def _instant(line: DiffLine) -> int:
    found = line.ready or line.other_ready
    return 0 if found is None else found.at_ms


def _lowest(model: Model) -> str:
    return model.tiers[0].name if model.tiers else ""


def _median(values: list[int]) -> float | None:
    return median(values) if values else None


def _matrix(this: Model, other: Model, lines: Sequence[DiffLine]) -> TierMatrix | None:
    if not this.tiers or not other.tiers:
        return None
    rows, columns = (tuple(tier.name for tier in model.tiers) for model in (this, other))
    counted = Counter((line.tier, line.other_tier) for line in lines)
    return TierMatrix(rows, columns, [[counted[row, column] for column in columns] for row in rows])
