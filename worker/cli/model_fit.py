"""`leadscore model fit`: points proposed from history, as a model file with its evidence; connects to nothing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, NoReturn

import orjson
import typer

from worker.cli.destinations import check_file, written
from worker.cli.pages import page
from worker.cli.tables import Column, print_table

if TYPE_CHECKING:
    from rich.console import Console

    from worker.fitting.judgement import Judgement, Slice
    from worker.fitting.looks import Question
    from worker.fitting.proposal import Plan, Proposal
    from worker.fitting.report import Grid
    from worker.fitting.threshold import Target
    from worker.fitting.timelines import Timelines
    from worker.scoring.model import Model

USAGE = 2
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_TRAINED_SHARE = 0.6  # of the time that a history spans, where no instant is named


def fit(
    events: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSON lines, plain, .gz or .zst")],
    outcome: Annotated[str, typer.Option(help="Event type that is wanted: application.activated, sales.won")],
    leave_out: Annotated[
        list[str] | None,
        typer.Option(help="Event type after which the outcome is certain; it and all after it are not looked at"),
    ] = None,
    lost: Annotated[
        list[str] | None,
        typer.Option(help="Event type that ends the matter; who has one is not judged among the open contacts"),
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option(help="Property that is no reason, such as a running number")
    ] = None,
    within: Annotated[
        str, typer.Option(help="The outcome counts within this time after a contact's first event")
    ] = "30d",
    ages: Annotated[str, typer.Option(help="Ages at which contacts are looked at")] = "1d,3d,7d,14d",
    train_until: Annotated[
        str | None, typer.Option(help="Learn from nothing after this instant [default: 60 % of the time]")
    ] = None,
    judge_from: Annotated[
        str | None,
        typer.Option(help="Judge on contacts that began at this instant or later [default: as --train-until]"),
    ] = None,
    target_volume: Annotated[
        str | None,
        typer.Option(help="Leads wanted: a share of the contacts (20% or 0.2) or their number [default: 10%]"),
    ] = None,
    target_precision: Annotated[
        str | None, typer.Option(help="Share of leads that must win, instead of a volume: 60% or 0.6")
    ] = None,
    beside: Annotated[list[str] | None, typer.Option(help="Model to judge beside it: shipped name or file")] = None,
    name: Annotated[str, typer.Option(help="Name of the model")] = "proposed",
    out: Annotated[
        Path | None, typer.Option(help="Model file to write; must not exist [default: standard output]")
    ] = None,
    max_rules: Annotated[int, typer.Option(min=1, max=200, help="Rules at most")] = 20,
    draws: Annotated[int, typer.Option(min=1, max=100_000, help="Resamplings for the intervals")] = 1_000,
    seed: Annotated[int, typer.Option(help="Equal seeds give equal models and intervals")] = 1,
    output: Annotated[Literal["text", "json"], typer.Option(help="How the judgement is written")] = "text",
) -> None:
    """Propose points from history: learn a scorecard, write it as a model file, judge it on later contacts."""
    from worker.fitting.problems import MissingExtraError, NothingToLearnError
    from worker.fitting.proposal import Plan, propose_model
    from worker.fitting.regression import import_extra
    from worker.fitting.timelines import read_timelines
    from worker.lines import read_lines
    from worker.memory import calm_garbage_collector

    if not _NAME.fullmatch(name):
        raise typer.BadParameter("a name has lower case letters, digits and single dashes", param_hint="--name")
    if out is not None and out.exists():
        raise typer.BadParameter(f"{out} exists; name a new file, or remove it first", param_hint="--out")
    if out is not None:
        check_file(out, "--out")
    question = _question(outcome, leave_out, lost, within, ages)
    target = _target(target_volume, target_precision)
    others = _models(name, beside)
    try:
        import_extra()
        timelines = read_timelines(read_lines(events))
        calm_garbage_collector()
        _tell_of_input(timelines)
        until_ms, from_ms = _instants(timelines, train_until, judge_from)
        plan = Plan(question, until_ms, target, name, max_rules, seed, frozenset(ignore or ()))
        _warn(timelines, plan)
        proposal = propose_model(timelines, plan, _tell)
        judgement, part = _judge(timelines, proposal, others, from_ms, draws)
    except (NothingToLearnError, MissingExtraError) as problem:
        _refuse(str(problem))
    _write(proposal, judgement, part, out)
    if judgement is not None and part is not None:
        _show(judgement, part, output, is_apart=out is None)


def _question(outcome: str, leave_out: list[str] | None, lost: list[str] | None, within: str, ages: str) -> Question:
    from worker.fitting.looks import Question

    ages_ms = tuple(sorted({_duration(one.strip(), "--ages") for one in ages.split(",")}))
    within_ms = _duration(within, "--within")
    if ages_ms[-1] >= within_ms:
        raise typer.BadParameter("the last age must lie before --within is over", param_hint="--ages")
    return Question(outcome, frozenset(leave_out or ()), frozenset(lost or ()), within_ms, ages_ms)


def _duration(text: str, option: str) -> int:
    from worker.contracts.instants import parse_duration

    try:
        duration_ms = parse_duration(text)
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint=option) from exc
    if not duration_ms:
        raise typer.BadParameter("it must be above 0", param_hint=option)
    return duration_ms


def _target(volume: str | None, precision: str | None) -> Target:
    from worker.fitting.threshold import Target

    if volume is not None and precision is not None:
        raise typer.BadParameter("give a volume or a precision, not both", param_hint="--target-precision")
    if precision is not None:
        wanted = _share(precision, "--target-precision")
        if wanted >= 1:
            raise typer.BadParameter("a precision lies below 100%", param_hint="--target-precision")
        return Target(precision=wanted)
    return Target(volume=_share(volume or "10%", "--target-volume"))


def _share(text: str, option: str) -> float:
    is_percent = text.endswith("%")
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = float("nan")
    value = value / 100 if is_percent else value
    if not 0 < value < float("inf") or (is_percent and value >= 1) or (value >= 1 and value != int(value)):
        raise typer.BadParameter(
            f"{text!r} is no share (20% or 0.2) and no whole number of contacts", param_hint=option
        )
    return value


def _models(name: str, beside: list[str] | None) -> dict[str, Model]:
    from worker.scoring.model_file import load_models

    models = {one.name: one for one in load_models(beside or [])}
    if name in models:
        raise typer.BadParameter(f"the model beside it is called {name} too; choose another name", param_hint="--name")
    return models


def _instants(timelines: Timelines, train_until: str | None, judge_from: str | None) -> tuple[int, int]:
    from worker.contracts.instants import parse_instant

    first_ms, last_ms = timelines.first_ms, timelines.last_ms
    found = []
    for text, option in ((train_until, "--train-until"), (judge_from, "--judge-from")):
        try:
            found.append(None if text is None else parse_instant(text))
        except ValueError as exc:
            hint = f"{text!r} is no instant; write a time with its zone like 2026-03-01T00:00:00Z"
            raise typer.BadParameter(hint, param_hint=option) from exc
    until_ms = int(first_ms + _TRAINED_SHARE * (last_ms - first_ms)) if found[0] is None else found[0]
    from_ms = until_ms if found[1] is None else found[1]
    if from_ms < until_ms:
        raise typer.BadParameter(
            "it lies before --train-until: the model would be judged on what it has seen", param_hint="--judge-from"
        )
    return until_ms, from_ms


def _judge(
    timelines: Timelines, proposal: Proposal, others: dict[str, Model], from_ms: int, draws: int
) -> tuple[Judgement | None, Slice | None]:
    """Return how the model did on the later slice; None, said on standard error, where nobody can be judged."""
    from worker.fitting.judgement import Slice, judge
    from worker.fitting.problems import NothingToLearnError
    from worker.scoring.model_file import parse_model

    plan = proposal.plan
    model = parse_model(proposal.text(), f"{plan.name}.yaml")
    part = Slice(from_ms, timelines.last_ms, proposal.wanted_share, draws, plan.seed)
    _tell("running the written model over later contacts, to judge it")
    try:
        return judge(timelines, proposal, {model.name: model, **others}, part), part
    except NothingToLearnError as problem:
        _tell(f"not judged: {problem}")
        return None, None


def _write(proposal: Proposal, judgement: Judgement | None, part: Slice | None, out: Path | None) -> None:
    from worker.contracts.instants import format_instant
    from worker.fitting.report import judgement_notes, volume_note

    far = volume_note(proposal)
    notes = [] if far is None else [f"           {far}"]
    if far is not None:
        _tell(far)
    if judgement is not None and part is not None:
        notes += judgement_notes(judgement, part.share, format_instant(part.from_ms)[:10])
    text = proposal.text(notes)
    if out is None:
        typer.echo(text)
        return
    with written(out, "--out"):
        out.write_text(text, "utf-8")
    _tell(f"{out}: {len(proposal.scorecard.lines)} rules, ready at {proposal.threshold}")


def _show(judgement: Judgement, part: Slice, output: str, *, is_apart: bool) -> None:
    """Print the judgement; on standard error where the model itself is on standard output."""
    from rich.console import Console

    from worker.fitting.report import figures, grids

    if output == "json":
        typer.echo(orjson.dumps(figures(judgement), option=orjson.OPT_INDENT_2), err=is_apart)
        return
    console = Console(stderr=True, width=page().width) if is_apart else page()
    console.print(
        f"\njudged on {judgement.contacts:,} later contacts: {judgement.won:,} won, {judgement.unresolved:,} undecided to the end"
    )
    for grid in grids(judgement, part.share):
        _print_grid(console, grid)


def _print_grid(console: Console, grid: Grid) -> None:
    columns = [Column(head, is_number=place > 0, least=None if place else 12) for place, head in enumerate(grid.heads)]
    print_table(console, columns, grid.rows, f"\n{grid.title}")


def _tell_of_input(timelines: Timelines) -> None:
    from worker.reports.amounts import counted

    _tell(f"{counted(timelines.types.total(), 'event')} of {counted(len(timelines.contacts), 'contact')}")
    for code, n in sorted(timelines.refused.items()):
        _tell(f"{counted(n, 'line')} {'holds' if n == 1 else 'hold'} no event: {code}")


def _warn(timelines: Timelines, plan: Plan) -> None:
    from worker.fitting.precursors import suspects

    for one in suspects(timelines.contacts, plan.question, plan.train_until_ms):
        _tell(
            f"{one.type} comes within a minute of the outcome for {one.winners:.0%} of the winners, and {one.outcome:.0%} of those who "
            f"have it win: if it follows from the same decision, add --leave-out {one.type}"
        )


def _tell(text: str) -> None:
    typer.echo(text, err=True)


def _refuse(problem: str) -> NoReturn:
    typer.echo(f"fit: {problem}", err=True)
    raise typer.Exit(USAGE)
