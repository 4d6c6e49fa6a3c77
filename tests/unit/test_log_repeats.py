"""A library that says the same thing many times a second fills no disk, and hides nothing: what is left out is counted."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest

from worker.logs import QUIET_LOGGERS, RepeatFilter, configure, log_event


def _record(
    text: str, *args: object, at: float, name: str = "aiokafka.client", level: int = logging.ERROR
) -> logging.LogRecord:
    record = logging.LogRecord(name, level, __file__, 1, text, args, None)
    record.created = at
    return record


def _passed(limit: RepeatFilter, *records: logging.LogRecord) -> list[tuple[float, int]]:
    """Return time and count of suppressed ones of each record that passes."""
    return [(one.created, getattr(one, "suppressed", 0)) for one in records if limit.filter(one)]


def test_three_lines_of_a_kind_pass_each_minute_and_the_next_one_counts_the_others() -> None:
    limit = RepeatFilter(QUIET_LOGGERS)
    said = [_record("Unable connect to node with id %s: %s", 1, number, at=number / 10) for number in range(1000)]
    assert _passed(limit, *said) == [(0.0, 0), (0.1, 0), (0.2, 0), (60.0, 597), (60.1, 0), (60.2, 0)]


def test_another_kind_is_not_held_up() -> None:
    limit = RepeatFilter(QUIET_LOGGERS, lines=1)
    kinds = [
        _record("one %s", 1, at=0.0),
        _record("two %s", 1, at=0.1),
        _record("one %s", 1, at=0.2, name="aiokafka.conn"),
        _record("one %s", 1, at=0.3, level=logging.WARNING),
    ]
    assert len(_passed(limit, *kinds)) == 4
    assert _passed(limit, *kinds) == []


def test_numbers_that_are_part_of_the_text_make_no_new_kind() -> None:
    limit = RepeatFilter(QUIET_LOGGERS, lines=1)
    assert len(_passed(limit, *(_record(f"node {number} is gone", at=0.0) for number in range(50)))) == 1


def test_texts_without_end_take_no_memory_without_end() -> None:
    limit = RepeatFilter(QUIET_LOGGERS)
    for number in range(5000):
        limit.filter(_record("x" * (number % 100) + chr(0x4E00 + number), at=0.0))
    assert len(limit._windows) == 500


def test_a_clock_that_goes_back_silences_nobody() -> None:
    limit = RepeatFilter(QUIET_LOGGERS, lines=1)
    assert _passed(limit, _record("x", at=7200.0), _record("x", at=3600.0)) == [(7200.0, 0), (3600.0, 0)]


@pytest.fixture
def out() -> Iterator[io.StringIO]:
    loggers = [logging.getLogger(name) for name in (None, "worker", *QUIET_LOGGERS)]
    before = [(one, one.level, list(one.handlers)) for one in loggers]
    stream = io.StringIO()
    configure(stream=stream)
    yield stream
    logging.captureWarnings(capture=False)
    for one, level, handlers in before:
        one.setLevel(level)
        one.handlers[:] = handlers


def test_our_own_events_all_pass(out: io.StringIO) -> None:
    for number in range(10):
        log_event(logging.getLogger("worker.stream"), logging.INFO, "round_held", partition=number)
        logging.getLogger("aiokafka.client").error("Unable connect to node %s", number)
    lines = [json.loads(line) for line in out.getvalue().splitlines()]
    assert sum(line["event"] == "round_held" for line in lines) == 10
    assert sum(line["event"] == "library_message" for line in lines) == 3


def test_the_line_says_how_many_were_left_out(out: io.StringIO) -> None:
    handler = logging.getLogger().handlers[0]
    for at in (0.0, 1.0, 2.0, 3.0, 4.0, 61.0):
        record = _record("Unable connect to node %s", 1, at=at)
        handler.handle(record)
    last = json.loads(out.getvalue().splitlines()[-1])
    assert (last["message"], last["suppressed"]) == ("Unable connect to node 1", 2)
