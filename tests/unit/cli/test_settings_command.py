from __future__ import annotations

import json

import pytest
import typer
from typer.testing import CliRunner, Result

from worker.cli.settings import settings
from worker.settings import VARIABLES

LEAST = {"LEADSCORE_BROKERS": "kafka:9092", "COLUMNS": "200"}
SECRET = "canary-canary-canary"


def run(*arguments: str, **environ: str) -> Result:
    app = typer.Typer()
    app.command()(settings)
    return CliRunner().invoke(app, list(arguments), env=LEAST | environ)


def test_json_lists_every_setting_with_value_and_origin() -> None:
    result = run("--output", "json", LEADSCORE_WEB_TOKEN=SECRET, LEADSCORE_TIME="stream")
    assert result.exit_code == 0
    found = {one["name"]: (one["value"], one["origin"]) for one in json.loads(result.stdout)}
    assert list(found) == [variable.name for variable in VARIABLES]
    assert found["LEADSCORE_TIME"] == ("stream", "LEADSCORE_TIME")
    assert found["LEADSCORE_MAX_SKEW"] == ("5m", "default")
    assert found["LEADSCORE_WEB_TOKEN"] == ("****", "LEADSCORE_WEB_TOKEN")


def test_text_shows_every_setting_and_no_secret() -> None:
    result = run(LEADSCORE_ERASURE_KEY=SECRET)
    assert result.exit_code == 0
    assert all(variable.name in result.stdout for variable in VARIABLES)
    assert SECRET not in result.stdout


@pytest.mark.parametrize("output", ["text", "json"])
def test_wrong_settings_exit_78_and_name_every_problem(output: str) -> None:
    result = run("--output", output, LEADSCORE_WEB_PORT="x", LEADSCORE_NOPE="1")
    assert result.exit_code == 78
    assert result.stdout == ""
    assert "LEADSCORE_WEB_PORT" in result.stderr
    assert "LEADSCORE_NOPE" in result.stderr


def test_value_that_looks_like_markup_is_shown_as_it_is() -> None:
    result = run(LEADSCORE_MODELS="./[bold]m[/bold].yaml")
    assert "./[bold]m[/bold].yaml" in result.stdout
