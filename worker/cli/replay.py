"""`leadscore replay`: who would have qualified when, had this model been live over a recorded history."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import orjson
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from worker.cli.instants import END, parse_as_of
from worker.cli.pages import page

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.replay import Replay
    from worker.scoring.model import Model


def replay(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="JSON lines, plain, .gz or .zst")],
    model: Annotated[list[str], typer.Option("--model", "-m", help="Shipped name or file; repeat for several")],
    as_of: Annotated[
        str, typer.Option(help="Read scores at END (of the file) or an instant; later events are left out")
    ] = END,
    out: Annotated[Path | None, typer.Option(help="Folder for scores.csv and transitions.jsonl")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Transitions to list; 0 lists all")] = 20,
    output: Annotated[Literal["text", "json"], typer.Option(help="text, or json for programs")] = "text",
) -> None:
    """Score a recorded history without a broker, and say who would have qualified when."""
    from worker.export import scores_csv, transitions_jsonl, write_files
    from worker.lines import read_lines
    from worker.memory import calm_garbage_collector
    from worker.replay import replay_lines
    from worker.scoring.model_file import load_models

    models = load_models(model)
    as_of_ms = parse_as_of(as_of)
    calm_garbage_collector()
    console = Console(stderr=True)
    with Progress(
        SpinnerColumn(), TextColumn("{task.completed:,.0f} lines"), TimeElapsedColumn(), console=console, transient=True
    ) as progress:
        task = progress.add_task("replay", total=None)
        result = replay_lines(models, read_lines(file), as_of_ms, lambda n: progress.advance(task, n))
    if out is not None and result.as_of_ms is not None:
        for one in models:
            folder = out if len(models) == 1 else out / one.name
            write_files(folder, scores_csv(result.scores[one.name]), transitions_jsonl(result.transitions[one.name]))
    if output == "json":
        typer.echo(orjson.dumps(_summary(models, result), option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS))
    else:
        _print(page(), models, result, limit)


def _summary(models: Sequence[Model], result: Replay) -> dict[str, Any]:
    return {
        "as_of_ms": result.as_of_ms,
        "counts": {" ".join(filter(None, key)): n for key, n in sorted(result.counts.items())},
        "refused": dict(Counter(refused.code for refused in result.refused)),
        "models": {
            one.name: {
                "version": one.version,
                "digest": one.digest,
                "contacts": len(result.scores.get(one.name, ())),
                "tiers": dict(Counter(line.tier for line in result.scores.get(one.name, ()))),
                "transitions": [orjson.loads(value) for value in result.transitions.get(one.name, ())],
            }
            for one in models
        },
    }


def _print(console: Console, models: Sequence[Model], result: Replay, limit: int) -> None:
    from worker.contracts.instants import format_instant

    if result.as_of_ms is None:
        console.print("no events in this file")
    for one in models:
        if result.as_of_ms is None:
            break
        lines = result.scores[one.name]
        told = [orjson.loads(value) for value in result.transitions[one.name]]
        ready = sum(item["kind"] == "lead.sales_ready" for item in told)
        console.print(
            f"{one.name} version {one.version}: {len(lines):,} contacts as of {format_instant(result.as_of_ms)}, "
            f"{ready:,} times ready, {len(told) - ready:,} times cooled, "
            f"{sum(line.latch == 'ready' for line in lines):,} ready now"
        )
        if one.tiers:
            tiers = Counter(line.tier for line in lines)
            console.print("tiers: " + ", ".join(f"{tier.name} {tiers[tier.name]:,}" for tier in reversed(one.tiers)))
        told.sort(key=lambda item: (item["at"], item["contact_id"]))
        console.print(_transitions_table(told if limit == 0 else told[:limit], len(told)))
    _print_refused(console, result)


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
        why = ", ".join(f"{reason['rule']} {reason['points']:g}" for reason in item.get("reasons", ())[:3])
        what = item["kind"].removeprefix("lead.")
        at = item["at"][:16].replace("T", " ")
        table.add_row(at, item["contact_id"], what, f"{item['score']:g}", item.get("tier", ""), item["cause"], why)
    return table


def _print_refused(console: Console, result: Replay) -> None:
    for code, n in sorted(Counter(refused.code for refused in result.refused).items()):
        first = next(refused.line for refused in result.refused if refused.code == code)
        console.print(f"{n:,} lines hold no event: {code}, first in line {first}")
