"""A report as one JSON document for programs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson

from worker.contracts.instants import format_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.replay import Refused
    from worker.reports.crossings import Crossing
    from worker.reports.diff import Diff, DiffLine
    from worker.reports.outcome import Outcome
    from worker.reports.report import ModelReport, Report


def empty_document(refused: Sequence[Refused]) -> dict[str, Any]:
    """Return what is said of a history without events."""
    return {
        "as_of_ms": None,
        "counts": {},
        "refused": dict(Counter(one.code for one in refused)),
        "models": {},
    }


def document(report: Report) -> dict[str, Any]:
    """
    Return *report* as values that orjson writes: instants as RFC 3339, spans in ms, ratios from 0 to 1 or null.

    Transitions are passed on as they are encoded, so that every digit of an attribute stays.
    """
    found: dict[str, Any] = {
        "as_of_ms": report.as_of_ms,
        "counts": {" ".join(filter(None, key)): n for key, n in sorted(report.counts.items())},
        "refused": dict(report.refusals),
        "models": {one.model.name: _model(one) for one in report.models},
    }
    if report.diff is not None and report.other is not None:
        found["diff"] = _diff(report.diff, report.other)
    return found


def _model(one: ModelReport) -> dict[str, Any]:
    spread = one.distribution
    found = {
        "version": one.model.version,
        "digest": one.model.digest,
        "contacts": len(one.lines),
        "ready_now": one.ready_now,
        "held": one.held,
        "tiers": dict(Counter(line.tier for line in one.lines)),
        "transitions": [orjson.Fragment(value) for value in one.transitions],
        "distribution": {
            "scored": spread.scored,
            "unscored": spread.unscored,
            "bins": [line._asdict() for line in spread.bins],
            "ranks": spread.ranks,
        },
        "rules": [line._asdict() for line in one.rules],
    }
    if one.outcome is not None:
        found["won"] = _outcome(one.outcome)
    return found


def _diff(diff: Diff, other: ModelReport) -> dict[str, Any]:
    return {
        "other": {
            "model": other.model.name,
            "version": other.model.version,
            "digest": other.model.digest,
            **({"won": _outcome(other.outcome)} if other.outcome is not None else {}),
        },
        "counts": diff.counts,
        "erased": diff.erased,
        "median_earlier_ms": diff.median_earlier_ms,
        "median_later_ms": diff.median_later_ms,
        "tiers": None if diff.tiers is None else diff.tiers._asdict(),
        "contacts": [_diff_line(line) for line in diff.lines if line.change not in {"same", "neither"}],
    }


def _diff_line(line: DiffLine) -> dict[str, Any]:
    return {
        "contact_id": line.contact_id,
        "change": line.change,
        "moved_ms": line.moved_ms,
        "ready": _crossing(line.ready),
        "other_ready": _crossing(line.other_ready),
        "score": line.score,
        "other_score": line.other_score,
        "tier": line.tier or None,
        "other_tier": line.other_tier or None,
    }


def _crossing(found: Crossing | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "at": format_instant(found.at_ms),
        "score": found.score,
        "tier": found.tier or None,
        "reasons": list(found.reasons),
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    lead = outcome.lead_ms
    return {
        "event_type": outcome.event_type,
        "contacts": outcome.contacts,
        "won": outcome.won,
        "named": outcome.named,
        "counts": outcome.counts,
        "erased": outcome.erased,
        "base_rate": outcome.base_rate,
        "precision": outcome.precision,
        "recall": outcome.recall,
        "lift": outcome.lift,
        "lead_ms": None if lead is None else dict(zip(("quarter", "median", "three_quarters"), lead, strict=True)),
    }
