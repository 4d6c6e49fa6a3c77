"""`leadscore model`: exits, lines that editors understand, JSON for programs."""

from __future__ import annotations

import json
import re
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from worker.cli.model import app
from worker.cli.model_lint import print_findings
from worker.scoring.file.findings import LEVELS, Finding
from worker.scoring.lint import review_model
from worker.scoring.model_file import load_model

GOOD = "model: m\nversion: 1\nrules:\n  - {rule: a, when: {type: demo.requested}, points: 5}\n"
DOUBTFUL = "model: m\nversion: 1\nrules:\n  - {rule: a, when: {type: page.viewed}, points: 5}\n"


@pytest.fixture
def run() -> CliRunner:
    return CliRunner(env={"NO_COLOR": "1", "TERM": "dumb", "COLUMNS": "200"})


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "m.yaml"
    path.write_text(text, "utf-8")
    return str(path)


def test_lint_exits_0_when_nothing_is_found(run: CliRunner, tmp_path: Path) -> None:
    result = run.invoke(app, ["lint", written(tmp_path, GOOD), "simple-100"])
    assert (result.exit_code, result.stdout) == (0, "")
    assert "2 checked, 0 found, 3 notes (--notes lists them)" in result.stderr


def test_lint_lists_warnings_and_exits_0_unless_it_is_strict(run: CliRunner, tmp_path: Path) -> None:
    path = written(tmp_path, DOUBTFUL)
    result = run.invoke(app, ["lint", path])
    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()
    assert line.startswith(f"{path}:4:21: model.machine_prone: warning: rules[0]: every page.viewed gives points")
    assert "1 checked, 0 found, 1 warning, 2 notes" in result.stderr
    assert run.invoke(app, ["lint", "--strict", path]).exit_code == 1
    assert run.invoke(app, ["lint", "--strict", "simple-100"]).exit_code == 0


def test_lint_lists_notes_when_asked(run: CliRunner) -> None:
    result = run.invoke(app, ["lint", "--notes", "simple-100"])
    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()
    assert line.startswith("simple-100.yaml:7:1: model.time_zone_missing: note: ")


def test_lint_leaves_out_the_cases_beside_a_model(run: CliRunner, tmp_path: Path) -> None:
    result = run.invoke(app, ["lint", written(tmp_path, GOOD), str(tmp_path / "m.cases.yaml")])
    assert result.exit_code == 0
    assert "1 checked, 0 found" in result.stderr


def test_findings_on_a_terminal_are_grouped_by_file_and_level() -> None:
    console = Console(file=StringIO(), force_terminal=True, width=160, color_system=None)
    places = [("model.no_rearm", "b.yaml", 3), ("model.wrong_type", "a.yaml", 5), ("model.machine_prone", "a.yaml", 2)]
    found = [Finding(code, where, line, 7, "rules[0]", "is odd", "mend it") for code, where, line in places]  # type: ignore[arg-type]
    print_findings(console, found)
    assert isinstance(console.file, StringIO)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", console.file.getvalue()).splitlines()
    assert lines == [
        "b.yaml",
        "  note line 3, column 7  model.no_rearm",
        "    rules[0]: is odd",
        "    fix: mend it",
        "a.yaml",
        "  error line 5, column 7  model.wrong_type",
        "    rules[0]: is odd",
        "    fix: mend it",
        "  warning line 2, column 7  model.machine_prone",
        "    rules[0]: is odd",
        "    fix: mend it",
    ]


def test_lint_exits_1_with_one_line_a_finding(run: CliRunner, tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace("points", "pionts") + "tiers: {cold: 0, hot: 0}\n")
    result = run.invoke(app, ["lint", path])
    assert result.exit_code == 1
    first, second = result.stdout.splitlines()
    assert first == f'{path}:4:45: model.unknown_key: rules[0].pionts: there is no key "pionts" here; write "points"'
    assert second.startswith(f"{path}:5:23: model.unreachable_tier: tiers.hot: ")


