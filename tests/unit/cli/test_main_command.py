from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from aiokafka.errors import TopicAuthorizationFailedError
from typer.testing import CliRunner

import worker
from worker.cli import main as command
from worker.errors import ConfigError, DependencyError, ModelError, RestartRequired, StateError, WorkerError

COMMANDS = ("demo", "replay", "model", "run", "send", "settings", "topics", "lag", "dlq", "offsets", "contact")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    result = CliRunner().invoke(command.app, [name, "--help"], env={"COLUMNS": "200"})
    assert result.exit_code == 0
    assert "Usage" in result.output


def test_no_command_shows_all_of_them() -> None:
    result = CliRunner().invoke(command.app, [], env={"COLUMNS": "200"})
    assert all(name in result.output for name in COMMANDS)


def test_help_lists_first_what_needs_no_worker_and_every_line_is_whole_on_a_narrow_terminal() -> None:
    shown = CliRunner().invoke(command.app, ["--help"], env={"COLUMNS": "80"}).output.partition("Commands:")[2]
    assert tuple(line.split()[0] for line in shown.splitlines() if line.strip()) == COMMANDS
    assert "..." not in shown


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


EVERY_COMMAND = [
    ("send", "--contact", "c", "--type", "t"),
    ("lag",),
    ("dlq", "list"),
    ("dlq", "show", "0:1"),
    ("dlq", "replay", "--yes"),
    ("contact", "show", "c"),
    ("contact", "export", "c", "--out", "-"),
    ("contact", "erase", "c", "--yes"),
    ("contact", "dump", "--out", "somewhere"),
    ("model", "drop", "old"),
    ("offsets", "show"),
    ("offsets", "skip", "0:1"),
    ("topics", "acls"),
    ("topics", "epoch", "--raise"),
    ("topics", "plan"),
    ("topics", "create"),
    ("topics", "check"),
    ("settings",),
]


@pytest.mark.parametrize("arguments", EVERY_COMMAND, ids=" ".join)
def test_every_command_says_in_text_what_is_wrong_with_the_settings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("LEADSCORE_BROKERS", "localhost:1")
    monkeypatch.setenv("LEADSCORE_TIME", "sideways")
    assert exit_code(monkeypatch, *arguments) == 78
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("config.invalid: environment: 1 setting cannot be used\n  - LEADSCORE_TIME: ")
    assert "\n  fix: " in err
    assert "Traceback" not in err


def test_defect_exits_70_and_quotes_no_event(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If this fails, an alert on exit 1 (findings) rings for a crash, or the crash prints a contact."""
    from worker.contracts import partitioner

    def app() -> None:
        partitioner.partition_of(b"canary", "canary")  # type: ignore[arg-type]

    monkeypatch.setattr(command, "app", app)
    assert exit_code(monkeypatch) == 70
    said = capsys.readouterr().err
    assert "worker.error: TypeError" in said
    assert "partition_of" in said
    assert "report it" in said


def test_what_a_broker_denies_is_the_operators_to_mend(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "app", raising(TopicAuthorizationFailedError("lead-scores")))
    assert exit_code(monkeypatch) == 78
    assert capsys.readouterr().err.startswith("config.invalid: topic lead-scores: this user may not")


@pytest.fixture
def _root_logger_is_kept() -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = before, level
    logging.captureWarnings(capture=False)


@pytest.mark.usefixtures("_root_logger_is_kept")
def test_run_says_it_in_json_where_its_log_is_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """If this fails, the one line that says why nothing starts is lost in the log collection."""
    assert exit_code(monkeypatch, "run") == 78
    (line,) = capsys.readouterr().err.splitlines()
    said = json.loads(line)
    assert (said["event"], said["exit_code"], said["code"]) == ("worker_ends", 78, "config.invalid")
    assert "LEADSCORE_BROKERS" in said["reason"]
    assert "; fix: " in said["reason"]
    assert "\n" not in said["reason"]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_run_says_it_in_text_to_people(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], is_terminal: bool
) -> None:
    if is_terminal:
        monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    else:
        monkeypatch.setenv("LEADSCORE_LOG_FORMAT", "text")
    monkeypatch.setenv("LEADSCORE_BROKERS", "localhost:1")
    assert exit_code(monkeypatch, "run") == 78
    said = capsys.readouterr().err
    assert said.startswith("config.invalid: environment: ")
    assert "LEADSCORE_ERASURE_KEY" in said
