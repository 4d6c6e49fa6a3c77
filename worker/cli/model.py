"""`leadscore model`: write, check, try, show and list scoring models; only `drop` connects to anything."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.model_cases import run_cases
from worker.cli.model_drop import drop
from worker.cli.model_explain import explain
from worker.cli.model_fit import fit
from worker.cli.model_lint import explain_code, lint
from worker.cli.model_new import new
from worker.cli.options import FINDINGS, USAGE, Output, OutputOption
from worker.cli.pages import echo_json, page
from worker.contracts.instants import format_duration
from worker.errors import ModelError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from worker.scoring.model import Model

app = typer.Typer(help="Write, check, test, explain, fit, show, list and drop models.", no_args_is_help=True)

# In the order in which a model comes to be; a line each on a narrow terminal.
app.command(short_help="Write a commented model to begin with.")(new)
app.command(short_help="List mistakes, and what would hardly do as meant.")(lint)
app.command("explain-code", short_help="Say why a finding of lint matters.")(explain_code)
app.command("test", short_help="Hold the cases beside each model against it.")(run_cases)
app.command(short_help="Say why a contact's score is what it is, line by line.")(explain)
app.command(short_help="Propose points from history.")(fit)


@app.command(short_help="Show rules, groups, tiers and thresholds of one model.")
def show(
    source: Annotated[str, typer.Argument(metavar="NAME|FILE", help="name of a shipped model, or a model file")],
    output: OutputOption = Output.text,
) -> None:
    """Show the rules, groups, tiers and thresholds of one model."""
    from worker.scoring.model_file import read_content

    try:
        model, content = read_content(source)
    except ModelError as error:
        raise _refused(error) from None
    if output is Output.json:
        echo_json({"digest": model.digest, "content": content})
        return
    _print_model(page(), model, content)


@app.command("list", short_help="List the models that come with the worker.")
def list_models(output: OutputOption = Output.text) -> None:
    """List the models that come with the worker, with version and digest."""
    from worker.scoring.model_file import load_model, shipped_models

    models = [load_model(name) for name in shipped_models()]
    if output is Output.json:
        echo_json([{"model": one.name, "version": one.version, "digest": one.digest} for one in models])
        return
    table = _table("model", "version", "digest", "rules")
    for one in models:
        table.add_row(one.name, str(one.version), one.digest, str(len(one.rules)))
    page().print(table)


app.command(short_help="Remove stored states of a model that is no longer loaded.")(drop)


def _refused(error: ModelError) -> typer.Exit:
    """Print *error*; a file that cannot be read is a usage error, one that is wrong has findings."""
    typer.echo(str(error), err=True)
    return typer.Exit(USAGE if error.fields["finding"] == "model.unreadable" else FINDINGS)


def _table(*columns: str, title: str | None = None) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, title=title, title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(
            column, justify="right" if column in ("points", "from", "version") else "left", overflow="fold"
        )
    return table


def _print_model(console: Console, model: Model, content: dict[str, object]) -> None:
    """Print *model*; conditions are shown as the file has them in *content*."""
    console.print(f"{model.name} version {model.version}", style="bold")
    console.print(f"digest {model.digest}")
    cap = "no cap" if model.cap is None else f"cap {model.cap:g}"
    lateness = format_duration(model.lateness_ms)
    console.print(f"score: floor {model.floor:g}, {cap}; time zone {model.time_zone}; lateness {lateness}")
    console.print(_rules_table(model, content))
    groups = _table("group", "floor", "cap", "decay", "drain", title="groups")
    written = content.get("groups")
    rows = written if isinstance(written, dict) else {}
    for group in model.groups:
        row = rows.get(group.name)
        decay = _flow(row["decay"]) if isinstance(row, dict) and "decay" in row else ""
        drains = "" if group.drain is None else f"{group.drain.points:g} every {format_duration(group.drain.every_ms)}"
        groups.add_row(group.name, _number(group.floor), _number(group.cap), decay, drains)
    console.print(groups)
    if model.tiers:
        tiers = _table("tier", "from", title="tiers")
        for tier in model.tiers:
            tiers.add_row(tier.name, _number(tier.threshold))
        console.print(tiers)
    for part in ("qualify", "inactivity", "activity", "feedback"):
        if part in content:
            console.print(part, style="bold")
            console.print(_lines(content[part]))


def _rules_table(model: Model, content: dict[str, object]) -> Table:
    table = _table("rule", "when", "points", "how often", "fades", "cap", "group", title="rules")
    written = content["rules"]
    rows = written if isinstance(written, list) else []
    for rule, row in zip(model.rules, rows, strict=True):
        often = [f"once per {_flow(row['once_per'])}"] if "once_per" in row else []
        often += [_flow(row["limit"])] if "limit" in row else []
        fades = "" if rule.decay is None else _flow(row.get("decay", "as its group"))
        group = model.groups[rule.group].name
        points = [_number(rule.points)] if rule.gives else []
        points += [f"resets {', '.join(row['reset'])}"] if rule.reset else []
        table.add_row(
            rule.name, _flow(row["when"]), "; ".join(points), "; ".join(often), fades, _number(rule.cap), group
        )
    return table


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:g}"


def _lines(value: object) -> str:
    """Return *value* with one line for each of its entries."""
    if isinstance(value, dict):
        return "\n".join(f"  {name}: {_flow(one)}" for name, one in value.items())
    return "\n".join(f"  {_flow(one)}" for one in value) if isinstance(value, list) else f"  {_flow(value)}"


def _flow(value: object, *, is_inner: bool = False) -> str:
    """Return *value* on one line, much as the model file has it."""
    if isinstance(value, dict):
        line = ", ".join(f"{name}: {_flow(one, is_inner=True)}" for name, one in value.items())
        return f"{{{line}}}" if is_inner else line
    if isinstance(value, list):
        return f"[{', '.join(_flow(one, is_inner=True) for one in value)}]"
    return value if isinstance(value, str) else json.dumps(value)
