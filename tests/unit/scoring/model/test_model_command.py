"""`leadscore model`: exits, lines that editors understand, JSON for programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from worker.cli.model import app
from worker.scoring.model_file import load_model

GOOD = "model: m\nversion: 1\nrules:\n  - {rule: a, when: {type: page.viewed}, points: 5}\n"


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
    assert "2 checked, 0 found" in result.stderr


def test_lint_exits_1_with_one_line_a_finding(run: CliRunner, tmp_path: Path) -> None:
    path = written(tmp_path, GOOD.replace("points", "pionts") + "tiers: {cold: 0, hot: 0}\n")
    result = run.invoke(app, ["lint", path])
    assert result.exit_code == 1
    first, second = result.stdout.splitlines()
    assert first == f'{path}:4:42: model.unknown_key: rules[0].pionts: there is no key "pionts" here; write "points"'
    assert second.startswith(f"{path}:5:23: model.unreachable_tier: tiers.hot: ")


def test_lint_gives_json_to_programs(run: CliRunner, tmp_path: Path) -> None:
    result = run.invoke(app, ["lint", "--output", "json", written(tmp_path, GOOD + "bogus: 1\n")])
    (found,) = json.loads(result.stdout)
    assert (found["code"], found["line"], found["column"], found["key"]) == ("model.unknown_key", 5, 1, "bogus")


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
