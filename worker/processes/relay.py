"""One log of several processes: whole lines, each with the number of its process."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable
from typing import Any, Literal, TextIO

from worker.logs import TextFormatter, is_coloured, log_event
from worker.processes.apart import SUPERVISOR

_log = logging.getLogger(__name__)

LONGEST_BYTES = 1 << 20
"""A longer line is cut: nothing of ours is as long."""
_FIELD = "process"


class Lines:
    """Cuts what comes from one process into lines."""

    def __init__(self) -> None:
        self._begun = bytearray()

    def take(self, received: bytes) -> list[bytes]:
        """Return the lines that *received* ends, without their ends; the rest waits."""
        self._begun += received
        if b"\n" not in received and len(self._begun) <= LONGEST_BYTES:
            return []
        *whole, rest = bytes(self._begun).split(b"\n")
        while len(rest) > LONGEST_BYTES:
            whole.append(rest[:LONGEST_BYTES])
            rest = rest[LONGEST_BYTES:]
        self._begun = bytearray(rest)
        return [line for line in whole if line.strip()]

    def end(self) -> list[bytes]:
        """Return what was begun when the process ended."""
        rest, self._begun = bytes(self._begun), bytearray()
        return [rest] if rest.strip() else []


class Relay:
    """
    Writes what processes log, the supervisor too, to one stream.

    Processes log JSON; what else they print (the last words of a library in C, say) becomes the event `process_output`.

    Args:
        log_format: In which all of it is written.
        out: Where to; stderr by default.
        hear: Told of every event of a process.
    """

    def __init__(
        self,
        log_format: Literal["json", "text"],
        *,
        out: TextIO | None = None,
        hear: Callable[[int, dict[str, Any]], None] = lambda *_: None,
    ) -> None:
        self._out = out or sys.stderr
        self._text = None if log_format == "json" else TextFormatter(colour=is_coloured(self._out))
        self._hear = hear

    def line(self, process: int, line: bytes) -> None:
        """Write one *line* of *process*."""
        text = line.decode("utf-8", "replace").strip()
        event = _event(text)
        if event is None:
            log_event(_log, logging.WARNING, "process_output", process=process, line=text)
            return
        if process != SUPERVISOR:
            self._hear(process, event)
        event.setdefault(_FIELD, process)  # the supervisor's own lines are about one of the others, or about itself
        if self._text is not None:
            self._write(self._text.format_line(event))
        else:
            self._write(json.dumps(event))

    def stream(self) -> TextIO:
        """Return a stream for the supervisor's own lines, as JSON."""
        return _Own(self)

    def _write(self, text: str) -> None:
        self._out.write(f"{text}\n")  # one call a line, and one thread
        self._out.flush()


class _Own(io.StringIO):
    """Takes whole lines of the supervisor."""

    def __init__(self, relay: Relay) -> None:
        super().__init__()
        self._relay = relay

    def write(self, text: str) -> int:
        for line in text.splitlines():
            self._relay.line(SUPERVISOR, line.encode())
        return len(text)


def _event(text: str) -> dict[str, Any] | None:
    """Return the event that *text* is, None when it is none."""
    if not text.startswith("{"):
        return None
    try:
        event = json.loads(text)
    except ValueError:
        return None  # half a line, of a process that was killed
    return event if isinstance(event, dict) and "event" in event else None
