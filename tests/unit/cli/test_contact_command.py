from __future__ import annotations

import pytest
from typer.testing import CliRunner

from worker.cli.contact import app
from worker.cli.instants import parse_as_of
from worker.errors import ConfigError


def test_end_asks_for_the_newest_instant_there_is() -> None:
    assert parse_as_of("END") is None
    assert parse_as_of("2026-03-01T13:00:00+01:00") == 1_772_366_400_000


def test_dump_needs_a_folder() -> None:
    assert CliRunner().invoke(app, ["dump"]).exit_code == 2


def test_dump_without_settings_is_refused_before_anything_connects() -> None:
    result = CliRunner().invoke(app, ["dump", "--out", "somewhere"])
    assert isinstance(result.exception, ConfigError)
    assert "LEADSCORE_BROKERS" in str(result.exception)


@pytest.mark.parametrize("instant", ["end", "now", "2026-03-01"])
def test_instant_without_sense_is_a_usage_error(instant: str) -> None:
    result = CliRunner().invoke(app, ["dump", "--out", "somewhere", "--as-of", instant])
    assert result.exit_code == 2
