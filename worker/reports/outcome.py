"""
A model against what really happened: how many of the contacts it would have named in time came to the outcome.

Only what was known before the outcome counts. A contact is *named* if its first `lead.sales_ready` lies strictly before its first
event of the outcome's type, by event time and by arrival, or if it never had that event. One that was ready only at or after it is
*too late*, which is a miss. Contacts that came to the outcome before anything else was known of them are left out, and so are those
that were erased. Who has not come to it by the end of the history counts as not having come to it at all.
"""

from __future__ import annotations

from collections import Counter
from statistics import quantiles
from typing import TYPE_CHECKING, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from worker.contracts.event import Event
    from worker.reports.crossings import Crossing

Verdict = Literal["hit", "false_alarm", "too_late", "missed", "passed_over", "already_won"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
"""hit: named, and it came to the outcome; false_alarm: named, and it did not; passed_over: not named, and it did not."""
_KNOWN_TYPES = 1_000


class Happened(NamedTuple):
    """What is known of one contact beside its scores."""

    first_ms: int  # its first event of any type
    won_ms: int | None  # its first event of the outcome's type
    won_place: int  # where in the history the first of these to arrive stands


class Watcher:
    """
    Looks at the events of a history on their way to the models, for the outcome of *event_type*.

    Call it with each event, its time in ms and its place in the history.
    """

    def __init__(self, event_type: str) -> None:
        self.event_type = event_type
        self.contacts: dict[str, Happened] = {}
        self.types: set[str] = set()  # seen, at most a thousand: to name what was meant when the outcome never happened

    def __call__(self, event: Event, at_ms: int, place: int) -> None:
        """Note one event."""
        if len(self.types) < _KNOWN_TYPES:
            self.types.add(event.type)
        known = self.contacts.get(event.contact_id)
        is_won = event.type == self.event_type
        if known is None:
            self.contacts[event.contact_id] = Happened(at_ms, at_ms if is_won else None, place)
        elif is_won or at_ms < known.first_ms:
            won_ms, won_place = known.won_ms, known.won_place
            if is_won:
                won_ms, won_place = (at_ms, place) if won_ms is None else (min(at_ms, won_ms), won_place)
            self.contacts[event.contact_id] = Happened(min(at_ms, known.first_ms), won_ms, won_place)


class OutcomeLine(NamedTuple):
    """One contact."""

    contact_id: str
    verdict: Verdict
    ready_ms: int | None  # first
    won_ms: int | None  # first

    @property
    def lead_ms(self) -> int | None:
        """How long before the outcome the contact was named; None unless it is a hit."""
        if self.verdict != "hit" or self.won_ms is None or self.ready_ms is None:
            return None
        return self.won_ms - self.ready_ms


class Outcome(NamedTuple):
    """How well a model foresaw an outcome. Ratios are None where they would divide by nothing."""

    event_type: str
    lines: list[OutcomeLine]  # in byte order of contact ids
    counts: dict[Verdict, int]
    erased: int  # contacts that asked to be forgotten, and are in none of this
    contacts: int  # judged: all but those already won
    won: int  # of these
    named: int  # of these
    base_rate: float | None  # won of contacts
    precision: float | None  # hits of named
    recall: float | None  # hits of won
    lift: float | None  # precision over base rate
    lead_ms: tuple[float, float, float] | None  # quartiles of the time from ready to won, over the hits


def judge(happened: Watcher, ready: Mapping[str, Crossing], erased: Collection[str]) -> Outcome:
    """Return how well the first *ready* instants foresaw what *happened*; contacts in *erased* are left out."""
    gone = happened.contacts.keys() & set(erased)
    lines = []
    for contact_id in sorted(happened.contacts.keys() - gone, key=str.encode):
        known, crossing = happened.contacts[contact_id], ready.get(contact_id)
        lines.append(
            OutcomeLine(contact_id, _verdict(known, crossing), crossing.at_ms if crossing else None, known.won_ms)
        )
    counted = Counter(line.verdict for line in lines)
    counts: dict[Verdict, int] = {verdict: counted[verdict] for verdict in VERDICTS}
    hits = counts["hit"]
    won = hits + counts["too_late"] + counts["missed"]
    named = hits + counts["false_alarm"]
    contacts = won + counts["false_alarm"] + counts["passed_over"]
    base_rate, precision = _ratio(won, contacts), _ratio(hits, named)
    return Outcome(
        event_type=happened.event_type,
        lines=lines,
        counts=counts,
        erased=len(gone),
        contacts=contacts,
        won=won,
        named=named,
        base_rate=base_rate,
        precision=precision,
        recall=_ratio(hits, won),
        lift=None if precision is None or not base_rate else precision / base_rate,
        lead_ms=_quartiles([line.lead_ms for line in lines if line.lead_ms is not None]),
    )


def _verdict(known: Happened, ready: Crossing | None) -> Verdict:
    if known.won_ms is None:
        return "passed_over" if ready is None else "false_alarm"
    if known.won_ms == known.first_ms:
        return "already_won"
    if ready is None:
        return "missed"
    return "hit" if ready.at_ms < known.won_ms and ready.place < known.won_place else "too_late"


def _ratio(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def _quartiles(values: list[int]) -> tuple[float, float, float] | None:
    """Return the quartiles of *values*, between two of them by linear interpolation; None without any."""
    if not values:
        return None
    low, middle, high = quantiles(values * 2 if len(values) == 1 else values, n=4, method="inclusive")
    return low, middle, high
