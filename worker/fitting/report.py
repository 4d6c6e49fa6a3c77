"""The figures of a judgement as words, rows and plain values: for the screen, for a note, for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from worker.contracts.instants import format_duration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.fitting.intervals import Interval, Standing
    from worker.fitting.judgement import AtAge, Judgement
    from worker.fitting.proposal import Proposal

BASE = "picked blindly"
_FAR = 1.5  # times more or fewer leads than were asked for


class Grid(NamedTuple):
    """A table: title, heads of the columns, rows of text."""

    title: str
    heads: Sequence[str]
    rows: Sequence[Sequence[str]]


def grids(judgement: Judgement, share: float) -> list[Grid]:
    """Return all tables; *share* is that of the contacts that are leads at each age."""
    tables = []
    for only_open in (True, False):
        ages = [one for one in judgement.at_ages if one.only_open is only_open]
        if ages:
            who = "still open" if only_open else "not yet won, the lost among them"
            heads = ["contender", *(f"{format_duration(one.age_ms)}: {one.contacts:,}" for one in ages)]
            names = list(ages[0].standings)
            what = f"of the contacts {who} at an age, the first {share:.0%} by score"
            tables += [
                Grid(f"precision [95 % interval] {what}", heads, _precisions(ages, names)),
                Grid(f"points of precision by which {names[0]} is ahead, {what}", heads, _leads(ages, names)),
                Grid(
                    f"AUC [95 % interval] (and of how far {names[0]} is ahead) among the contacts {who} at an age",
                    heads,
                    _aucs(ages, names),
                ),
            ]
    return [*tables, _threshold(judgement), _operated(judgement), _peaks(judgement), _calibration(judgement)]


def volume_note(proposal: Proposal) -> str | None:
    """Return a sentence where the threshold is far from the volume that was asked for: with equal scores none lies nearer."""
    wanted, reached = proposal.wanted_share, proposal.share
    if max(wanted, reached) <= _FAR * min(wanted, reached):
        return None
    return f"wanted {wanted:.1%}; the nearest threshold reaches {reached:.1%}"


def judgement_notes(judgement: Judgement, share: float, began: str) -> list[str]:
    """Return lines for the comment on top of the model; *began* says when the first of the contacts judged did."""
    notes = [
        f"judged     on {judgement.contacts:,} later contacts, from {began} on ({judgement.won / judgement.contacts:.1%} won)"
    ]
    for one in judgement.at_ages:
        standing = next(iter(one.standings.values()))
        if one.only_open:
            notes.append(
                f"           open at {format_duration(one.age_ms)}: of the first {share:.0%} by score {_with(standing)} won, of all "
                f"{standing.quality.base:.0%}"
            )
    return notes


def figures(judgement: Judgement) -> dict[str, Any]:
    """Return everything for programs; shares from 0 to 1."""
    return {
        "contacts": judgement.contacts,
        "won": judgement.won,
        "unresolved": judgement.unresolved,
        "at_ages": [
            {
                "age_ms": one.age_ms,
                "only_open": one.only_open,
                "contacts": one.contacts,
                "at_threshold": {"contacts": one.reached, "won": one.reached_won},
                "contenders": {name: _standing(standing) for name, standing in one.standings.items()},
            }
            for one in judgement.at_ages
        ],
        "in_operation": {name: one._asdict() for name, one in judgement.operated.items()},
        "in_operation_at_equal_volume": [
            {name: _standing(one) for name, one in contenders.items()} for contenders in judgement.peaks
        ],
        "calibration": [one._asdict() for one in judgement.calibration],
    }


def _standing(standing: Standing) -> dict[str, Any]:
    quality = standing.quality
    return {
        "volume": quality.volume,
        "precision": quality.precision,
        "precision_interval": list(standing.precision),
        "recall": quality.recall,
        "lift": quality.lift,
        "auc": quality.auc,
        "auc_interval": list(standing.auc),
        "reference_ahead_interval": list(standing.ahead),
        "reference_auc_ahead_interval": list(standing.auc_ahead),
    }


def _precisions(ages: Sequence[AtAge], names: Sequence[str]) -> list[list[str]]:
    rows = [[name, *(_with(one.standings[name]) for one in ages)] for name in names]
    return [*rows, [BASE, *(f"{one.standings[names[0]].quality.base:.1%}" for one in ages)]]


def _leads(ages: Sequence[AtAge], names: Sequence[str]) -> list[list[str]]:
    rows = []
    for name in names[1:]:
        cells = []
        for one in ages:
            ahead = one.standings[names[0]].quality.precision - one.standings[name].quality.precision
            cells.append(f"{100 * ahead:+.1f} {_bounds(one.standings[name].ahead, signed=True)}")
        rows.append([name, *cells])
    return rows


def _aucs(ages: Sequence[AtAge], names: Sequence[str]) -> list[list[str]]:
    return [[name, *(_auc(one.standings[name], is_first=name == names[0]) for one in ages)] for name in names]


def _auc(standing: Standing, *, is_first: bool) -> str:
    """Return the AUC with its interval; for all but the first also the interval of the first one's lead."""
    low, high = standing.auc
    text = f"{standing.quality.auc:.3f} [{low:.3f}, {high:.3f}]"
    return text if is_first else f"{text} ({standing.auc_ahead.low:+.3f}, {standing.auc_ahead.high:+.3f})"


