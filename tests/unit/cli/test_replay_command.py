from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from tests.support.small import DAY, START, event_value
from worker.cli.replay import replay
from worker.errors import ModelError

MODEL = {
    "model": "loans",
    "version": 3,
    "rules": [{"rule": "asked", "when": {"type": "asked"}, "points": 60}],
    "tiers": {"cold": 0, "hot": 50},
    "qualify": {"when": {"score": {"at_least": 100}}},
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "loans.yaml").write_text(json.dumps(MODEL))
    (tmp_path / "more.yaml").write_text(json.dumps(MODEL | {"model": "more"}))
    lines = [event_value("asked", START + day * DAY) for day in (0, 1, 2)] + [b"no event"]
    (tmp_path / "history.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines)))
    return tmp_path


def run(folder: Path, *arguments: str, model: str = "loans.yaml") -> Result:
    app = typer.Typer()
    app.command()(replay)
    wanted = [str(folder / "history.jsonl.gz"), "--model", str(folder / model), *arguments]
    return CliRunner().invoke(app, wanted, env={"COLUMNS": "200", "NO_COLOR": "1"})


def test_text_says_who_qualified_when_and_what_was_refused(folder: Path) -> None:
    result = run(folder)
    assert result.exit_code == 0
    for part in (
        "1 contacts as of 2026-01-03",
        "1 times ready",
        "2026-01-02 00:00",
        "sales_ready",
        "asked 120",
        "event.not_json",
    ):
        assert part in result.stdout


def test_json_is_for_programs_and_complete(folder: Path) -> None:
    result = run(folder, "--output", "json")
    told = json.loads(result.stdout)
    assert told["as_of_ms"] == START + 2 * DAY
    assert told["counts"]["effective loans"] == 3
    assert told["refused"] == {"event.not_json": 1}
    assert told["models"]["loans"]["tiers"] == {"hot": 1}
    assert [one["kind"] for one in told["models"]["loans"]["transitions"]] == ["lead.sales_ready"]


def test_as_of_an_instant_leaves_later_events_out(folder: Path) -> None:
    result = run(folder, "--output", "json", "--as-of", "2026-01-01T12:00:00Z")
    told = json.loads(result.stdout)
    assert told["counts"]["effective loans"] == 1
    assert told["models"]["loans"]["transitions"] == []


def test_out_writes_both_files(folder: Path) -> None:
    assert run(folder, "--out", str(folder / "out")).exit_code == 0
    assert (folder / "out" / "scores.csv").read_text().splitlines()[1].startswith("c,false,180.0,180.0,hot,")
    (line,) = (folder / "out" / "transitions.jsonl").read_text().splitlines()
    assert json.loads(line)["at"] == START + DAY


def test_several_models_get_a_folder_each(folder: Path) -> None:
    run(folder, "--out", str(folder / "out"), "--model", str(folder / "more.yaml"))
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["loans", "more"]


@pytest.mark.parametrize("instant", ["yesterday", "2026-01-01", "2026-01-01T00:00:00"])
def test_instant_without_zone_or_sense_is_a_usage_error(folder: Path, instant: str) -> None:
    result = run(folder, "--as-of", instant)
    assert result.exit_code == 2
    assert "--as-of" in result.output


def test_unknown_output_is_a_usage_error(folder: Path) -> None:
    assert run(folder, "--output", "xml").exit_code == 2


def test_missing_file_is_a_usage_error(folder: Path) -> None:
    (folder / "history.jsonl.gz").unlink()
    assert run(folder).exit_code == 2


def test_missing_model_is_a_model_error(folder: Path) -> None:
    assert isinstance(run(folder, model="other.yaml").exception, ModelError)


def test_same_model_twice_is_refused(folder: Path) -> None:
    """Two of one name would share their state and their files."""
    result = run(folder, "--model", str(folder / "loans.yaml"))
    assert isinstance(result.exception, ModelError)
    assert "model.duplicate_name" in str(result.exception)
