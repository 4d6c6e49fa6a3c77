from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

import worker
from worker.cli import main as command
from worker.errors import ConfigError, DependencyError, ModelError, RestartRequired, StateError, WorkerError

COMMANDS = ("run", "demo", "send", "replay", "model", "topics", "contact", "settings")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(command.app, [name, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_no_command_shows_all_of_them() -> None:
    result = CliRunner().invoke(command.app, [], env={"COLUMNS": "200"})
    assert all(name in result.output for name in COMMANDS)


def test_version_is_that_of_the_package() -> None:
    result = CliRunner().invoke(command.app, ["--version"])
    assert (result.exit_code, result.output) == (0, f"leadscore {worker.__version__}\n")


def test_help_says_all_that_can_be_done_with_a_model() -> None:
    result = CliRunner().invoke(command.app, ["--help"], env={"COLUMNS": "200"})
    (line,) = [one for one in result.output.splitlines() if one.split()[:1] == ["model"] or " model " in one[:12]]
    for word in ("write", "check", "test", "explain", "fit", "show", "list"):
        assert word in line.lower()


def exit_code(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["leadscore", *arguments])
    with pytest.raises(SystemExit) as stopped:
        command.main()
    return int(stopped.value.code or 0)


def test_unknown_command_is_a_usage_error(monkeypatch: pytest.MonkeyPatch) -> None:
    assert exit_code(monkeypatch, "improve") == 2


def test_missing_settings_exit_78_with_code_and_fix(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(monkeypatch, "send", "--contact", "c", "--type", "t") == 78
    said = capsys.readouterr().err
    assert said.startswith("config.invalid: ")
    assert "LEADSCORE_BROKERS" in said
    assert "Traceback" not in said


def test_damaged_history_exits_78(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "history.gz"
    path.write_bytes(b"\x1f\x8b\x08\x00cut")
    assert exit_code(monkeypatch, "replay", str(path), "--model", "simple-100") == 78


def raising(error: BaseException) -> object:
    def app() -> None:
        raise error

    return app


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError(where="w", problem="p", fix="f"), 78),
        (ModelError(where="w", problem="p", fix="f", finding="model.x"), 78),
        (StateError(where="w", problem="p", fix="f"), 78),
        (DependencyError(what="w", problem="p", fix="f"), 69),
        (RestartRequired(what="w", problem="p"), 70),
        (KeyboardInterrupt(), 130),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else str(value),
)
def test_error_decides_the_exit_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: BaseException, code: int
) -> None:
    monkeypatch.setattr(command, "app", raising(error))
    assert exit_code(monkeypatch) == code
    if isinstance(error, WorkerError):
        assert capsys.readouterr().err == f"{error.code}: {error}\n"
