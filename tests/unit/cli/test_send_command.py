from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from worker.cli.send import send
from worker.contracts.event_decoding import decode_event
from worker.errors import ConfigError
from worker.operations.send import count_lines, event_line

AT = "2026-03-01T12:00:00Z"


def test_event_of_the_command_line_is_one_that_the_worker_takes() -> None:
    line = event_line("c", "page.viewed", ["path=/pricing", "n=3", "flag=true", "empty=", "text=a=b"], AT, "id-1")
    one = decode_event(line, b"c")
    assert (one.id, one.type, one.occurred_at) == ("id-1", "page.viewed", 1_772_366_400_000)
    assert one.properties == {"path": "/pricing", "n": 3, "flag": True, "empty": "", "text": "a=b"}


def test_event_without_id_gets_one_of_its_own() -> None:
    ids = {json.loads(event_line("c", "t", [], AT, None))["id"] for _ in range(3)}
    assert len(ids) == 3


def test_property_without_equals_sign_is_refused_by_name() -> None:
    with pytest.raises(ConfigError, match="--prop"):
        event_line("c", "t", ["path"], AT, None)


@pytest.mark.parametrize(
    ("contact", "at"), [("c" * 129, AT), ("c", "yesterday"), ("a\tb", AT), ("c", "1980-01-01T00:00:00Z")]
)
def test_event_that_would_be_dead_lettered_is_refused_before_it_is_sent(contact: str, at: str) -> None:
    with pytest.raises(ConfigError, match=r"event\.bad"):
        event_line(contact, "t", [], at, None)


def test_lines_are_counted_without_the_empty_ones(tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"{}\n\n  \n{}\n{}")
    assert count_lines(path) == 3


@pytest.mark.parametrize("arguments", [[], ["--contact", "c"], ["--type", "t"]])
def test_neither_file_nor_event_is_a_usage_error(arguments: list[str]) -> None:
    app = typer.Typer()
    app.command()(send)
    assert CliRunner().invoke(app, arguments, env={"LEADSCORE_BROKERS": "nowhere:1"}).exit_code == 2


def test_file_and_event_at_once_are_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "events").write_bytes(b"{}\n")
    app = typer.Typer()
    app.command()(send)
    arguments = [str(tmp_path / "events"), "--contact", "c", "--type", "t"]
    assert CliRunner().invoke(app, arguments, env={"LEADSCORE_BROKERS": "nowhere:1"}).exit_code == 2
