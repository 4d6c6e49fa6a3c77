"""
The log: standard logging through one formatter, as JSON lines for programs or as text for people.

A line is an event's snake_case name and fields. It never holds contact data: the core's own errors quote no values,
and the text of any other exception that came out of the core is left out, since it may quote an event.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import traceback
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Lock
from types import TracebackType
from typing import Any, Literal, TextIO

from worker.errors import WorkerError

QUIET_LOGGERS = ("aiohttp", "aiokafka", "asyncio", "faust", "kafka", "mode")
"""
Libraries, logged from WARNING on, whatever our own level: their DEBUG quotes records, and costs a quarter of the speed.

Of each kind of message three lines a minute are written; `suppressed` on the next one counts the others.
"""

_LIBRARY_EVENT = "library_message"
_CORE = ("worker.contracts", "worker.pipeline", "worker.scoring")
_HIDDEN = "(text left out: it may quote an event)"
_SUPPRESSED = "suppressed"
_NUMBERS = re.compile(r"\d+")
_KIND_LENGTH = 120
_KINDS = 500  # texts that are put together before they are logged have no end of kinds
_HEAD = ("time", "level", "logger", "event")  # of a line, in this order
_COLOURS = {"DEBUG": "2", "INFO": "32", "WARNING": "33", "ERROR": "31", "CRITICAL": "1;31"}
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(0x7F, 0xA0))} | {
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}
_CONTROLS |= {ord("\n"): "\\n", ord("\r"): "\\r", ord("\t"): "\\t"}


def configure(
    log_format: Literal["json", "text"] = "json",
    log_level: str = "INFO",
    *,
    stream: TextIO | None = None,
    colour: bool | None = None,
) -> None:
    """
    Send everything that this process logs to *stream* (stderr), and nothing elsewhere; calling it again replaces the first call.

    The level holds for our own loggers. Libraries and the root logger stay at WARNING, each set by name, so that a library
    that lowers the root logger's level (Faust does for its spinner) opens nothing.

    Args:
        log_format: `json` or `text`.
        log_level: A level name of the standard library.
        stream: Where lines go.
        colour: For `text`; by default when *stream* is a terminal and NO_COLOR is not set.
    """
    out = stream or sys.stderr
    if colour is None:
        colour = is_coloured(out)
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter(colour=colour))
    handler.addFilter(RepeatFilter(QUIET_LOGGERS))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("worker").setLevel(log_level)
    logging.captureWarnings(capture=True)


def is_coloured(stream: TextIO) -> bool:
    """Return whether text for *stream* has colours: at a terminal, unless NO_COLOR is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR")


def log_event(logger: logging.Logger, level: int, event: str, /, **fields: object) -> None:
    """
    Log *event* (snake_case) with *fields*: counts, names of topics and models, partitions, offsets; never contact data.

    Values that are not JSON are logged as their `str`.
    """
    if logger.isEnabledFor(level):
        logger.log(level, event, extra={"fields": fields})


@dataclass(slots=True)
class _Window:
    began: float
    lines: int = 0
    suppressed: int = 0


class RepeatFilter(logging.Filter):
    """
    Lets through a few records of one kind in each period, and says on the next one how many it kept back.

    Records are of one kind when logger, level and text agree, numbers and arguments apart. Our own events always pass:
    nothing of ours is said more often than it has to be.

    Args:
        libraries: Names of the loggers that are limited, with those below them.
        lines: Records of one kind that pass in a period.
        period_s: Length of a period by the records' own times, seconds.
    """

    def __init__(
        self,
        libraries: Sequence[str],
        *,
        lines: int = 3,
        period_s: float = 60.0,
    ) -> None:
        super().__init__()
        self._libraries = frozenset(libraries)
        self._lines = lines
        self._period_s = period_s
        self._windows: OrderedDict[tuple[str, int, str], _Window] = OrderedDict()
        self._lock = Lock()  # the Kafka client logs in a thread of its own

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether *record* passes; one that does is told how many of its kind did not."""
        if record.name.partition(".")[0] not in self._libraries:
            return True
        with self._lock:
            return self._passes(record, self._window_of(record))

    def _passes(self, record: logging.LogRecord, window: _Window) -> bool:
        if not 0.0 <= record.created - window.began < self._period_s:  # the clock may have gone back
            window.began, window.lines = record.created, 0
        if window.lines >= self._lines:
            window.suppressed += 1
            return False
        window.lines += 1
        if window.suppressed:
            setattr(record, _SUPPRESSED, window.suppressed)
            window.suppressed = 0
        return True

    def _window_of(self, record: logging.LogRecord) -> _Window:
        kind = record.name, record.levelno, _NUMBERS.sub("#", str(record.msg)[:_KIND_LENGTH])
        window = self._windows.get(kind)
        if window is None:
            if len(self._windows) >= _KINDS:
                self._windows.popitem(last=False)
            window = self._windows[kind] = _Window(record.created)
        else:
            self._windows.move_to_end(kind)
        return window


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, event, then the event's fields; ASCII, so no character breaks a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return *record* as one line."""
        event, fields = _event_of(record)
        line = {"time": _time_of(record), "level": record.levelname, "logger": record.name, "event": event}
        line |= {(name if name not in line else f"{name}_"): value for name, value in fields.items()}
        if error := _error_of(record):
            line["error"] = error
        return json.dumps(line, default=str)


