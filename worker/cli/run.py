"""`leadscore run`: one worker process, or several under a supervisor; errors are log lines, on a terminal text."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from worker.errors import ConfigError

if TYPE_CHECKING:
    from worker.settings import Settings

_PROCESSES = "LEADSCORE_PROCESSES"


def _processes(text: str | None) -> str | None:
    """Check *text*, a number of processes."""
    from worker.settings.kinds import PROCESSES

    try:
        return text if text is None else str(PROCESSES.parse(text))
    except ValueError as problem:
        raise typer.BadParameter(str(problem)) from None


def run(
    processes: Annotated[
        str | None,
        typer.Option(
            metavar="N",
            callback=_processes,
            help="worker processes on this host, under one supervisor; auto: one for each usable core; "
            f"without it {_PROCESSES} counts",
        ),
    ] = None,
) -> None:
    """
    Score events until told to stop (SIGTERM, Ctrl-C).

    Exits 0 after a stop, 69 when no broker answers, 70 when it has to be started again, 78 when settings, model, topics
    or state cannot be used.
    """
    from worker.settings import load_settings, require_for_run

    environ = {**os.environ, **({} if processes is None else {_PROCESSES: processes})}
    try:
        settings = load_settings(environ)
        require_for_run(settings)
        count = _count(settings)
        if count == 1:
            _leave_nothing_of_several(settings)
    except ConfigError as error:
        if sys.stderr.isatty() or os.environ.get("LEADSCORE_LOG_FORMAT") == "text":
            raise
        raise typer.Exit(_logged(error)) from None
    if count > 1:
        from worker.processes.supervisor import run_processes

        raise typer.Exit(run_processes(settings, environ, count))
    from worker.stream.worker import run_worker

    raise typer.Exit(run_worker(settings))


def _count(settings: Settings) -> int:
    """Return how many processes are to run."""
    from worker.processes.cores import usable_cores
    from worker.settings.kinds import AUTO

    return usable_cores() if settings.processes == AUTO else settings.processes


def _leave_nothing_of_several(settings: Settings) -> None:
    """Remove the state of several processes that ran here before, which one alone does not use."""
    from worker.logs import configure
    from worker.processes.apart import state_directory
    from worker.processes.leftovers import has_process_directories, remove_leftovers
    from worker.stores.directory_lock import DirectoryLock

    directory = state_directory(settings)
    if directory is None or not has_process_directories(directory):
        return
    configure(settings.log_format, settings.log_level)
    lock = DirectoryLock(directory, settings.app_id)
    lock.acquire()
    try:
        remove_leftovers(directory, 1, settings.app_id)
    finally:
        lock.release()


def _logged(error: ConfigError) -> int:
    """Log *error* as the last line of a worker, where lines are collected as JSON; return its exit code."""
    from worker.logs import configure
    from worker.stream.fatal import log_end

    configure("json")
    return log_end(error)
