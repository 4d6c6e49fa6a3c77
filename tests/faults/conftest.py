"""The broker of the fault runs, and their figures: one line of JSON a run, shown at once and again at the end."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import pytest

from tests.broker.conftest import brokers as brokers  # noqa: PLC0414 - pytest finds a fixture by its name here

Report = Callable[[Mapping[str, object]], None]
_figures = pytest.StashKey[list[str]]()


@pytest.fixture
def report(pytestconfig: pytest.Config, capfd: pytest.CaptureFixture[str]) -> Report:
    """Return what takes the figures of a run."""
    lines = pytestconfig.stash.setdefault(_figures, [])

    def take(figures: Mapping[str, object]) -> None:
        lines.append(json.dumps(figures))
        with capfd.disabled():
            print(f"\n{lines[-1]}", flush=True)

    return take


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """List the figures of every run."""
    if lines := config.stash.get(_figures, []):
        terminalreporter.section("figures of the runs")
        for line in lines:
            terminalreporter.write_line(line)
