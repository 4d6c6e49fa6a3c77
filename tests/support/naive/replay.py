"""A whole file of events, contact by contact, in the order of their arrival: who ends where, and what sales was told."""

from __future__ import annotations

from bisect import insort
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_FLOOR, Decimal
from typing import Any, NamedTuple

from tests.support.naive.cooling import cools, first_cooling, qualifies
from tests.support.naive.events import RESERVED, NaiveEvent, read_event
from tests.support.naive.fold import (
    Score,
    State,
    advance,
    apply,
    empty_state,
    feedback_of,
    read,
    rule_could_match,
    shows_life,
)
from tests.support.naive.model import Model, duration_ms, lateness_ms, rules_of

WINDOW_EVENTS = 512
LATE_IDS_KEPT = 64


class NaiveReplay(NamedTuple):
    """The lines of `scores.csv` and `transitions.jsonl` as values, and (what, kind of transition or nothing) -> how many."""

    rows: list[dict[str, Any]]
    transitions: list[dict[str, Any]]
    counts: Counter[tuple[str, str]]


@dataclass(frozen=True, eq=False)
class Placed:
    """An event in the base: where it was applied, and whether it came late."""

    event: NaiveEvent
    at: int
    late: bool


@dataclass
class Contact:
    """Every accepted event of one contact, and what sales was told of it."""

    model: Model
    id: str
    base: list[Placed] = field(default_factory=list)
    journal: list[NaiveEvent] = field(default_factory=list)
    late_ids: list[str] = field(default_factory=list)
    newest: int = 0
    last_place: tuple[int, bytes] = (-1, b"")
    latch: str = "open"
    sequence: int = 0
    last_ready: int | None = None
    last_told: int | None = None
    last_cooled_by_timer: int | None = None
    transitions: list[dict[str, Any]] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)

    def refold(self) -> tuple[State, dict[NaiveEvent, list[int]]]:
        """Return the state after all accepted events, and the rules for which each gave an award."""
        state = empty_state(self.model)
        awards = {}
        for placed in [*self.base, *(Placed(event, event.at, late=False) for event in self.journal)]:
            advance(state, placed.at)
            awards[placed.event] = apply(state, placed.event, placed.at, late=placed.late)
        return state, awards

    @property
    def evaluated_at(self) -> int:
        """The instant of an evaluation: the newest event, or what sales was told last when that is newer."""
        return self.newest if self.last_told is None else max(self.newest, self.last_told)

    def receive(self, event: NaiveEvent, partition_time: int) -> None:
        """Handle one event, at *partition_time* with it included."""
        self.counts["received", ""] += 1
        if not _leaves_trace(self.model, event):
            self.counts["without_effect", ""] += 1
            return
        if event.id in self.late_ids or any(event.id == one.id for one in self.journal):
            self.counts["duplicate", ""] += 1
            return
        self.counts["effective", ""] += 1
        in_order = event.place > self.last_place
        self.let_time_pass(max(partition_time, event.at) if in_order else partition_time)
        if self.last_cooled_by_timer is not None and event.at < self.last_cooled_by_timer:
            self.counts["behind_timer", ""] += 1
        self._accept(event)
        state, awards = self.refold()
        inviting = bool(awards[event]) and _invites(self.model, event, awards[event])
        score = read(state, self.evaluated_at)
        self._move_latch(event, score, inviting=inviting)
        self._evaluate(event, score, inviting=inviting)

    def let_time_pass(self, until: int) -> None:
        """Tell sales of the lead that cooled by itself, up to and including *until*."""
        if self.latch != "ready":
            return
        state, _ = self.refold()
        at = first_cooling(state, self.evaluated_at, until)
        if at is not None:
            self._cool(at, "timer", read(state, at))
            self.last_cooled_by_timer = at
            self.latch = self._cooled_latch()

    def _accept(self, event: NaiveEvent) -> None:
        self.newest = max(self.newest, event.at)
        self.last_place = max(self.last_place, event.place)
        window = self.newest - lateness_ms(self.model)
        base_instant = max((placed.at for placed in self.base), default=None)
        if event.at < window or (base_instant is not None and event.at < base_instant):
            at = event.at if base_instant is None else max(event.at, base_instant)
            self.base.append(Placed(event, at, late=True))
            self.late_ids = [*self.late_ids, event.id][-LATE_IDS_KEPT:]
            self.counts["late", ""] += 1
        else:
            insort(self.journal, event, key=lambda one: one.place)
        while self.journal and (self.journal[0].at < window or len(self.journal) > WINDOW_EVENTS):
            oldest = self.journal.pop(0)
            self.base.append(Placed(oldest, oldest.at, late=False))

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
            self._cool(self.evaluated_at, event.type, score)
            self.latch = "waiting" if recycles and event.type != "sales.recycled" else "resting"
        elif self.latch == "waiting" and event.type == "sales.recycled":
            self.latch = "resting"

    def _evaluate(self, event: NaiveEvent, score: Score, *, inviting: bool) -> None:
        qualify = self.model.get("qualify")
        if qualify is None:
            return
        at = self.evaluated_at
        if self.latch == "open" and inviting and qualifies(self.model, score):
            if self.last_ready is None or at - self.last_ready >= _not_within_ms(qualify):
                self.latch, self.last_ready = "ready", at
                self.sequence += 1
                self._tell("lead.sales_ready", at, event.type, score)
        elif self.latch == "ready" and cools(self.model, score):
            self._cool(at, event.type, score)
            self.latch = self._cooled_latch()

    def _cooled_latch(self) -> str:
        return "waiting" if self.model["qualify"].get("again", "rearm") == "recycle" else "open"

    def _cool(self, at: int, cause: str, score: Score) -> None:
        self._tell("lead.cooled", at, cause, score)

    def _tell(self, kind: str, at: int, cause: str, score: Score) -> None:
        self.last_told = at
        self.counts["transitions", kind] += 1
        self.transitions.append(
            {
                "kind": kind,
                "contact_id": self.id,
                "epoch": 0,
                "sequence": self.sequence,
                "at": at,
                "cause": cause,
                "score": shown(self.model, score.score),
                "tier": _tier(self.model, score),
            }
        )

    def row(self, as_of: int) -> dict[str, Any]:
        """Return the contact's line of `scores.csv`."""
        state, _ = self.refold()
        score = read(state, as_of)
        return {
            "contact_id": self.id,
            "unscored": score.unscored,
            "score": score.score,
            "shown": shown(self.model, score.score),
            "tier": _tier(self.model, score),
            "groups": dict(sorted(score.groups.items())),
            "latch": self.latch,
            "sequence": self.sequence,
        }


