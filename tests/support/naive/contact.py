"""One contact under one model: every accepted event, and what sales was told."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from tests.support.naive.adjusting import adjustment_of, feedback_of
from tests.support.naive.attributes import carried_bytes, dropped_by
from tests.support.naive.due import Watch, first_due
from tests.support.naive.events import NaiveEvent
from tests.support.naive.fold import advance, apply, leaves_trace, read
from tests.support.naive.model import Model, kept_attributes, lateness_ms
from tests.support.naive.qualify import cools, has_required, included, is_excluded, not_within_ms, qualifies
from tests.support.naive.state import Score, State, empty_state

WINDOW_EVENTS = 512
WINDOW_BYTES = 64 * 1024
LATE_IDS_KEPT = 64

SALES_READY, COOLED, TIER_CHANGED = "lead.sales_ready", "lead.cooled", "lead.tier_changed"


@dataclass(frozen=True, eq=False)
class Placed:
    """An event in the fold: where it was applied, and, when it came late, before what the window had gone by then."""

    event: NaiveEvent
    at: int
    forget_before: int | None = None


@dataclass
class Contact:
    """Everything that is known of a contact since its last erasure, and all that was ever told of it."""

    model: Model
    id: str
    publish_tiers: bool = False
    emit_since: int | None = None
    erased_at: int | None = None
    base: list[Placed] = field(default_factory=list)
    journal: list[NaiveEvent] = field(default_factory=list)
    late_ids: list[str] = field(default_factory=list)
    newest: int = 0
    last_place: tuple[int, bytes] = (-1, b"")
    latch: str = "open"
    sequence: int = 0
    last_ready: int | None = None
    ready_was_published: bool = True
    last_told: int | None = None
    last_cooled_by_timer: int | None = None
    told_rank: int = 0
    tier_changes: int = 0
    evaluated: int | None = None
    transitions: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def refold(self) -> tuple[State, set[NaiveEvent]]:
        """Return the state after all accepted events, and the events that were inviting."""
        state = empty_state(self.model)
        inviting = set()
        for placed in [*self.base, *(Placed(event, event.at) for event in self.journal)]:
            advance(state, placed.at)
            if apply(state, placed.event, placed.at, forget_before=placed.forget_before):
                inviting.add(placed.event)
        return state, inviting

    @property
    def evaluation_instant(self) -> int:
        """The instant of an evaluation at an event: the newest event, or what sales was told last when that is newer."""
        return self.newest if self.last_told is None else max(self.newest, self.last_told)

    def receive(self, event: NaiveEvent, partition_time: int) -> None:
        """Handle one event, at *partition_time* with it included."""
        self.counts["received", ""] += 1
        is_erased = self.erased_at is not None and event.at <= self.erased_at
        if is_erased or not leaves_trace(self.model, event):
            self.counts["without_effect", ""] += 1
            return
        if self._is_duplicate(event):
            self.counts["duplicate", ""] += 1
            return
        self.counts["effective", ""] += 1
        in_order = event.place > self.last_place
        self.let_time_pass(max(partition_time, event.at) if in_order else partition_time)
        if self.last_cooled_by_timer is not None and event.at < self.last_cooled_by_timer:
            self.counts["behind_timer", ""] += 1
        if event.type == "contact.erased":
            self._erase(event)
            return
        self._accept(event)
        state, inviting = self.refold()
        score = read(state, self.evaluation_instant)
        self._move_latch(event, score, inviting=event in inviting)
        may_qualify = event in inviting or event.type == "contact.updated"
        self._evaluate(event.type, score, may_qualify=may_qualify)

    def _is_duplicate(self, event: NaiveEvent) -> bool:
        """Return whether the id is known; an erasure is known by its instant alone, so that no id can prevent one."""
        if event.type == "contact.erased":
            return False
        return event.id in self.late_ids or any(event.id == one.id for one in self.journal)

    def let_time_pass(self, until: int) -> None:
        """Tell sales what time changed by itself, up to and including *until*; nothing before the first evaluation."""
        while self.evaluated is not None and (self.latch == "ready" or self.publish_tiers):
            state, _ = self.refold()
            watch = Watch(cooling=self.latch == "ready", told_rank=self.told_rank if self.publish_tiers else None)
            at = first_due(state, self.evaluated, until, watch)
            if at is None:
                return
            was_ready = self.latch == "ready"
            self._evaluate("timer", read(state, at), may_qualify=False)
            if was_ready and self.latch != "ready":
                self.last_cooled_by_timer = at

    def _accept(self, event: NaiveEvent) -> None:
        kept = kept_attributes(self.model)
        self.counts["attributes_dropped", ""] += dropped_by(kept, event)
        if event.type == "score.adjusted" and adjustment_of(self.model, event) is None:
            self.counts["adjustments_ignored", ""] += 1
        self.newest = max(self.newest, event.at)
        self.last_place = max(self.last_place, event.place)
        window = self.newest - lateness_ms(self.model)
        base_instant = max((placed.at for placed in self.base), default=None)
        if event.at < window or (base_instant is not None and event.at < base_instant):
            at = event.at if base_instant is None else max(event.at, base_instant)
            self.base.append(Placed(event, at, forget_before=window))
            self.late_ids = [*self.late_ids, event.id][-LATE_IDS_KEPT:]
            self.counts["late", ""] += 1
        else:
            insort(self.journal, event, key=lambda one: one.place)
        while self.journal and (self.journal[0].at < window or self._is_overfull(kept)):
            oldest = self.journal.pop(0)
            self.base.append(Placed(oldest, oldest.at))
            self.counts["overflowed", ""] += oldest.at >= window

    def _is_overfull(self, kept: frozenset[str]) -> bool:
        carried = sum(carried_bytes(kept, event) for event in self.journal)
        return len(self.journal) > WINDOW_EVENTS or carried > WINDOW_BYTES

    def _erase(self, event: NaiveEvent) -> None:
        """Delete what is as old as *event* or older; what came later stays, and starts anew."""
        if self.latch == "ready":
            at = max(self.evaluation_instant, event.at)
            self._tell(COOLED, self.sequence, at, event.type, None)
        self.erased_at = event.at
        self.base, self.late_ids = [], []
        self.journal = [one for one in self.journal if one.at > event.at]
        self.newest = max((one.at for one in self.journal), default=0)
        self.last_place = max((one.place for one in self.journal), default=(-1, b""))
        self.latch, self.sequence, self.last_ready, self.ready_was_published = "open", 0, None, True
        self.last_told = self.last_cooled_by_timer = self.evaluated = None
        self.told_rank = self.tier_changes = 0

    def _move_latch(self, event: NaiveEvent, score: Score, *, inviting: bool) -> None:
        if inviting and self.latch == "resting":
            self.latch = "open"
        latch = feedback_of(self.model, event).get("latch")
        if latch is None or _is_outdated(event, self.sequence):
            return
        recycles = self.model.get("qualify", {}).get("again", "rearm") == "recycle"
        if latch == "closed":
            self.latch = "closed"
        elif self.latch == "ready":
            self._tell(COOLED, self.sequence, score.at, event.type, score)
            self.latch = "waiting" if recycles and event.type != "sales.recycled" else "resting"
        elif self.latch == "waiting" and event.type == "sales.recycled":
            self.latch = "resting"

    def _evaluate(self, cause: str, score: Score, *, may_qualify: bool) -> None:
        self.evaluated = score.at
        if self.latch == "open" and may_qualify and self._may_be_told(score) and has_required(score):
            self.latch, self.last_ready = "ready", score.at
            self.sequence += 1
            self._tell(SALES_READY, self.sequence, score.at, cause, score)
        elif self.latch == "ready" and cools(score):
            self._tell(COOLED, self.sequence, score.at, cause, score)
            self.latch = "waiting" if self.model["qualify"].get("again", "rearm") == "recycle" else "open"
        if self.publish_tiers and score.rank != self.told_rank:
            self.told_rank = score.rank
            self.tier_changes += 1
            self._tell(TIER_CHANGED, self.tier_changes, score.at, cause, score)

    def _may_be_told(self, score: Score) -> bool:
        """Return whether nothing but missing attributes would keep an open lead from being told."""
        if "qualify" not in self.model or not qualifies(score) or is_excluded(score):
            return False
        return self.last_ready is None or score.at - self.last_ready >= not_within_ms(self.model)

    def _tell(self, kind: str, number: int, at: int, cause: str, score: Score | None) -> None:
        is_published = self.emit_since is None or at >= self.emit_since
        if kind == SALES_READY:
            self.ready_was_published = is_published
        if kind == COOLED:
            is_published = self.ready_was_published
        if kind != TIER_CHANGED:
            self.last_told = at
        if not is_published:
            self.counts["kept_back", ""] += 1
            return
        self.counts["transitions", kind] += 1
        told = {
            "kind": kind,
            "contact_id": self.id,
            "epoch": self.erased_at or 0,
            "sequence": number,
            "at": at,
            "cause": cause,
            "score": None if score is None else shown(self.model, score.score),
            "tier": None if score is None else tier_name(self.model, score),
        }
        if score is not None and (self.model.get("qualify") or {}).get("include"):
            told["attributes"] = included(score)
        self.transitions.append(told)

    def row(self, as_of: int) -> dict[str, Any]:
        """Return the contact's line of `scores.csv`."""
        score = read(self.refold()[0], as_of)
        return {
            "contact_id": self.id,
            "unscored": score.unscored,
            "score": score.score,
            "shown": shown(self.model, score.score),
            "tier": tier_name(self.model, score),
            "groups": dict(sorted(score.groups.items())),
            "latch": self.latch,
            "sequence": self.sequence,
        }

    def status(self, as_of: int) -> str:
        """Return the latch, or `held` when only data is missing for sales to be told."""
        score = read(self.refold()[0], as_of)
        is_held = self.latch == "open" and self._may_be_told(score) and not has_required(score)
        return "held" if is_held else self.latch


def _is_outdated(event: NaiveEvent, sequence: int) -> bool:
    told = event.properties.get("sequence")
    return isinstance(told, int | float) and not isinstance(told, bool) and told < sequence


def shown(model: Model, score: float) -> float:
    """
    Return *score* as people see it: rounded down, so that a shown 100 has really reached 100.

    >>> shown({}, 99.99)
    99.9
    """
    digits = (model.get("score") or {}).get("precision", 1)
    exact = Decimal(score) + Decimal("1e-9")
    return float(exact.quantize(Decimal(1).scaleb(-digits), ROUND_FLOOR)) + 0.0


def tier_name(model: Model, score: Score) -> str | None:
    """Return the name of the tier that *score* is in; None in a model without tiers."""
    tiers = list(model.get("tiers") or {})
    return tiers[score.rank] if tiers else None
