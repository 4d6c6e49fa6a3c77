"""A report of a replay as text: a summary, tables, and what two models or an outcome say beside each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from worker.cli.tables import Column, print_table
from worker.contracts.instants import MS_PER_DAY, format_instant
from worker.reports.amounts import counted
from worker.reports.crossings import COOLED, READY, TIER_CHANGED, reasons_of
from worker.reports.diff import CHANGES
from worker.reports.refusals import refusal_lines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from worker.reports.diff import Change, Diff, DiffLine, TierMatrix
    from worker.reports.distribution import Distribution
    from worker.reports.outcome import Outcome
    from worker.reports.report import ModelReport, Report
    from worker.reports.rules import RuleLine

_BAR_WIDTH = 40
_WHAT: dict[Change, str] = {
    "gained": "gained: ready under the other model only",
    "lost": "lost: ready under this model only",
    "earlier": "earlier under the other model, largest move first",
    "later": "later under the other model, largest move first",
}


def print_report(console: Console, report: Report, limit: int, *, with_tables: bool) -> None:
    """Print *report*; *limit* is of listed transitions and of examples of each kind, 0 for all."""
    for one in report.models:
        _print_model(console, one, report.as_of_ms)
        told = [orjson.loads(value) for value in one.transitions]
        told.sort(key=lambda item: (item["at"], item["contact_id"]))
        _print_transitions(console, told[: limit or None], len(told))
        if with_tables:
            _print_distribution(console, one.distribution)
            _print_rules(console, one.rules)
        if one.outcome is not None:
            _print_outcome(console, one, one.outcome, report.other if one is report.models[0] else None)
    if report.diff is not None and report.other is not None:
        console.print()
        _print_model(console, report.other, report.as_of_ms)
        _print_diff(console, report.diff, report.models[0].title, report.other.title, limit)
    kept_back = sum(n for (what, _), n in report.counts.items() if what == "kept_back")
    if kept_back:
        console.print(f"{counted(kept_back, 'transition')} kept back")
    for line in refusal_lines(report.refused):
        console.print(line)


def _print_model(console: Console, one: ModelReport, as_of_ms: int) -> None:
    changes = one.kinds[TIER_CHANGED]
    changed = f"{changes:,} {'change' if changes == 1 else 'changes'} of tier, " if changes else ""
    held = f", {one.held:,} held: all holds but required data" if one.held is not None else ""
    console.print(
        f"{one.title}: {counted(len(one.lines), 'contact')} as of {format_instant(as_of_ms)}, "
        f"{counted(one.kinds[READY], 'time')} ready, {counted(one.kinds[COOLED], 'time')} cooled, "
        f"{changed}{one.ready_now:,} ready now{held}"
    )
    if one.tiers:
        console.print("tiers: " + ", ".join(f"{name} {contacts:,}" for name, contacts in one.tiers.items()))


def _print_transitions(console: Console, told: list[dict[str, Any]], total: int) -> None:
    columns = (
        Column("at (UTC)", width=16),
        Column("contact", width=12, least=12, yields=3),
        Column("what", width=11),
        Column("score", width=6, is_number=True),
        Column("tier", width=5, least=8, yields=4),
        Column("cause", least=11, yields=1, may_go=True),
        Column("why", least=14, yields=2, ease=28),
    )
    rows = []
    for item in told:
        score = f"{item['score']:g}" if "score" in item else ""
        what = item["kind"].removeprefix("lead.")
        why = ", ".join(reasons_of(item))
        rows.append((_minute(item["at"]), item["contact_id"], what, score, item.get("tier", ""), item["cause"], why))
    print_table(console, columns, rows, f"\ntransitions, oldest first ({len(told):,} of {total:,})")


def _print_distribution(console: Console, spread: Distribution) -> None:
    ranks = ", ".join(f"{name} {score:g}" for name, score in spread.ranks.items())
    console.print(
        f"\nscores of {counted(spread.scored, 'contact')}, {spread.unscored:,} never had points"
        + (f": {ranks}" if ranks else "")
    )
    most = max((one.contacts for one in spread.bins), default=0)
    rows = [
        (f"{one.low:g}", f"{one.high:g}", f"{one.contacts:,}", "▇" * round(_BAR_WIDTH * one.contacts / most))
        for one in spread.bins
    ]
    columns = [Column(name, is_number=True) for name in ("from", "below", "contacts")]
    print_table(console, [*columns, Column("", may_go=True)], rows)


def _print_rules(console: Console, lines: Sequence[RuleLine]) -> None:
    console.print("\nwhat each rule gave, since the last reset of its group")
    columns = [Column("rule", least=12, yields=2), Column("group", least=10, yields=1)]
    columns += [Column(name, is_number=True) for name in ("contacts", "awards", "points given", "points now", "share")]
    rows = [
        (
            line.name,
            line.group,
            f"{line.contacts:,}",
            f"{line.awards:,}",
            f"{line.awarded:,.1f}",
            f"{line.points:,.1f}",
            f"{line.share:.1%}",
        )
        for line in lines
    ]
    print_table(console, columns, rows)


def _print_outcome(console: Console, one: ModelReport, outcome: Outcome, other: ModelReport | None) -> None:
    """Print how well *one* foresaw the outcome, and the other model beside it."""
    columns = [(one.title, outcome)]
    if other is not None and other.outcome is not None:
        columns.append((other.title, other.outcome))
    counts = outcome.counts
    console.print(
        f"\njudged by {outcome.event_type}: {counted(outcome.contacts, 'contact')}, {outcome.won:,} came to it; left out: "
        f"{counts['already_won']:,} of whom nothing was known before, {outcome.erased:,} erased"
    )
    heads = [Column("", least=24), *(Column(title, is_number=True) for title, _ in columns)]
    rows = [(name, *values) for name, values in _outcome_rows([found for _, found in columns])]
    print_table(console, heads, rows)


def _outcome_rows(outcomes: Sequence[Outcome]) -> list[tuple[str, list[str]]]:
    """Return the lines of the table: a name, and a value for each of *outcomes*."""
    return [
        ("named", [f"{one.named:,}" for one in outcomes]),
        ("  came to it (hits)", [f"{one.counts['hit']:,}" for one in outcomes]),
        ("  did not (false alarms)", [f"{one.counts['false_alarm']:,}" for one in outcomes]),
        ("not named, came to it", [f"{one.counts['missed'] + one.counts['too_late']:,}" for one in outcomes]),
        ("  ready only at or after it (too late)", [f"{one.counts['too_late']:,}" for one in outcomes]),
        ("  never ready", [f"{one.counts['missed']:,}" for one in outcomes]),
        ("not named, did not come to it", [f"{one.counts['passed_over']:,}" for one in outcomes]),
        ("base rate", [_percent(one.base_rate) for one in outcomes]),
        ("precision", [_percent(one.precision) for one in outcomes]),
        ("recall", [_percent(one.recall) for one in outcomes]),
        ("lift", ["-" if one.lift is None else f"{one.lift:.2f}" for one in outcomes]),
        ("days from ready to it: quarter, median, three quarters", [_lead(one) for one in outcomes]),
    ]


def _print_diff(console: Console, diff: Diff, this: str, other: str, limit: int) -> None:
    moved = {"earlier": diff.median_earlier_ms, "later": diff.median_later_ms}
    counts = ", ".join(
        f"{change} {diff.counts[change]:,}" + ("" if (by := moved.get(change)) is None else f" (median {_days(by)} d)")
        for change in CHANGES
    )
    left_out = f"; {diff.erased:,} erased are left out" if diff.erased else ""
    console.print(f"\n{this} -> {other}, {counted(len(diff.lines), 'contact')}: {counts}{left_out}")
    for change, title in _WHAT.items():
        examples = diff.examples(change, limit or len(diff.lines))
        if examples:
            console.print(f"\n{title} ({len(examples):,} of {diff.counts[change]:,})")
            _print_examples(console, examples)
    if diff.tiers is not None:
        console.print(f"\ncontacts by tier at the end: {this} down, {other} across")
        _print_tiers(console, diff.tiers)


def _print_examples(console: Console, lines: Sequence[DiffLine]) -> None:
    columns = (
        Column("contact", width=12, least=12, yields=2),
        Column("ready (UTC)", width=16),
        Column("other (UTC)", width=16),
        Column("days", is_number=True),
        Column("score then", is_number=True),
        Column("why", least=12, yields=1, ease=28),
    )
    rows = []
    for line in lines:
        shown = line.other_ready or line.ready
        rows.append(
            (
                line.contact_id,
                _minute(format_instant(line.ready.at_ms)) if line.ready else "-",
                _minute(format_instant(line.other_ready.at_ms)) if line.other_ready else "-",
                "" if line.moved_ms is None else _days(line.moved_ms),
                f"{shown.score:g}" if shown else "",
                ", ".join(shown.reasons) if shown else "",
            )
        )
    print_table(console, columns, rows)


def _print_tiers(console: Console, matrix: TierMatrix) -> None:
    columns = [Column("", least=8), *(Column(name, is_number=True) for name in matrix.columns)]
    rows = [(name, *(f"{n:,}" for n in contacts)) for name, contacts in zip(matrix.rows, matrix.contacts, strict=True)]
    print_table(console, columns, rows)


def _minute(instant: str) -> str:
    return instant[:16].replace("T", " ")


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.1%}"


def _days(span_ms: float) -> str:
    days = span_ms / MS_PER_DAY
    return f"{days:,.1f}" if abs(days) >= 1 else f"{days:.2f}"


def _lead(outcome: Outcome) -> str:
    return "-" if outcome.lead_ms is None else ", ".join(_days(value) for value in outcome.lead_ms)
