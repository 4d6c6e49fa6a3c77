"""`leadscore run`: one worker process; its errors are log lines, on a terminal text."""

from __future__ import annotations

import os
import sys

import typer

from worker.errors import ConfigError


def run() -> None:
    """
    Score events until told to stop (SIGTERM, Ctrl-C).

    Exits 0 after a stop, 69 when no broker answers, 70 when it has to be started again, 78 when settings, model, topics
    or state cannot be used.
    """
    from worker.settings import load_settings, require_for_run
    from worker.stream.worker import run_worker

    try:
        settings = load_settings(os.environ)
        require_for_run(settings)
    except ConfigError as error:
        if sys.stderr.isatty() or os.environ.get("LEADSCORE_LOG_FORMAT") == "text":
            raise
        raise typer.Exit(_logged(error)) from None
    raise typer.Exit(run_worker(settings))


def _logged(error: ConfigError) -> int:
    """Log *error* as the last line of a worker, where lines are collected as JSON; return its exit code."""
    import logging

    from worker.logs import configure, log_event
    from worker.stream.fatal import describe

    configure("json")
    code = error.exit_code
    log_event(
        logging.getLogger(__name__),
        logging.CRITICAL,
        "worker_ends",
        exit_code=code,
        code=error.code,
        reason=describe(error),
    )
    return code
