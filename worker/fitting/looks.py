"""
Who is judged when, and who won: each contact is looked at at fixed ages after its first event, while nothing is certain yet.

Judging everybody at the same ages is what keeps the outcome out of the question. A cut-off at the last event before the outcome
would differ between winners and others, and its mere age would tell who is who. (In survival analysis this is called landmarking.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from worker.contracts.instants import MS_PER_DAY

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.fitting.timelines import Timeline

DEFAULT_AGES_MS = tuple(days * MS_PER_DAY for days in (1, 3, 7, 14))
DEFAULT_WITHIN_MS = 30 * MS_PER_DAY


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a history: whether *outcome* follows within *within_ms* of a contact's first event."""

    outcome: str
    leave_out: frozenset[str] = frozenset()  # certain precursors: they, and all at or after them, are not looked at
    lost: frozenset[str] = (
        frozenset()
    )  # such an event ends the matter: who has one is learned from, but not ranked among the open
    within_ms: int = DEFAULT_WITHIN_MS
    ages_ms: tuple[int, ...] = DEFAULT_AGES_MS


class Look(NamedTuple):
    """One contact at one age; what is known then are its events up to *at_ms*."""

    timeline: Timeline
    age_ms: int
    at_ms: int
    won: bool
    is_open: bool  # no event yet that decides against it


class Judged(NamedTuple):
    """A contact whose outcome is known: the whole time to answer in lies inside the slice."""

    timeline: Timeline
    won: bool
    cut_ms: int | None  # first instant that may not be looked at; None when nothing became certain

    def sees(self, at_ms: int) -> bool:
        """Whether *at_ms* lies before all that is left out."""
        return self.cut_ms is None or at_ms < self.cut_ms


def judged_contacts(timelines: Iterable[Timeline], question: Question, from_ms: int, until_ms: int) -> list[Judged]:
    """
    Return the contacts of a slice: first event at or after *from_ms*, and the time to answer in over by *until_ms*.

    Contacts that began later are left out, whether they won or not, so that being censored says nothing about the outcome. Nothing
    after *until_ms* is ever looked at. A contact that begins with something certain can't be judged and is left out too.
    """
    judged = []
    for timeline in timelines:
        first_ms = timeline.first_ms
        if not from_ms <= first_ms <= until_ms - question.within_ms:
            continue
        cut_ms = _cut_ms(timeline, question)
        if cut_ms is not None and cut_ms <= first_ms:
            continue
        judged.append(Judged(timeline, _won(timeline, question), cut_ms))
    return judged


def looks_at(judged: Iterable[Judged], question: Question) -> list[Look]:
    """Return each of *judged* at each age at which it is still undecided: neither won nor certain to."""
    looks = []
    for one in judged:
        first_ms = one.timeline.first_ms
        lost_ms = min((seen.at_ms for seen in one.timeline.happenings if seen.type in question.lost), default=None)
        for age_ms in question.ages_ms:
            at_ms = first_ms + age_ms
            if one.sees(at_ms):
                is_open = lost_ms is None or lost_ms > at_ms
                looks.append(Look(one.timeline, age_ms, at_ms, one.won, is_open))
    return looks


def _cut_ms(timeline: Timeline, question: Question) -> int | None:
    certain = (
        one.at_ms for one in timeline.happenings if one.type == question.outcome or one.type in question.leave_out
    )
    return min(certain, default=None)


def _won(timeline: Timeline, question: Question) -> bool:
    last_ms = timeline.first_ms + question.within_ms
    return any(one.type == question.outcome for one in timeline.until(last_ms))
