"""The end of a process that must not go on: one log line, then out, without any clean-up that could still write."""

from __future__ import annotations

import logging
import os
import sys
import traceback
from collections.abc import Callable

from aiokafka.errors import KafkaError

from worker.errors import RestartRequired, WorkerError
from worker.kafka.refusals import refusal_of
from worker.kafka.txn_offsets import GroupFenced
from worker.logs import log_event

_log = logging.getLogger(__name__)

Die = Callable[[BaseException], None]
"""Ends the process because of an error; in tests of a part it may only note it."""

_FRAMES = 4


def die(error: BaseException) -> None:
    """
    Log *error* in one line and end the process at once, with its exit code (70 unless it is an error of ours).

    Nothing is flushed to Kafka or to the store: whatever was not committed happens again after the restart.
    """
    code = exit_code_of(error)
    try:
        log_end(error)
        for handler in (*logging.getLogger().handlers, *_log.handlers):
            handler.flush()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:  # closed by whoever started us
                stream.flush()
    finally:
        os._exit(code)  # also where nothing can be written any more


def log_end(error: BaseException) -> int:
    """Log *error* as the last line of a process that ends by itself, and return its exit code."""
    code = exit_code_of(error)
    log_event(_log, logging.CRITICAL, "worker_ends", exit_code=code, code=error_code_of(error), reason=describe(error))
    return code


def exit_code_of(error: BaseException) -> int:
    """Return the exit code that *error* asks for: 70, restart me, unless it is an error of ours that says otherwise."""
    known = _foreseen(error)
    return known.exit_code if isinstance(known, WorkerError) else RestartRequired.exit_code


def error_code_of(error: BaseException) -> str:
    """Return the documented code of *error*: that of RestartRequired unless it is an error of ours."""
    known = _foreseen(error)
    return known.code if isinstance(known, WorkerError) else RestartRequired.code


def _foreseen(error: BaseException) -> BaseException:
    """Return *error*, or what it means where the broker denies us something: that is for the operator to mend."""
    return error if isinstance(error, WorkerError) else refusal_of(error) or error


def describe(error: BaseException) -> str:
    """
    Return what went wrong in one line.

    The text of an unforeseen error is left out, since it may quote a record; where it was raised is said instead.
    """
    error = _foreseen(error)
    if isinstance(error, WorkerError | KafkaError | GroupFenced):
        return f"{type(error).__name__}: {'; '.join(' '.join(line.split()) for line in str(error).splitlines())}"
    frames = traceback.extract_tb(error.__traceback__)[-_FRAMES:]
    places = " < ".join(f"{frame.name} {os.path.basename(frame.filename)}:{frame.lineno}" for frame in reversed(frames))  # noqa: PTH119
    return f"{type(error).__name__} in {places or 'unknown place'}"