def _threshold(judgement: Judgement) -> Grid:
    rows = []
    for one in judgement.at_ages:
        if one.only_open:
            quality = next(iter(one.standings.values())).quality
            precision = one.reached_won / one.reached if one.reached else 0.0
            lift = precision / quality.base if quality.base else 0.0
            recall = one.reached_won / quality.won if quality.won else 0.0
            rows.append(
                [format_duration(one.age_ms), f"{one.reached:,}", f"{precision:.1%}", f"{recall:.1%}", f"{lift:.2f}"]
            )
    title = "open contacts at or above the model's own threshold at an age"
    return Grid(title, ("age", "contacts", "precision", "recall", "lift"), rows)


def _operated(judgement: Judgement) -> Grid:
    rows = []
    for name, one in judgement.operated.items():
        precision = one.right / one.told if one.told else 0.0
        recall = one.right / judgement.won if judgement.won else 0.0
        days = "" if one.lead_days is None else f"{one.lead_days:.1f}"
        rows.append([name, f"{one.told:,}", f"{precision:.1%}", f"{recall:.1%}", days])
    heads = ("model", "told", "precision", "recall", "days ahead, median")
    return Grid("in operation: contacts that sales would have been told of, each at its own threshold", heads, rows)


def _peaks(judgement: Judgement) -> Grid:
    rows = [
        [name, f"{one.quality.volume:,.0f}", _with(one), f"{one.quality.recall:.1%}", f"{one.quality.lift:.2f}"]
        for contenders in judgement.peaks
        for name, one in contenders.items()
    ]
    heads = ("contender", "leads", "precision", "recall", "lift")
    return Grid("in operation at equal volume: contacts by the highest score they reach while undecided", heads, rows)


def _calibration(judgement: Judgement) -> Grid:
    rows = [
        [f"{one.lowest:.0f} to {one.highest:.0f}", f"{one.contacts:,}", f"{one.expected:.1%}", f"{one.won:.1%}"]
        for one in judgement.calibration
    ]
    return Grid("open contacts at all ages, by tenths of the score", ("score", "looks", "expected", "won"), rows)


def _with(standing: Standing) -> str:
    return f"{standing.quality.precision:.1%} {_bounds(standing.precision)}"


def _bounds(interval: Interval, *, signed: bool = False) -> str:
    sign = "+" if signed else ""
    return f"[{100 * interval.low:{sign}.1f}, {100 * interval.high:{sign}.1f}]"
