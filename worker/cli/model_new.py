"""`leadscore model new`: a commented model to begin with, never over a file that is there."""

from __future__ import annotations

from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from worker.cli.options import USAGE

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

SCHEMA_NAME = "scoring-model.v1.schema.json"
"""The schema beside a new model: with it an editor that knows YAML completes keys and underlines mistakes."""

_BLANK = "blank"
_START = "simple-100"


def new(
    name: Annotated[str, typer.Argument(help="name of the new model: small letters, digits, hyphens")],
    start: Annotated[str, typer.Option("--from", help="what to begin with: a shipped model, or blank")] = _START,
    out: Annotated[Path | None, typer.Option(help="where to write it; without it <name>.yaml")] = None,
    cases: Annotated[
        bool, typer.Option("--cases", help="also write <name>.cases.yaml, for `leadscore model test`")
    ] = False,
) -> None:
    """Write a commented model to begin with, and the schema that helps an editor with it."""
    from worker.scoring.model_file import CASES_SUFFIX

    path = out if out is not None else Path(f"{name}.yaml")
    text = begun(_template(start, ".yaml"), start, name)
    _check(text, name)
    files = {path: text}
    if cases:
        beside = path.with_name(f"{path.name.removesuffix('.yaml').removesuffix('.yml')}{CASES_SUFFIX}")
        text = _template(start, CASES_SUFFIX).replace(f"for {start}:", f"for {name}:", 1)
        files[beside] = text.replace(f"model test {start}`", f"model test {path.name}`")
    for one in files:
        if one.exists():
            raise _refused(f"{one} is there already", "name another file with --out, or remove this one")
    schema = path.with_name(SCHEMA_NAME)
    if not schema.exists():
        files[schema] = schema_text()
    for one, content in files.items():
        _write(one, content)
        typer.echo(f"wrote {one}")
    typer.echo(f"next: leadscore model lint {path}", err=True)


def begun(text: str, start: str, name: str) -> str:
    """Return the model *text*, which is called *start*, as a first version of one called *name*, with a hint for editors."""
    text = text.replace(f"\nmodel: {start}\n", f"\nmodel: {name}\n", 1)
    text = text.replace(f"# {start}: ", f"# {name}, begun from {start}: ", 1)
    return f"# yaml-language-server: $schema={SCHEMA_NAME}\n{text}"


def schema_text() -> str:
    """Return the JSON Schema of model files as it is published."""
    import json

    from worker.scoring.file.json_schema import model_schema

    return json.dumps(model_schema(), indent=2, ensure_ascii=False) + "\n"


def _template(start: str, suffix: str) -> str:
    """Return the text of the shipped file *start* with *suffix*; of its cases those of `blank`, if it has none."""
    from worker.scoring.file.findings import nearest
    from worker.scoring.model_file import shipped_models

    shipped = (*shipped_models(), _BLANK)
    if start not in shipped:
        raise _refused(f"no model {start} comes with this worker", nearest(start, shipped))
    models = resources.files("worker.models")
    folder: Traversable = models.joinpath("new") if start == _BLANK else models
    file = folder.joinpath(f"{start}{suffix}")
    if not file.is_file():
        raise _refused(f"{start} comes without cases", "leave out --cases, or begin with --from simple-100")
    return file.read_text("utf-8")


def _check(text: str, name: str) -> None:
    from worker.scoring.lint import lint_model

    found = lint_model(text, f"{name}.yaml")
    if found:
        raise _refused(f'"{name}" is no name of a model', found[0].fix)


def _write(path: Path, content: str) -> None:
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(content)
    except OSError as error:
        raise _refused(
            f"{path} cannot be written: {error.strerror or error}", "name another place with --out"
        ) from None


def _refused(problem: str, fix: str) -> typer.Exit:
    typer.echo(f"{problem}\n  fix: {fix}", err=True)
    return typer.Exit(USAGE)