def test_lint_gives_json_to_programs(run: CliRunner, tmp_path: Path) -> None:
    result = run.invoke(app, ["lint", "--output", "json", written(tmp_path, GOOD + "bogus: 1\n")])
    (found,) = json.loads(result.stdout)
    assert (found["code"], found["line"], found["column"], found["key"]) == ("model.unknown_key", 5, 1, "bogus")
    assert found["level"] == "error"
    doubts = json.loads(run.invoke(app, ["lint", "--output", "json", "simple-100"]).stdout)
    assert [(one["code"], one["level"]) for one in doubts] == [("model.time_zone_missing", "note")]


@pytest.mark.parametrize("command", [["lint", "no-such.yaml"], ["show", "simpl-100"], ["lint"], ["paint"]])
def test_wrong_use_exits_2(run: CliRunner, command: list[str]) -> None:
    assert run.invoke(app, command).exit_code == 2


def test_show_of_a_wrong_model_exits_1(run: CliRunner, tmp_path: Path) -> None:
    result = run.invoke(app, ["show", written(tmp_path, GOOD + "bogus: 1\n")])
    assert result.exit_code == 1
    assert "bogus" in result.stderr


def test_show_prints_rules_tiers_and_thresholds_without_colour(run: CliRunner) -> None:
    result = run.invoke(app, ["show", "simple-100"])
    assert result.exit_code == 0
    assert "\x1b" not in result.stdout
    for part in (
        "pricing page",
        "starts_with: /pricing",
        "half_life: 30d",
        "once per contact",
        "warm",
        "at_least: 100",
    ):
        assert part in result.stdout


def test_show_gives_the_content_to_programs(run: CliRunner) -> None:
    shown = json.loads(run.invoke(app, ["show", "simple-100", "--output", "json"]).stdout)
    assert shown["digest"] == load_model("simple-100").digest
    assert shown["content"]["tiers"] == {"cold": 0, "warm": 25, "hot": 50}


def test_show_prints_names_with_brackets_as_they_are(run: CliRunner, tmp_path: Path) -> None:
    result = run.invoke(app, ["show", written(tmp_path, GOOD.replace("rule: a", 'rule: "[red]a"'))])
    assert "[red]a" in result.stdout


def test_list_names_each_shipped_model_with_version_and_digest(run: CliRunner) -> None:
    model = load_model("simple-100")
    result = run.invoke(app, ["list"])
    assert result.exit_code == 0
    assert model.digest in result.stdout
    rows = json.loads(run.invoke(app, ["list", "--output", "json"]).stdout)
    assert {"model": "simple-100", "version": 1, "digest": model.digest} in rows


def test_explain_code_lists_every_code_with_its_level(run: CliRunner) -> None:
    lines = run.invoke(app, ["explain-code"]).stdout.splitlines()
    assert [tuple(line.split()[:2]) for line in lines] == list(LEVELS.items())


@pytest.mark.parametrize("code", ["model.no_rearm", "no_rearm"])
def test_explain_code_says_why_with_an_example(run: CliRunner, code: str) -> None:
    text = run.invoke(app, ["explain-code", code]).stdout
    assert text.startswith("model.no_rearm note\n")
    assert "told again and again" in text
    assert "before:" in text
    assert "    qualify: {when: {score: {at_least: 100}}, rearm: {score: {less_than: 80}}}" in text


def test_explain_code_gives_all_of_them_to_programs(run: CliRunner) -> None:
    rows = json.loads(run.invoke(app, ["explain-code", "--output", "json"]).stdout)
    assert [row["code"] for row in rows] == list(LEVELS)
    assert all(row["why"] and row["before"] and row["after"] for row in rows)


def test_explain_code_names_the_nearest_code(run: CliRunner) -> None:
    result = run.invoke(app, ["explain-code", "no-rearm"])
    assert result.exit_code == 2
    assert 'write "model.no_rearm"' in result.stderr


STARTS = ("simple-100", "b2b-fit", "daily-fade", "blank")


