"""The log of several processes: whole lines, each with its process."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from worker.logs import configure
from worker.processes.relay import LONGEST_BYTES, Lines, Relay

LINE = {"time": "2026-11-23T05:33:12.351Z", "level": "INFO", "logger": "worker.x", "event": "round", "n": 3}


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)
    logging.getLogger("worker").setLevel(logging.NOTSET)
    logging.captureWarnings(capture=False)


def test_halves_of_a_line_wait_for_each_other() -> None:
    lines = Lines()
    assert lines.take(b"one\ntw") == [b"one"]
    assert lines.take(b"o") == []
    assert lines.take(b"\n\nthree\nfo") == [b"two", b"three"]
    assert lines.end() == [b"fo"]
    assert lines.end() == []


def test_a_line_without_end_does_not_fill_the_memory() -> None:
    lines = Lines()
    found = lines.take(b"x" * (2 * LONGEST_BYTES + 5))
    assert [len(line) for line in found] == [LONGEST_BYTES, LONGEST_BYTES]
    assert lines.end() == [b"xxxxx"]


def relayed(log_format: Any, process: int, *lines: bytes) -> tuple[str, list[tuple[int, str]]]:
    out, heard = io.StringIO(), []
    relay = Relay(log_format, out=out, hear=lambda number, event: heard.append((number, event["event"])))
    configure("json", stream=relay.stream())
    for line in lines:
        relay.line(process, line)
    return out.getvalue(), heard


def test_an_event_gets_the_number_of_its_process_and_is_heard() -> None:
    written, heard = relayed("json", 2, json.dumps(LINE).encode())
    assert json.loads(written) == {**LINE, "process": 2}
    assert written.count("\n") == 1
    assert heard == [(2, "round")]


def test_what_is_no_event_is_written_as_one_with_the_number_of_its_process() -> None:
    half = json.dumps(LINE)[:30]
    written, heard = relayed("json", 1, b"Fatal Python error: Aborted \xff", half.encode())
    first, second = map(json.loads, written.splitlines())
    assert (first["event"], first["process"], first["line"]) == (
        "process_output",
        1,
        "Fatal Python error: Aborted \N{REPLACEMENT CHARACTER}",
    )
    assert second["line"] == half
    assert heard == []


def test_the_supervisors_own_lines_have_number_0_unless_they_are_about_a_process() -> None:
    out = io.StringIO()
    configure("json", stream=Relay("json", out=out).stream())
    log = logging.getLogger("worker.processes")
    log.info("supervisor_starts", extra={"fields": {"processes": 2}})
    log.info("process_ends", extra={"fields": {"process": 2}})
    assert [json.loads(line)["process"] for line in out.getvalue().splitlines()] == [0, 2]


def test_text_for_people_is_what_one_process_would_have_written() -> None:
    failure = {**LINE, "error": "  File x\nValueError: no"}
    written, _ = relayed("text", 2, json.dumps(LINE).encode(), json.dumps(failure).encode())
    first, *more = written.splitlines()
    assert first == "2026-11-23T05:33:12.351Z INFO    worker.x round n=3 process=2"
    assert more[1:] == ["      File x", "    ValueError: no"]
