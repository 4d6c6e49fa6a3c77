"""Types that may know the outcome: a rule on one of them would look brilliant and help nobody."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from worker.contracts.instants import MS_PER_MINUTE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from worker.fitting.looks import Question
    from worker.fitting.timelines import Timeline

_OFTEN = 0.5
_NEARLY_ALWAYS = 0.95


class Suspect(NamedTuple):
    """An event type that comes with the outcome."""

    type: str
    winners: float  # share of the winners that have it in the minute up to the outcome
    outcome: float  # share of those who ever have it that have the outcome


def suspects(timelines: Iterable[Timeline], question: Question, until_ms: int) -> list[Suspect]:
    """
    Return the types, not left out, that half of the winners have in the minute up to the outcome and hardly anybody else ever has.

    Only events up to *until_ms* are looked at. Those seen most often stand first.
    """
    winners = 0
    having: Counter[str] = Counter()
    having_won: Counter[str] = Counter()
    with_outcome: Counter[str] = Counter()
    for timeline in timelines:
        seen = list(timeline.until(until_ms))
        won_ms = min((one.at_ms for one in seen if one.type == question.outcome), default=None)
        types = {one.type for one in seen}
        having.update(types)
        if won_ms is None:
            continue
        winners += 1
        having_won.update(types)
        with_outcome.update({one.type for one in seen if won_ms - MS_PER_MINUTE <= one.at_ms <= won_ms})
    found = [
        Suspect(name, n / winners, having_won[name] / having[name])
        for name, n in with_outcome.items()
        if name != question.outcome and name not in question.leave_out
    ]
    chosen = [one for one in found if one.winners >= _OFTEN and one.outcome >= _NEARLY_ALWAYS]
    return sorted(chosen, key=lambda one: (-one.winners, one.type))
