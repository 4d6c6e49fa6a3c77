"""`leadscore model lint` and `explain-code`: what there is to say of a model, and what each code means."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.options import FINDINGS, USAGE, Output, OutputOption
from worker.cli.pages import page
from worker.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.console import Console

    from worker.scoring.file.explanations import Explanation
    from worker.scoring.file.findings import Finding, FindingCode, Level

_STYLES = {"error": "bold red", "warning": "bold yellow", "note": "bold cyan"}


def lint(
    files: Annotated[list[str], typer.Argument(help="model files, or names of shipped models")],
    output: OutputOption = Output.text,
    strict: Annotated[bool, typer.Option("--strict", help="exit 1 on warnings, too")] = False,
    notes: Annotated[bool, typer.Option("--notes", help="list notes, too: things worth a thought")] = False,
) -> None:
    """List what would stop each model from loading, and what it would hardly do as meant; exit 1 on errors."""
    from worker.scoring.lint import review_model
    from worker.scoring.model_file import CASES_SUFFIX

    found: list[Finding] = []
    files = [file for file in files if not file.endswith(CASES_SUFFIX)]  # `*.yaml` finds the cases beside models too
    for file in files:
        where, text = _read(file)
        found += review_model(text, where)
    if output is Output.json:
        names = ("code", "level", "where", "line", "column", "key", "problem", "fix")
        typer.echo(json.dumps([{name: getattr(one, name) for name in names} for one in found], ensure_ascii=False))
    else:
        print_findings(page(), [one for one in found if notes or one.level != "note"])
    counts = {level: sum(one.level == level for one in found) for level in _STYLES}
    typer.echo(_summary(len(files), counts, are_notes_shown=notes), err=True)
    raise typer.Exit(FINDINGS if counts["error"] or (strict and counts["warning"]) else 0)


def explain_code(
    code: Annotated[str | None, typer.Argument(help="such as model.no_rearm; without it all codes are listed")] = None,
    output: OutputOption = Output.text,
) -> None:
    """Say why a finding matters, with an example before and after; without a code list all of them."""
    from worker.scoring.file.explanations import EXPLANATIONS
    from worker.scoring.file.findings import LEVELS, nearest

    wanted = None if code is None else code if code.startswith("model.") else f"model.{code}"
    chosen = [one for one in LEVELS if wanted in (None, one)]
    if not chosen:
        typer.echo(f"there is no code {code}; {nearest(str(wanted), LEVELS)}", err=True)
        raise typer.Exit(USAGE)
    if output is Output.json:
        rows = [
            {"code": one, "level": LEVELS[one], "why": EXPLANATIONS[one].why, **_examples(EXPLANATIONS[one])}
            for one in chosen
        ]
        typer.echo(json.dumps(rows, ensure_ascii=False))
    elif wanted is None:
        for one in chosen:
            typer.echo(f"{one:<28} {LEVELS[one]:<8} {EXPLANATIONS[one].why.split('. ')[0].split(': ')[0].rstrip('.')}.")
    else:
        _print_explanation(page(), chosen[0], LEVELS[chosen[0]], EXPLANATIONS[chosen[0]])


def _read(source: str) -> tuple[str, str]:
    from worker.scoring.model_file import read_source

    try:
        return read_source(source)
    except ModelError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(USAGE) from None


def print_findings(console: Console, found: Sequence[Finding]) -> None:
    """Print one line a finding as editors and scripts read it; on a terminal a block each, below its file and level."""
    if not console.is_terminal:
        for one in found:
            typer.echo(str(one))
        return
    for where in dict.fromkeys(one.where for one in found):
        console.print(where, style="bold underline")
        for level, style in _STYLES.items():
            for one in found:
                if (one.where, one.level) == (where, level):
                    console.print(f"  {level} ", style=style, end="")
                    console.print(f"line {one.line}, column {one.column}  ", style="dim", end="")
                    console.print(one.code, style="dim")
                    console.print(f"    {one.sentence}")
                    console.print(f"    fix: {one.fix}", style="green")


def _summary(files: int, counts: dict[str, int], *, are_notes_shown: bool) -> str:
    """Return one line: what was checked, and how much of what was found."""
    parts = [f"{files} checked", f"{counts['error']} found"]
    if counts["warning"]:
        parts.append(f"{counts['warning']} warning{'s' if counts['warning'] > 1 else ''}")
    if counts["note"]:
        hint = "" if are_notes_shown else " (--notes lists them)"
        parts.append(f"{counts['note']} note{'s' if counts['note'] > 1 else ''}{hint}")
    return ", ".join(parts)


def _examples(one: Explanation) -> dict[str, str]:
    return {"before": one.shown(one.before), "after": one.shown(one.after)}


def _print_explanation(console: Console, code: FindingCode, level: Level, one: Explanation) -> None:
    console.print(f"{code} ", style="bold", end="")
    console.print(level, style=_STYLES[level])
    console.print()
    console.print(one.why)
    for name, example in _examples(one).items():
        console.print(f"\n{name}:\n", style="bold")
        for line in example.splitlines():
            console.print(f"    {line}", soft_wrap=True)
