"""
A report as one HTML page: nothing is loaded from elsewhere, nothing runs, everything from outside is escaped.

It carries no date of its own: the same history under the same models gives the same bytes.
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from worker.contracts.instants import MS_PER_DAY, format_instant
from worker.reports import plots
from worker.reports.crossings import COOLED, READY, TIER_CHANGED
from worker.reports.diff import CHANGES

if TYPE_CHECKING:
    from worker.reports.report import ModelReport, Report

_NOTHING = "-"
EXAMPLES = 10
"""Contacts of each kind that the page names at most."""


def page_of(report: Report) -> str:
    """Return *report* as HTML. Its style is allowed by hash; scripts, images, frames, forms and requests are not allowed at all."""
    environment = Environment(
        loader=PackageLoader("worker.reports"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters.update(
        count=_count, points=_points, percent=_percent, days=_days, minute=_minute, factor=_factor
    )
    style = files("worker.reports").joinpath("templates", "page.css").read_text("utf-8")
    digest = b64encode(sha256(style.encode()).digest()).decode()
    return environment.get_template("page.html.jinja").render(
        report=report,
        sections=[_section(one) for one in report.models],
        other=None if report.other is None else _section(report.other),
        outcomes=_outcomes(report),
        changes=CHANGES,
        examples=EXAMPLES,
        style=Markup(style),  # noqa: S704 - a file of ours
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
        plot_size=(plots.WIDTH, plots.HEIGHT),
    )


def _section(one: ModelReport) -> dict[str, Any]:
    """Return what the page shows of one model."""
    return {
        "report": one,
        "model": one.model,
        "title": one.title,
        "contacts": len(one.lines),
        "ever_ready": len(one.ready),
        "times_ready": one.kinds[READY],
        "times_cooled": one.kinds[COOLED],
        "tier_changes": one.kinds[TIER_CHANGED],
        "ready_now": one.ready_now,
        "held": one.held,
        "tiers": one.tiers,
        "histogram": plots.histogram(one.distribution, one.model),
        "by_week": plots.told_by_week(one.weeks, one.periods),
        "silent": [line.name for line in one.rules if line.contacts == 0],
    }


def _outcomes(report: Report) -> list[tuple[str, Any]]:
    """Return title and outcome of each model that was judged, the one compared with last."""
    asked = [*report.models, *([] if report.other is None else [report.other])]
    return [(one.title, one.outcome) for one in asked if one.outcome is not None]


def _count(value: int) -> str:
    return f"{value:,}"


def _points(value: float) -> str:
    return f"{value:,.1f}"


def _percent(ratio: float | None) -> str:
    return _NOTHING if ratio is None else f"{ratio:.1%}"


def _factor(value: float | None) -> str:
    return _NOTHING if value is None else f"{value:.2f}"


def _days(span_ms: float) -> str:
    days = span_ms / MS_PER_DAY
    return f"{days:,.1f}" if abs(days) >= 1 else f"{days:.2f}"


def _minute(at_ms: int) -> str:
    return format_instant(at_ms)[:16].replace("T", " ")
