"""`leadscore model test`: exits, the diff that people read, files that build servers read."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import typer
from typer.testing import CliRunner

from worker.cli.model_cases import test as command

MODEL = "model: m\nversion: 1\nrules:\n  - {rule: form, when: {type: form.submitted}, points: 20}\n"
HOLDS = "cases:\n  - {case: one form, events: [{type: form.submitted}], expect: [{score: 20}]}\n"
DIFFERS = "cases:\n  - {case: one form, events: [{type: form.submitted}], expect: [{at: day 3, score: 21}]}\n"

app = typer.Typer()
app.command()(command)


@pytest.fixture
def run() -> CliRunner:
    return CliRunner(env={"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"})


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model file, alone in a folder."""
    path = tmp_path / "m.yaml"
    path.write_text(MODEL, "utf-8")
    return path


def beside(model: Path, text: str) -> Path:
    path = model.with_name("m.cases.yaml")
    path.write_text(text, "utf-8")
    return path


def test_it_exits_0_when_every_case_holds(run: CliRunner, model: Path) -> None:
    cases = beside(model, HOLDS)
    result = run.invoke(app, [str(model)])
    assert (result.exit_code, result.stdout) == (0, f"m version 1: 1 of 1 cases hold ({cases})\n")
    assert result.stderr == "models: 1, cases: 1, instants looked at: 1, cases that do not hold: 0\n"


def test_it_exits_1_and_shows_what_was_expected_and_what_was(run: CliRunner, model: Path) -> None:
    cases = beside(model, DIFFERS)
    result = run.invoke(app, [str(model)])
    assert result.exit_code == 1
    assert result.stdout.splitlines() == [
        f"m version 1: 1 of 1 cases do not hold ({cases})",
        "",
        "FAIL one form",
        f"  {cases}:2: at day 3 (2026-01-04T00:00:00.000Z)",
        "    score  expected  21",
        "           was       20",
        "    why the score is what it is (status open):",
        "                      now  given  times  last (UTC)",
        "        form        20.00     20      1  2026-01-01 00:00",
        "      = engagement  20.00",
        "      = score       20.00                                  shown as 20",
        "",
    ]


def test_shipped_models_come_with_cases_that_hold(run: CliRunner) -> None:
    result = run.invoke(app, ["simple-100", "b2b-fit", "daily-fade"])
    assert result.exit_code == 0, result.stdout
    assert [line.partition(" ")[0] for line in result.stdout.splitlines()] == ["simple-100", "b2b-fit", "daily-fade"]


def test_cases_may_lie_elsewhere(run: CliRunner, model: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere.yaml"
    other.write_text(HOLDS, "utf-8")
    assert run.invoke(app, [str(model), "--cases", str(other)]).exit_code == 0


def test_a_pattern_of_the_shell_may_name_the_cases_too(run: CliRunner, model: Path) -> None:
    cases = beside(model, HOLDS)
    result = run.invoke(app, [str(cases), str(model)])
    assert (result.exit_code, result.stdout.count("cases hold")) == (0, 1)


def test_build_servers_get_xml(run: CliRunner, model: Path, tmp_path: Path) -> None:
    beside(model, DIFFERS)
    junit = tmp_path / "junit.xml"
    result = run.invoke(app, [str(model), "--junit", str(junit)])
    assert result.exit_code == 1
    (suite,) = ET.fromstring(junit.read_bytes())  # noqa: S314 - our own output
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")


def test_programs_get_json(run: CliRunner, model: Path) -> None:
    beside(model, DIFFERS)
    result = run.invoke(app, [str(model), "--output", "json"])
    (suite,) = json.loads(result.stdout)
    assert (result.exit_code, suite["failed"], suite["cases"][0]["failures"][0]["score"]) == (1, 1, 20.0)


@pytest.mark.parametrize(
    ("text", "words"),
    [(None, "cannot be read"), ("kases: []\n", 'write "cases"'), ("cases: [", "no YAML"), ("\xff", "no UTF-8")],
)
def test_cases_that_cannot_be_read_exit_2(run: CliRunner, model: Path, text: str | None, words: str) -> None:
    if text is not None:
        model.with_name("m.cases.yaml").write_bytes(text.encode("latin-1"))
    result = run.invoke(app, [str(model)])
    assert result.exit_code == 2
    assert words in result.stderr


def test_wrong_use_exits_2(run: CliRunner, model: Path, tmp_path: Path) -> None:
    beside(model, HOLDS)
    assert run.invoke(app, []).exit_code == 2
    assert run.invoke(app, [str(model), "--output", "xml"]).exit_code == 2
    assert run.invoke(app, ["no-such-model"]).exit_code == 2
    assert run.invoke(app, [str(model), "simple-100", "--cases", "x.yaml"]).exit_code == 2
    assert run.invoke(app, [str(model), "--junit", str(tmp_path / "no" / "folder.xml")]).exit_code == 2


def test_a_model_that_is_refused_exits_2_with_its_findings(run: CliRunner, model: Path) -> None:
    beside(model, HOLDS)
    model.write_text(MODEL.replace("points", "pionts"), "utf-8")
    result = run.invoke(app, [str(model)])
    assert result.exit_code == 2
    assert 'write "points"' in result.stderr


def test_editors_get_a_schema(run: CliRunner) -> None:
    result = run.invoke(app, ["--schema"])
    assert (result.exit_code, json.loads(result.stdout)["title"]) == (0, "Cases of a scoring model")
