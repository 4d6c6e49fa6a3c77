"""The comment on top of a proposed model: from what it was learned, and how its numbers are to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.contracts.instants import format_duration, format_instant
from worker.fitting.scorecard import DOUBLING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.fitting.proposal import Proposal


def heading_notes(proposal: Proposal, judgement: Sequence[str]) -> list[str]:
    """Return the lines of the comment, those of *judgement* among them; names of event types are as they came."""
    plan, learned, threshold = proposal.plan, proposal.learned, proposal.threshold
    question = plan.question
    won = sum(one.won for one in learned) / len(learned)
    first, last = (format_instant(one.timeline.first_ms)[:10] for one in (learned[0], learned[-1]))
    ages = ", ".join(format_duration(age_ms) for age_ms in question.ages_ms)
    certain = ", ".join(sorted(question.leave_out)) or "nothing but the outcome"
    return [
        f"{plan.name}: proposed by `leadscore model fit` from history. A model like any other: read it, change what you know better,",
        "raise its version, and replay it before it goes live.",
        "",
        f"outcome    {question.outcome} within {format_duration(question.within_ms)} of a contact's first event",
        f"learned    from {len(learned):,} contacts that began {first} to {last} ({won:.1%} won), seen {ages} after their first",
        f"           event while undecided; nothing after {format_instant(plan.train_until_ms)} was looked at",
        f"left out   all events at or after {certain}",
        f"points     {DOUBLING} more double the odds of winning",
        f"threshold  {threshold}: {proposal.share:.1%} of the contacts learned from reach it; with that score, seen at one of those ages,",
        f"           {proposal.scorecard.chance(threshold):.0%} are expected to win",
        *judgement,
        "",
        "Above each rule: contacts and looks (a contact at an age) that show it, how many of these won, how many of the rest, how many",
        "times the usual share that is (lift), and the coefficient of the regression. Winning with it is not yet winning because of it.",
    ]
