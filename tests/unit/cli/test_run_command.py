"""`leadscore run`: one process as ever, several under a supervisor."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from worker.cli.main import app
from worker.settings import Settings
from worker.stores.directory_lock import LOCK_NAME

ENVIRON = {
    "LEADSCORE_BROKERS": "kafka:9092",
    "LEADSCORE_ERASURE_KEY": "0123456789abcdef",
    "LEADSCORE_STORE": "memory://",
}


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    logging.getLogger("worker").setLevel(logging.NOTSET)
    logging.captureWarnings(capture=False)


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Note what would have run: nothing but a number for one worker, number and environment for several."""
    found: list[Any] = []

    def one(settings: Settings) -> int:
        found.append(1)
        assert settings.brokers == ("kafka:9092",)
        return 0

    def several(settings: Settings, environ: Mapping[str, str], processes: int) -> int:
        found.append((processes, settings.processes, environ["LEADSCORE_PROCESSES"]))
        return 70

    monkeypatch.setattr("worker.stream.worker.run_worker", one)
    monkeypatch.setattr("worker.processes.supervisor.run_processes", several)
    monkeypatch.setattr("worker.processes.cores.usable_cores", lambda: 6)
    return found


def run(*arguments: str, **environ: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["run", *arguments], env={**ENVIRON, **environ})
    return result.exit_code, result.output


def test_one_process_has_nobody_above_it(ran: list[Any]) -> None:
    assert [run()[0], run("--processes", "1")[0], run(LEADSCORE_PROCESSES="1")[0]] == [0, 0, 0]
    assert ran == [1, 1, 1]


def test_several_are_asked_for_by_option_or_variable_and_the_option_wins(ran: list[Any]) -> None:
    assert run("--processes", "3")[0] == 70
    assert run(LEADSCORE_PROCESSES="4")[0] == 70
    assert run("--processes", "2", LEADSCORE_PROCESSES="4")[0] == 70
    assert ran == [(3, 3, "3"), (4, 4, "4"), (2, 2, "2")]


@pytest.mark.parametrize("word", ["auto", "0"])
def test_auto_is_one_for_each_usable_core(ran: list[Any], word: str) -> None:
    run("--processes", word)
    assert [processes for processes, _, _ in ran] == [6]


def test_auto_on_one_core_is_one_process(ran: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.processes.cores.usable_cores", lambda: 1)
    run("--processes", "auto")
    assert ran == [1]


def test_no_number_is_a_usage_error(ran: list[Any]) -> None:
    code, said = run("--processes", "many")
    assert code == 2
    assert "auto" in said
    assert ran == []


def test_one_process_leaves_nothing_of_several_that_ran_before(ran: list[Any], tmp_path: Path) -> None:
    """If this fails, state of contacts stays on the disk for ever, and no erasure reaches it."""
    (tmp_path / "process-1/0").mkdir(parents=True)
    (tmp_path / "process-1" / LOCK_NAME).touch()
    (tmp_path / "0").mkdir()
    run(LEADSCORE_STORE=f"rocksdb://{tmp_path}")
    assert ran == [1]
    assert {path.name for path in tmp_path.iterdir()} == {LOCK_NAME, "0"}
