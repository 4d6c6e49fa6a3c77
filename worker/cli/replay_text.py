"""A report of a replay as text: a summary, tables, and what two models or an outcome say beside each other."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import orjson
from rich.table import Table

from worker.contracts.instants import MS_PER_DAY, format_instant
from worker.reports.crossings import COOLED, READY, TIER_CHANGED, reasons_of
from worker.reports.diff import CHANGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from worker.replay import Refused
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
        console.print(_transitions_table(told[: limit or None], len(told)))
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
        console.print(f"{kept_back:,} transitions kept back")
    print_refused(console, report.refused)


def _print_model(console: Console, one: ModelReport, as_of_ms: int) -> None:
    changed = f"{one.kinds[TIER_CHANGED]:,} changes of tier, " if one.kinds[TIER_CHANGED] else ""
    console.print(
        f"{one.title}: {len(one.lines):,} contacts as of {format_instant(as_of_ms)}, "
        f"{one.kinds[READY]:,} times ready, {one.kinds[COOLED]:,} times cooled, {changed}{one.ready_now:,} ready now"
    )
    if one.tiers:
        console.print("tiers: " + ", ".join(f"{name} {contacts:,}" for name, contacts in one.tiers.items()))


def _transitions_table(told: list[dict[str, Any]], total: int) -> Table:
    table = Table(title=f"\ntransitions, oldest first ({len(told):,} of {total:,})", title_justify="left", box=None)
    table.add_column("at", no_wrap=True, min_width=16)
    table.add_column("contact", no_wrap=True, min_width=12)
    table.add_column("what", no_wrap=True, min_width=11)
    table.add_column("score", no_wrap=True, min_width=6, justify="right")
    table.add_column("tier", no_wrap=True, min_width=5)
    table.add_column("cause", no_wrap=True, ratio=2)
    table.add_column("why", no_wrap=True, ratio=3)
    for item in told:
        score = f"{item['score']:g}" if "score" in item else ""
        what = item["kind"].removeprefix("lead.")
        why = ", ".join(reasons_of(item))
        table.add_row(_minute(item["at"]), item["contact_id"], what, score, item.get("tier", ""), item["cause"], why)
    return table


def _print_distribution(console: Console, spread: Distribution) -> None:
    ranks = ", ".join(f"{name} {score:g}" for name, score in spread.ranks.items())
    console.print(
        f"\nscores of {spread.scored:,} contacts, {spread.unscored:,} never had points"
        + (f": {ranks}" if ranks else "")
    )
    table = Table(box=None)
    table.add_column("from", justify="right")
    table.add_column("below", justify="right")
    table.add_column("contacts", justify="right")
    table.add_column("", no_wrap=True)
    most = max((one.contacts for one in spread.bins), default=0)
    for one in spread.bins:
        bar = "▇" * round(_BAR_WIDTH * one.contacts / most)
        table.add_row(f"{one.low:g}", f"{one.high:g}", f"{one.contacts:,}", bar)
    console.print(table)


def _print_rules(console: Console, lines: Sequence[RuleLine]) -> None:
    console.print("\nwhat each rule gave, since the last reset of its group")
    table = Table(box=None)
    for name in ("rule", "group"):
        table.add_column(name, no_wrap=True)
    for name in ("contacts", "awards", "points given", "points now", "share"):
        table.add_column(name, justify="right", no_wrap=True)
    for line in lines:
        table.add_row(
            line.name,
            line.group,
            f"{line.contacts:,}",
            f"{line.awards:,}",
            f"{line.awarded:,.1f}",
            f"{line.points:,.1f}",
            f"{line.share:.1%}",
        )
    console.print(table)


def _print_outcome(console: Console, one: ModelReport, outcome: Outcome, other: ModelReport | None) -> None:
    """Print how well *one* foresaw the outcome, and the other model beside it."""
    columns = [(one.title, outcome)]
    if other is not None and other.outcome is not None:
        columns.append((other.title, other.outcome))
    counts = outcome.counts
    console.print(
        f"\njudged by {outcome.event_type}: {outcome.contacts:,} contacts, {outcome.won:,} came to it; left out: "
        f"{counts['already_won']:,} of whom nothing was known before, {outcome.erased:,} erased"
    )
    table = Table(box=None)
    table.add_column("")
    for title, _ in columns:
        table.add_column(title, justify="right", no_wrap=True)
    for name, values in _outcome_rows([found for _, found in columns]):
        table.add_row(name, *values)
    console.print(table)


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
    console.print(f"\n{this} -> {other}, {len(diff.lines):,} contacts: {counts}{left_out}")
    for change, title in _WHAT.items():
        examples = diff.examples(change, limit or len(diff.lines))
        if examples:
            console.print(f"\n{title} ({len(examples):,} of {diff.counts[change]:,})")
            console.print(_diff_table(examples))
    if diff.tiers is not None:
        console.print(f"\ncontacts by tier at the end: {this} down, {other} across")
        console.print(_tiers_table(diff.tiers))


def _diff_table(lines: Sequence[DiffLine]) -> Table:
    table = Table(box=None)
    table.add_column("contact", no_wrap=True, min_width=12)
    table.add_column("ready", no_wrap=True, min_width=16)
    table.add_column("other", no_wrap=True, min_width=16)
    table.add_column("days", no_wrap=True, justify="right")
    table.add_column("score then", no_wrap=True, justify="right")
    table.add_column("why", no_wrap=True, ratio=1)
    for line in lines:
        shown = line.other_ready or line.ready
        table.add_row(
            line.contact_id,
            _minute(format_instant(line.ready.at_ms)) if line.ready else "-",
            _minute(format_instant(line.other_ready.at_ms)) if line.other_ready else "-",
            "" if line.moved_ms is None else _days(line.moved_ms),
            f"{shown.score:g}" if shown else "",
            ", ".join(shown.reasons) if shown else "",
        )
    return table


def _tiers_table(matrix: TierMatrix) -> Table:
    table = Table(box=None)
    table.add_column("")
    for name in matrix.columns:
        table.add_column(name, justify="right")
    for name, contacts in zip(matrix.rows, matrix.contacts, strict=True):
        table.add_row(name, *(f"{n:,}" for n in contacts))
    return table


def print_refused(console: Console, refused: Sequence[Refused]) -> None:
    """Print how many lines hold no event, and where the first of each kind is."""
    for code, n in sorted(Counter(one.code for one in refused).items()):
        first = next(one for one in refused if one.code == code)
        where = f" of {first.source}" if first.source else ""
        place = "at offset" if first.source.endswith("]") else "in line"
        console.print(f"{n:,} lines hold no event: {code}, first {place} {first.line}{where}")


def _minute(instant: str) -> str:
    return instant[:16].replace("T", " ")


def _percent(ratio: float | None) -> str:
    return "-" if ratio is None else f"{ratio:.1%}"


def _days(span_ms: float) -> str:
    days = span_ms / MS_PER_DAY
    return f"{days:,.1f}" if abs(days) >= 1 else f"{days:.2f}"


def _lead(outcome: Outcome) -> str:
    return "-" if outcome.lead_ms is None else ", ".join(_days(value) for value in outcome.lead_ms)