class TextFormatter(logging.Formatter):
    """Time, level, event and fields for a reader at a terminal; control characters are escaped, a traceback follows indented."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Return *record* as one line, and more lines only for a traceback."""
        event, fields = _event_of(record)
        line = {"time": _time_of(record), "level": record.levelname, "logger": record.name, "event": event}
        return self._text(line, fields, _error_of(record))

    def format_line(self, line: Mapping[str, Any]) -> str:
        """Return what `JsonFormatter` has written, read back, as `format` would have written it."""
        fields = {name: value for name, value in line.items() if name not in {*_HEAD, "error"}}
        return self._text({name: str(line.get(name, "")) for name in _HEAD}, fields, str(line.get("error", "")))

    def _text(self, line: Mapping[str, str], fields: Mapping[str, object], error: str) -> str:
        words = "".join(f" {name}={_word(value)}" for name, value in fields.items())
        level = f"{line['level']:<7}"
        if self._colour:
            level = f"\x1b[{_COLOURS.get(line['level'], '0')}m{level}\x1b[0m"
        head = f"{line['time']} {level} {_clean(line['logger'])} {_clean(line['event'])}{words}"
        return "\n    ".join([head, *map(_clean, error.splitlines())])


def safe_text(exc: BaseException) -> str:
    """Return type and text of *exc*, the text only when it can quote no event: our own errors, or what never was in the core."""
    name = type(exc).__name__
    if not isinstance(exc, WorkerError) and _came_from_core(exc.__traceback__):
        return f"{name}: {_HIDDEN}"
    return f"{name}: {exc}" if str(exc) else name


def _came_from_core(trace: TracebackType | None) -> bool:
    modules = (frame.f_globals.get("__name__", "") for frame, _ in traceback.walk_tb(trace))
    return any(name == core or name.startswith(f"{core}.") for name in modules for core in _CORE)


def _event_of(record: logging.LogRecord) -> tuple[str, dict[str, Any]]:
    """Return event name and fields; a library's free text becomes a field of one common event."""
    fields = getattr(record, "fields", None)
    if isinstance(fields, dict) or record.name.startswith("worker"):
        return record.getMessage(), dict(fields or {})
    said: dict[str, Any] = {"message": _message_of(record)}
    if suppressed := getattr(record, _SUPPRESSED, 0):
        said[_SUPPRESSED] = suppressed
    return _LIBRARY_EVENT, said


def _message_of(record: logging.LogRecord) -> str:
    """Return a library's text, with exceptions in it made safe."""
    text = record.getMessage()
    if isinstance(record.args, tuple) and any(isinstance(arg, BaseException) for arg in record.args):
        safe = (safe_text(arg) if isinstance(arg, BaseException) else arg for arg in record.args)
        text = str(record.msg) % tuple(safe)
    # asyncio appends the repr of the task, and with it that of the exception, to its first line.
    return text.partition("\n")[0] if record.name == "asyncio" else text


def _error_of(record: logging.LogRecord) -> str:
    """Return the traceback of *record*'s exception and of those that led to it, oldest first; empty without one."""
    exc = record.exc_info[1] if record.exc_info else None
    parts: list[str] = []
    seen: set[int] = set()
    while exc is not None and id(exc) not in seen:
        seen.add(id(exc))
        parts.append("".join(traceback.format_tb(exc.__traceback__)) + safe_text(exc))
        exc = exc.__cause__ or (None if exc.__suppress_context__ else exc.__context__)
    return "\nwhich led to:\n".join(reversed(parts))


def _time_of(record: logging.LogRecord) -> str:
    moment = datetime.fromtimestamp(record.created, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _clean(text: str) -> str:
    return text.translate(_CONTROLS)


def _word(value: object) -> str:
    text = _clean(str(value))
    return json.dumps(text, ensure_ascii=False) if not text or " " in text or '"' in text else text
