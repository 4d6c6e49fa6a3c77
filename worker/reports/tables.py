"""A report as CSV files: `rules.csv`, `distribution.csv`, and where they were asked for `diff.csv` and `won.csv`."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from worker.contracts.instants import MS_PER_DAY, format_instant

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from worker.reports.diff import Diff
    from worker.reports.distribution import Distribution
    from worker.reports.outcome import Outcome
    from worker.reports.report import ModelReport
    from worker.reports.rules import RuleLine

RULES = ("rule", "group", "contacts", "awards", "awarded", "points", "share")
DISTRIBUTION = ("what", "low", "high", "contacts")
DIFF = (
    *("contact_id", "change", "ready_at", "other_ready_at", "moved_days"),
    *("score", "other_score", "tier", "other_tier", "reasons", "other_reasons"),
)
WON = ("contact_id", "verdict", "ready_at", "won_at", "lead_days")


def files_of(one: ModelReport, diff: Diff | None) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of each file that *one* gives; doubles in their shortest form, instants as RFC 3339."""
    yield "rules.csv", rules_csv(one.rules)
    yield "distribution.csv", distribution_csv(one.distribution)
    if diff is not None:
        yield "diff.csv", diff_csv(diff)
    if one.outcome is not None:
        yield "won.csv", won_csv(one.outcome)


def rules_csv(lines: Iterable[RuleLine]) -> bytes:
    """Return a row for each rule, in file order."""
    return _csv(
        RULES,
        (
            (line.name, line.group, line.contacts, line.awards, repr(line.awarded), repr(line.points), repr(line.share))
            for line in lines
        ),
    )


def distribution_csv(spread: Distribution) -> bytes:
    """Return a row for each bin (its contacts have `low` <= shown score < `high`), then one for those who never had points."""
    rows: list[Sequence[object]] = [("scored", repr(one.low), repr(one.high), one.contacts) for one in spread.bins]
    return _csv(DISTRIBUTION, [*rows, ("unscored", "", "", spread.unscored)])


def diff_csv(diff: Diff) -> bytes:
    """Return a row for each contact that one of the two models knows, in byte order of ids."""
    return _csv(
        DIFF,
        (
            (
                line.contact_id,
                line.change,
                _instant(line.ready.at_ms if line.ready else None),
                _instant(line.other_ready.at_ms if line.other_ready else None),
                _days(line.moved_ms),
                repr(line.score),
                repr(line.other_score),
                line.tier,
                line.other_tier,
                ", ".join(line.ready.reasons if line.ready else ()),
                ", ".join(line.other_ready.reasons if line.other_ready else ()),
            )
            for line in diff.lines
        ),
    )


def won_csv(outcome: Outcome) -> bytes:
    """Return a row for each contact of the history, in byte order of ids."""
    return _csv(
        WON,
        (
            (line.contact_id, line.verdict, _instant(line.ready_ms), _instant(line.won_ms), _days(line.lead_ms))
            for line in outcome.lines
        ),
    )


def _csv(header: Sequence[str], rows: Iterable[Sequence[object]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return text.getvalue().encode()


def _instant(at_ms: int | None) -> str:
    return "" if at_ms is None else format_instant(at_ms)


def _days(span_ms: int | None) -> str:
    return "" if span_ms is None else repr(span_ms / MS_PER_DAY)
