"""
The log: standard logging through one formatter, as JSON lines for programs or as text for people.

A line is an event's snake_case name and fields. It never holds contact data: the core's own errors quote no values,
and the text of any other exception that came out of the core is left out, since it may quote an event.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Literal, TextIO

from worker.errors import WorkerError

QUIET_LOGGERS = ("aiohttp", "aiokafka", "asyncio", "faust", "kafka", "mode")
"""Libraries, logged from WARNING on, whatever our own level: their DEBUG quotes records, and costs a quarter of the speed."""

_LIBRARY_EVENT = "library_message"
_CORE = ("worker.contracts", "worker.pipeline", "worker.scoring")
_HIDDEN = "(text left out: it may quote an event)"
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
        colour = out.isatty() and not os.environ.get("NO_COLOR")
    handler = logging.StreamHandler(out)
    handler.setFormatter(JsonFormatter() if log_format == "json" else TextFormatter(colour=colour))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for name in QUIET_LOGGERS:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("worker").setLevel(log_level)
    logging.captureWarnings(capture=True)


def log_event(logger: logging.Logger, level: int, event: str, /, **fields: object) -> None:
    """
    Log *event* (snake_case) with *fields*: counts, names of topics and models, partitions, offsets; never contact data.

    Values that are not JSON are logged as their `str`.
    """
    if logger.isEnabledFor(level):
        logger.log(level, event, extra={"fields": fields})


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
        words = "".join(f" {name}={_word(value)}" for name, value in fields.items())
        level = f"{record.levelname:<7}"
        if self._colour:
            level = f"\x1b[{_COLOURS.get(record.levelname, '0')}m{level}\x1b[0m"
        head = f"{_time_of(record)} {level} {_clean(record.name)} {_clean(event)}{words}"
        return "\n    ".join([head, *map(_clean, _error_of(record).splitlines())])


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
    return _LIBRARY_EVENT, {"message": _message_of(record)}


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
