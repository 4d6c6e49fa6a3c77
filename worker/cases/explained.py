"""Why a contact's score is what it is, under one model: for people as lines, for programs as JSON values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from worker.cases.report import line_json
from worker.cases.wording import explanation_lines, number, outlook_lines
from worker.contracts.instants import format_instant
from worker.scoring.reading import shown, tier_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.cases.outcome import Outcome
    from worker.scoring.model import Model
    from worker.scoring.next_steps import Outlook


def explained_lines(model: Model, name: str, outcome: Outcome, ahead: Outlook, told: Sequence[str]) -> list[str]:
    """Return score, explanation, what sales was told in the words of *told*, and what comes next, for the contact *name*."""
    reading = outcome.explanation.reading
    tier = tier_name(model, reading.tier)
    facts = [f"score {number(shown(model, reading.score))}"]
    facts += [f"tier {tier}"] if tier is not None else []
    facts += [f"status {outcome.status}"]
    facts += [] if outcome.fold.is_scored else ["nothing ever gave points"]
    return [
        f"{name} under {model.name} version {model.version} as of {format_instant(outcome.at_ms)}",
        ", ".join(facts),
        "",
        *explanation_lines(model, outcome.explanation),
        "",
        "What sales was told:" if told else "Sales was told nothing.",
        *(f"  {line}" for line in told),
        "",
        *outlook_lines(ahead, is_ready=outcome.latch.is_ready),
    ]


def explained_json(model: Model, outcome: Outcome, ahead: Outlook) -> dict[str, Any]:
    """Return the same for programs."""
    reading = outcome.explanation.reading
    return {
        "model": model.name,
        "version": model.version,
        "digest": model.digest,
        "as_of_ms": outcome.at_ms,
        "score": reading.score,
        "shown": shown(model, reading.score),
        "tier": tier_name(model, reading.tier),
        "status": outcome.status,
        "unscored": not outcome.fold.is_scored,
        "groups": [
            {"name": group.name, "value": group.value, "lines": [line_json(line) for line in group.lines]}
            for group in outcome.explanation.groups
        ],
        "clamps": [line_json(line) for line in outcome.explanation.clamps],
        "next": {
            "gains": [gain._asdict() for gain in ahead.gains],
            "missing": list(ahead.missing),
            "blocked": ahead.blocked,
            "cools_ms": ahead.cools_ms,
        },
    }
