"""One line an event, whatever is in it, and never an event's content."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import types
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from worker.errors import EventRefused, RestartRequired
from worker.logs import QUIET_LOGGERS, configure, log_event, safe_text

CANARY = "canary-contact-4711"


@pytest.fixture(autouse=True)
def _logging_is_put_back() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in (None, "worker", *QUIET_LOGGERS)]
    before = [(one, one.level, list(one.handlers)) for one in loggers]
    yield
    logging.captureWarnings(capture=False)
    for one, level, handlers in before:
        one.setLevel(level)
        one.handlers[:] = handlers


@pytest.fixture
def out() -> io.StringIO:
    return io.StringIO()


def lines(out: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.getvalue().splitlines()]


def core_function(body: str, module: str = "worker.scoring.fold") -> Callable[[], None]:
    """Return a function that lies in *module* of the core."""
    made = types.ModuleType(module)
    exec(f"def fail():\n    {body}", made.__dict__)  # noqa: S102  the module's name is what the test is about
    fail: Callable[[], None] = made.__dict__["fail"]
    return fail


def test_event_is_one_json_line_with_its_fields_in_order(out: io.StringIO) -> None:
    configure(stream=out)
    log_event(logging.getLogger("worker.stream"), logging.INFO, "partition_assigned", partition=3, offset=17, topic="t")
    (line,) = lines(out)
    assert line["time"].endswith("Z")
    assert list(line)[1:] == ["level", "logger", "event", "partition", "offset", "topic"]
    assert [line[name] for name in list(line)[1:]] == ["INFO", "worker.stream", "partition_assigned", 3, 17, "t"]


def test_field_cannot_replace_what_every_line_has(out: io.StringIO) -> None:
    configure(stream=out)
    log_event(logging.getLogger("worker"), logging.INFO, "tried", level="fake", time="never")
    assert (lines(out)[0]["level"], lines(out)[0]["level_"], lines(out)[0]["time_"]) == ("INFO", "fake", "never")


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_line_breaks_and_escapes_in_a_field_cannot_forge_a_line(out: io.StringIO, log_format: Any) -> None:
    """If this fails, a topic or client name can write log lines of its own, or take over a terminal."""
    configure(log_format, stream=out)
    nasty = "a\r\nERROR forged \x1b[2J \x9b \u2028 \x00 \ud800"
    log_event(logging.getLogger("worker"), logging.INFO, "named", name=nasty)
    logging.getLogger("aiokafka").warning("said %s", nasty)
    text = out.getvalue()
    assert len(text.splitlines()) == 2
    assert not set(text) & {"\r", "\x1b", "\x9b", "\u2028", "\x00"}


def test_value_that_is_no_json_is_logged_as_text(out: io.StringIO) -> None:
    configure(stream=out)
    log_event(logging.getLogger("worker"), logging.INFO, "odd", value={1}, nested=[object, b"x"])
    assert lines(out)[0]["value"] == "{1}"


def test_text_for_a_terminal_is_coloured_and_quotes_what_has_spaces(out: io.StringIO) -> None:
    configure("text", stream=out, colour=True)
    log_event(
        logging.getLogger("worker"), logging.WARNING, "store_set_aside", partition=3, reason="two words", empty=""
    )
    assert out.getvalue().endswith(
        '\x1b[33mWARNING\x1b[0m worker store_set_aside partition=3 reason="two words" empty=""\n'
    )


@pytest.mark.parametrize(("no_color", "is_coloured"), [("", True), ("1", False)])
def test_colour_is_for_terminals_without_no_color(
    monkeypatch: pytest.MonkeyPatch, no_color: str, is_coloured: bool
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("NO_COLOR", no_color)
    for out in (Terminal(), io.StringIO()):
        configure("text", stream=out)
        log_event(logging.getLogger("worker"), logging.INFO, "started")
        assert ("\x1b[" in out.getvalue()) == (is_coloured and out.isatty())


def test_our_level_is_ours_alone(out: io.StringIO) -> None:
    """Libraries quote whole records at DEBUG, and building those lines costs a quarter of the speed."""
    configure(log_level="DEBUG", stream=out)
    logging.getLogger().setLevel(logging.DEBUG)  # as Faust's spinner does
    for name in (*QUIET_LOGGERS, "aiokafka.consumer.fetcher", "faust.app.base"):
        assert not logging.getLogger(name).isEnabledFor(logging.INFO)
    logging.getLogger("worker.stream").debug("seen")
    assert [line["event"] for line in lines(out)] == ["seen"]


@pytest.mark.parametrize("level", ["DEBUG", "INFO", "WARNING", "ERROR"])
def test_root_is_never_below_warning(out: io.StringIO, level: str) -> None:
    configure(log_level=level, stream=out)
    assert logging.getLogger().level == logging.WARNING
    assert logging.getLogger("worker.x").getEffectiveLevel() == logging.getLevelName(level)


def test_library_text_is_a_field_of_one_common_event(out: io.StringIO) -> None:
    configure(stream=out)
    logging.getLogger("aiokafka.cluster").warning("topic %s is gone", "x")
    assert lines(out)[0]["event"] == "library_message"
    assert lines(out)[0]["message"] == "topic x is gone"


def test_warnings_go_through_the_log(out: io.StringIO) -> None:
    configure(stream=out)
    with warnings.catch_warnings():
        warnings.simplefilter("default")
        warnings.warn("old", DeprecationWarning, stacklevel=1)
    assert lines(out)[0]["logger"] == "py.warnings"


def test_configuring_again_replaces_the_first_output(out: io.StringIO) -> None:
    configure(stream=io.StringIO())
    configure(stream=out)
    log_event(logging.getLogger("worker"), logging.INFO, "once")
    assert len(lines(out)) == 1


def test_disabled_level_is_not_logged(out: io.StringIO) -> None:
    configure(log_level="WARNING", stream=out)
    log_event(logging.getLogger("worker"), logging.INFO, "silent")
    assert out.getvalue() == ""


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_traceback_shows_where_but_not_what_when_it_comes_from_the_core(out: io.StringIO, log_format: Any) -> None:
    """If this fails, a bug in the scoring writes contact ids into the logs."""
    configure(log_format, stream=out)
    fail = core_function(f"{{}}['{CANARY.upper()}'.lower()]")
    try:
        try:
            fail()
        except KeyError as exc:
            raise RuntimeError("round failed") from exc
    except RuntimeError:
        logging.getLogger("worker").exception("stopped")
    text = out.getvalue()
    assert CANARY not in text
    assert "KeyError: (text left out" in text
    assert "RuntimeError: round failed" in text
    assert "in fail" in text


def test_our_own_errors_are_shown_in_full_even_from_the_core() -> None:
    made = types.ModuleType("worker.contracts.event")
    made.__dict__["refusal"] = EventRefused(event_code="event.bad_time", path="$.occurred_at", problem="no time")
    exec("def fail():\n    raise refusal", made.__dict__)  # noqa: S102
    with pytest.raises(EventRefused) as refused:
        made.__dict__["fail"]()
    assert safe_text(refused.value) == "EventRefused: event.bad_time at $.occurred_at: no time"


def test_errors_from_elsewhere_keep_their_text() -> None:
    assert safe_text(OSError(28, "No space left on device")) == "OSError: [Errno 28] No space left on device"
    assert (
        safe_text(RestartRequired(what="a", problem="b"))
        == "RestartRequired: a: b; restart the worker, nothing is lost"
    )
    assert safe_text(TimeoutError()) == "TimeoutError"


def test_exception_as_an_argument_of_a_library_is_made_safe(out: io.StringIO) -> None:
    """Faust and mode log crashes as `%r` of the exception."""
    configure(stream=out)
    try:
        core_function(f"raise ValueError('{CANARY}')", "worker.pipeline.partition")()
    except ValueError as exc:
        logging.getLogger("mode.services").error("[%s] Crashed reason=%r", "Worker", exc)  # noqa: TRY400  as mode does
    assert CANARY not in out.getvalue()
    assert "ValueError: (text left out" in lines(out)[0]["message"]


def test_task_that_nobody_awaited_does_not_show_its_error(out: io.StringIO) -> None:
    configure(stream=out)

    async def lose() -> None:
        async def failing() -> None:
            core_function(f"raise KeyError('{CANARY}')")()

        task = asyncio.ensure_future(failing())
        await asyncio.wait([task])
        del task

    asyncio.run(lose())
    (line,) = lines(out)
    assert line["logger"] == "asyncio"
    assert line["message"] == "Task exception was never retrieved"
    assert CANARY not in out.getvalue()


def test_errors_that_caused_each_other_end(out: io.StringIO) -> None:
    configure(stream=out)
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    logging.getLogger("worker").error("looped", exc_info=first)
    assert lines(out)[0]["error"].count("ValueError") == 2