def _leaves_trace(model: Model, event: NaiveEvent) -> bool:
    return (
        event.type in RESERVED
        or shows_life(model, event)
        or any(rule_could_match(rule, event) for rule in rules_of(model))
    )


def _invites(model: Model, event: NaiveEvent, awarded: list[int]) -> bool:
    if event.type.startswith("sales."):
        return False
    return any(rules_of(model)[index]["points"] >= 0 for index in awarded)


def _is_outdated(event: NaiveEvent, sequence: int) -> bool:
    told = event.properties.get("sequence")
    return isinstance(told, int | float) and not isinstance(told, bool) and told < sequence


def _not_within_ms(qualify: Mapping[str, Any]) -> int:
    return duration_ms(qualify.get("not_within", "0d"))


def shown(model: Model, score: float) -> float:
    """
    Return *score* as people see it: rounded down, so that a shown 100 has really reached 100.

    >>> shown({}, 99.99)
    99.9
    """
    digits = (model.get("score") or {}).get("precision", 1)
    exact = Decimal(score) + Decimal("1e-9")
    return float(exact.quantize(Decimal(1).scaleb(-digits), ROUND_FLOOR)) + 0.0


def _tier(model: Model, score: Score) -> str | None:
    tiers = list(model.get("tiers") or {})
    return tiers[score.rank] if tiers else None


def naive_replay(model: Model, events: Iterable[Mapping[str, Any]], as_of: int | None = None) -> NaiveReplay:
    """
    Replay *events* in the order given, as one partition in stream time; events after *as_of* (ms) are left out.

    Without *as_of* scores are read at the newest `occurred_at` of all.
    """
    arrived = [read_event(one) for one in events]
    if as_of is not None:
        arrived = [event for event in arrived if event.at <= as_of]
    end = max((event.at for event in arrived), default=0) if as_of is None else as_of
    contacts: dict[str, Contact] = {}
    newest = 0
    for event in arrived:
        newest = max(newest, event.at)
        contact = contacts.setdefault(event.contact_id, Contact(model, event.contact_id))
        contact.receive(event, newest - lateness_ms(model))
    counts: Counter[tuple[str, str]] = Counter()
    for contact in contacts.values():
        contact.let_time_pass(end)
        counts += contact.counts
    known = sorted((one for one in contacts.values() if one.base or one.journal), key=lambda one: one.id.encode())
    told = [one for contact in known for one in contact.transitions]
    told.sort(key=lambda one: (one["contact_id"].encode(), one["sequence"], one["kind"]))
    return NaiveReplay([one.row(end) for one in known], told, counts)
