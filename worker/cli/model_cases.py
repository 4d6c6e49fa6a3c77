"""`leadscore model test`: hold the stories beside a model against what the model makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.options import FINDINGS, USAGE, Output, OutputOption
from worker.cli.pages import echo_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.cases.report import Suite


def _print_schema(wanted: bool) -> None:
    """Print the schema for editors and exit, if it is *wanted*."""
    if wanted:
        import json

        from worker.cases.json_schema import cases_schema

        typer.echo(json.dumps(cases_schema(), indent=2))
        raise typer.Exit


def run_cases(
    models: Annotated[list[str], typer.Argument(metavar="MODEL...", help="model files, or names of shipped models")],
    cases: Annotated[
        Path | None, typer.Option(help="cases of the one model named; without it <model>.cases.yaml")
    ] = None,
    junit: Annotated[Path | None, typer.Option(help="also write the verdicts there, as JUnit XML")] = None,
    output: OutputOption = Output.text,
    schema: Annotated[  # noqa: ARG001 - acted on as soon as it is read
        bool,
        typer.Option(
            "--schema", is_eager=True, callback=_print_schema, help="print the JSON Schema of cases files, and exit"
        ),
    ] = False,
) -> None:
    """Hold the cases beside each model against what the model makes of them; exit 1 if one does not hold."""
    from worker.cases.junit import junit_xml
    from worker.cases.report import suite_json, suite_lines
    from worker.cases.wording import printable
    from worker.clock import now_ms
    from worker.errors import ConfigError, ModelError

    sources = _sources(models)
    if cases is not None and len(sources) != 1:
        raise typer.BadParameter("is for one model; name only one, or leave it out", param_hint="--cases")
    try:
        suites = [_suite(source, cases) for source in sources]
    except (ConfigError, ModelError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(USAGE) from None
    if junit is not None:
        _write(junit, junit_xml(suites, now_ms()))
    if output is Output.json:
        echo_json([suite_json(suite) for suite in suites])
    else:
        for suite in suites:
            for line in suite_lines(suite):
                typer.echo(printable(line))
    typer.echo(_summary(suites), err=True)
    raise typer.Exit(FINDINGS if any(suite.failed for suite in suites) else 0)


test = run_cases
"""The command's name; a function of that name would be taken for one of ours by test tools."""


def _sources(models: Sequence[str]) -> list[str]:
    """Return each model once; `<model>.cases.yaml`, as `*.yaml` finds it too, stands for the model beside it."""
    from worker.scoring.model_file import CASES_SUFFIX

    named = [f"{one.removesuffix(CASES_SUFFIX)}.yaml" if one.endswith(CASES_SUFFIX) else one for one in models]
    return list(dict.fromkeys(named))


def _suite(source: str, cases: Path | None) -> Suite:
    from worker.cases.beside import read_cases_text
    from worker.cases.file import parse_cases
    from worker.cases.judging import judge
    from worker.cases.report import Suite
    from worker.scoring.model_file import load_model

    model = load_model(source)
    where, text = read_cases_text(source, cases)
    return Suite(model, where, [judge(model, case) for case in parse_cases(text, model, where)])


def _write(path: Path, content: bytes) -> None:
    try:
        path.write_bytes(content)
    except OSError as error:
        typer.echo(f"{path}: cannot be written: {error.strerror or error}", err=True)
        raise typer.Exit(USAGE) from None


def _summary(suites: Sequence[Suite]) -> str:
    total = sum(len(suite.verdicts) for suite in suites)
    failed = sum(suite.failed for suite in suites)
    expectations = sum(verdict.expectations for suite in suites for verdict in suite.verdicts)
    return (
        f"models: {len(suites)}, cases: {total}, instants looked at: {expectations}, cases that do not hold: {failed}"
    )
