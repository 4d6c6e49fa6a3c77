"""PARTITION:OFFSET on the command line, as every command that takes one reads it."""

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from worker.cli.bounds import parse_place
from worker.cli.main import app


def test_place_is_a_partition_and_an_offset() -> None:
    assert parse_place("3:1042") == (3, 1042)


@pytest.mark.parametrize("text", ["", "3", ":", "3:", ":1042", "3:-1", "-3:1", "3:1:2", "3 :1", "three:1", "٣:1"])
def test_what_is_no_place_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"write 3:1042 for the record at offset 1042 of partition 3"):
        parse_place(text)


@pytest.mark.parametrize("command", [("dlq", "show"), ("offsets", "skip")], ids=" ".join)
def test_commands_that_take_a_place_end_with_2_before_they_ask_a_broker(command: tuple[str, ...]) -> None:
    result = CliRunner().invoke(app, [*command, "17"], env={"LEADSCORE_BROKERS": "localhost:1"})
    assert result.exit_code == 2
    assert "3:1042" in result.output