@pytest.mark.parametrize("start", STARTS)
def test_new_model_is_clean_and_has_its_own_name(
    run: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run.invoke(app, ["new", "spring-leads", "--from", start])
    assert result.exit_code == 0, result.stderr
    text = (tmp_path / "spring-leads.yaml").read_text("utf-8")
    model = load_model(tmp_path / "spring-leads.yaml")
    assert (model.name, model.version) == ("spring-leads", 1)
    assert [one for one in review_model(text, "m") if one.level != "note"] == []
    hint, title, *_ = text.splitlines()
    assert hint == "# yaml-language-server: $schema=scoring-model.v1.schema.json"
    assert title.startswith(f"# spring-leads, begun from {start}: ")


def test_new_begins_with_simple_100_and_brings_the_schema(
    run: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run.invoke(app, ["new", "mine"])
    assert len(load_model(tmp_path / "mine.yaml").rules) == len(load_model("simple-100").rules)
    schema = json.loads((tmp_path / "scoring-model.v1.schema.json").read_text("utf-8"))
    assert schema["title"] == "Scoring model"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.yaml", "scoring-model.v1.schema.json"]


def test_blank_model_has_nothing_that_could_be_said_of_it(
    run: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run.invoke(app, ["new", "mine", "--from", "blank"])
    assert review_model((tmp_path / "mine.yaml").read_text("utf-8"), "m") == []


@pytest.mark.parametrize("start", ["simple-100", "blank"])
def test_new_with_cases_brings_cases_that_hold(
    run: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run.invoke(app, ["new", "mine", "--from", start, "--cases"]).exit_code == 0
    cases = (tmp_path / "mine.cases.yaml").read_text("utf-8")
    assert cases.startswith("# Cases for mine: ")
    assert "`leadscore model test mine.yaml` runs them" in cases
    assert start not in cases
    result = run.invoke(app, ["test", "mine.yaml"])
    assert result.exit_code == 0, result.stdout


@pytest.mark.parametrize("there", ["mine.yaml", "mine.cases.yaml"])
def test_new_never_writes_over_a_file(
    run: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: str
) -> None:
    """If this fails, a week of somebody's work is gone."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / there).write_text("precious", "utf-8")
    result = run.invoke(app, ["new", "mine", "--cases"])
    assert result.exit_code == 2
    assert "is there already" in result.stderr
    assert [path.read_text("utf-8") for path in tmp_path.iterdir()] == ["precious"]


def test_new_writes_where_it_is_told_and_leaves_a_schema_that_is_there(run: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "scoring-model.v1.schema.json").write_text("{}", "utf-8")
    out = tmp_path / "other.yml"
    assert run.invoke(app, ["new", "mine", "--from", "blank", "--cases", "--out", str(out)]).exit_code == 0
    assert load_model(out).name == "mine"
    assert (tmp_path / "other.cases.yaml").is_file()
    assert (tmp_path / "scoring-model.v1.schema.json").read_text("utf-8") == "{}"


@pytest.mark.parametrize(
    ("arguments", "advice"),
    [
        (["Mine"], "small letters"),
        (["mine", "--from", "simpel-100"], 'write "simple-100"'),
        (["mine", "--out", "no/such/folder/mine.yaml"], "name another place"),
    ],
)
def test_new_says_what_is_wrong(
    run: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], advice: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run.invoke(app, ["new", *arguments])
    assert result.exit_code == 2
    assert advice in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_show_says_how_groups_fade_and_drain_and_what_is_late(run: CliRunner, tmp_path: Path) -> None:
    shown = run.invoke(app, ["show", "daily-fade"]).stdout
    lines = {line.split()[0]: line.split() for line in shown.partition("\ngroups")[2].splitlines() if line.split()}
    assert lines["group"] == ["group", "floor", "cap", "decay", "drain"]
    assert " ".join(lines["basics"]).endswith("percent: {rate: 2%, every: 1d}")
    assert " ".join(lines["loyalty"]).endswith("1 every 1d")
    assert "lateness 3d" in shown
    late = run.invoke(app, ["show", written(tmp_path, GOOD + "lateness: 36h\n")]).stdout
    assert "lateness 36h" in late


def test_show_prints_pools_resets_and_every_form_of_decay(run: CliRunner) -> None:
    shown = run.invoke(app, ["show", "daily-fade"]).stdout
    assert "1 every 1d" in shown
    assert "percent: {rate: 1%, every: 1d}" in shown
    assert "resets engagement" in run.invoke(app, ["show", "b2b-fit"]).stdout
