"""`leadscore replay`: who would have qualified when, had this model been live over a recorded history."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from worker.cli.destinations import check_file, check_folder, written
from worker.cli.history import parse_history, shown_history
from worker.cli.instants import END, parse_as_of, parse_time
from worker.cli.options import FINDINGS
from worker.cli.pages import echo_json, page
from worker.contracts.instants import format_instant

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.replay import Replay
    from worker.reports.report import ModelReport, Report
    from worker.scoring.model import Model

_HISTORY = "JSON lines, plain, .gz or .zst, several in order; - for standard input; or topic:NAME"
_FROM = (
    "Of a topic: an offset in each partition, or an instant of Kafka time; only what was committed is read, by Kafka time across "
    "partitions (at equal times the lower partition first) and by offset within one"
)
_DIFF = (
    "Another model on the same history. Gained: first ready under OTHER only; lost: under --model only; earlier, later: under both, "
    "at other instants"
)
_WON = (
    "Judge by an outcome, such as sales.won. Named: first ready strictly before the contact's first such event, or without one. "
    "Precision: named that came to it; recall: those it came to that were named; lift: precision over base rate. "
    "Ready at or after it is a miss; contacts with nothing known before it are left out; by the end not won is not won"
)


def replay(
    history: Annotated[list[str], typer.Argument(help=_HISTORY, metavar="HISTORY...")],
    model: Annotated[list[str], typer.Option("--model", "-m", help="Shipped name or file; repeat for several")],
    as_of: Annotated[
        str, typer.Option(help="Read scores at END (of the history) or an instant; later events are left out")
    ] = END,
    start: Annotated[str | None, typer.Option("--from", help=_FROM)] = None,
    stop: Annotated[str | None, typer.Option("--to", help="The same for the end, which is left out")] = None,
    brokers: Annotated[str | None, typer.Option(help="Of a topic; else LEADSCORE_BROKERS")] = None,
    diff: Annotated[str | None, typer.Option(help=_DIFF, metavar="OTHER")] = None,
    won: Annotated[str | None, typer.Option(help=_WON, metavar="EVENT_TYPE")] = None,
    emit_since: Annotated[
        str | None, typer.Option(help="Keep back what would have been told before this instant; --diff and --won too")
    ] = None,
    publish_tiers: Annotated[bool, typer.Option("--publish-tiers", help="Tell changes of tier as well")] = False,
    tables: Annotated[
        bool, typer.Option("--tables", help="Print the spread of scores and what each rule gave as well")
    ] = False,
    html: Annotated[
        Path | None, typer.Option(help="File for a report with plots: one page, nothing loaded from elsewhere")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for scores.csv, transitions.jsonl, rules.csv, distribution.csv; diff.csv, won.csv"),
    ] = None,
    limit: Annotated[
        int, typer.Option(min=0, help="Transitions, and examples of each kind, to list; 0 lists all")
    ] = 20,
    output: Annotated[Literal["text", "json"], typer.Option(help="text, or json for programs")] = "text",
) -> None:
    """
    Score a recorded history without a worker, and say who would have qualified when.

    The history is one partition, its order is arrival order, and time passes with its events. Events of a topic that lie further
    ahead of their record than LEADSCORE_MAX_SKEW are set back to it, as the worker does; lines of a file have no record time.
    """
    from worker.memory import calm_garbage_collector
    from worker.replay import Terms, replay_history
    from worker.reports.outcome import Watcher
    from worker.reports.report import make_report
    from worker.scoring.model_file import load_model, load_models

    wanted = parse_history(history, start, stop, brokers)
    if html is not None:
        check_file(html, "--html")
    if out is not None:
        check_folder(out, "--out")
    terms = Terms(
        as_of_ms=parse_as_of(as_of),
        emit_since_ms=None if emit_since is None else parse_time(emit_since, "--emit-since"),
        publish_tiers=publish_tiers,
        max_skew_ms=wanted.max_skew_ms,
    )
    models = load_models(model)
    other = None if diff is None else _other(models, load_model(diff))
    happened = None if won is None else Watcher(won)
    calm_garbage_collector()
    with shown_history(wanted) as batches:
        this, *others = replay_history([models] if other is None else [models, [other]], batches, terms, watch=happened)
    if this.as_of_ms is None or len(this.refused) == this.counts["received", ""]:
        raise _nothing(output, this)
    report = make_report(
        models,
        this,
        sources=wanted.names,
        other=None if other is None else (other, others[0]),
        happened=happened,
        with_rules=tables or out is not None or html is not None or output == "json",
    )
    for one in (this, *others):
        one.contacts.clear()  # what is written and printed needs room too
    if out is not None:
        with written(out, "--out"):
            _write_tables(report, out)
    if html is not None:
        _write_page(report, html)
    if output == "json":
        from worker.reports.document import document

        echo_json(document(report))
    else:
        from worker.cli.replay_text import print_report

        print_report(page(), report, limit, with_tables=tables)
    _warn_of_unseen(report, won)


def _other(models: Sequence[Model], other: Model) -> Model:
    if len(models) > 1:
        raise typer.BadParameter("name one --model to compare with", param_hint="--diff")
    if other.name == models[0].name and other.digest == models[0].digest:
        raise typer.BadParameter(f"{other.name} would be compared with itself", param_hint="--diff")
    return other


def _write_tables(report: Report, out: Path) -> None:
    for one in report.models:
        folder = out if len(report.models) == 1 else out / one.model.name
        _write_model(one, folder, report)
    if report.other is not None:
        _write_model(report.other, out / "other", None)


def _write_model(one: ModelReport, folder: Path, report: Report | None) -> None:
    from worker.export import scores_csv, transitions_jsonl, write_file, write_files
    from worker.reports.tables import files_of

    write_files(folder, scores_csv(one.lines), transitions_jsonl(one.transitions))
    for name, content in files_of(one, None if report is None else report.diff):
        write_file(folder / name, content)


def _write_page(report: Report, html: Path) -> None:
    from worker.export import write_file
    from worker.reports.page import page_of

    content = page_of(report).encode()
    with written(html, "--html"):
        write_file(html, content)
    typer.echo(f"report in {html}", err=True)


def _nothing(output: str, empty: Replay) -> typer.Exit:
    """Say that there was nothing to score, and of how many lines; return the exit of a finding."""
    from worker.reports.document import empty_document
    from worker.reports.refusals import refusal_lines

    if output == "json":
        echo_json(empty_document(empty.refused))
    when = "" if empty.as_of_ms is None else f" up to {format_instant(empty.as_of_ms)}"
    typer.echo(f"no events in this history{when}: there is nothing to score", err=True)
    for line in refusal_lines(empty.refused):
        typer.echo(line, err=True)
    return typer.Exit(FINDINGS)


def _warn_of_unseen(report: Report, won: str | None) -> None:
    """Say so when the outcome never happened: most often it is spelt otherwise."""
    if won is None or report.unseen_outcome is None:
        return
    near = difflib.get_close_matches(won, report.unseen_outcome, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    typer.echo(f"no event of type {won} in this history{hint}", err=True)
