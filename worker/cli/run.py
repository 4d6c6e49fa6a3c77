"""`leadscore run`: one worker process."""

from __future__ import annotations

import os

import typer


def run() -> None:
    """
    Score events until told to stop (SIGTERM, Ctrl-C).

    Exits 0 after a stop, 69 when no broker answers, 70 when it has to be started again, 78 when settings, model, topics
    or state cannot be used.
    """
    from worker.settings import load_settings
    from worker.stream.worker import run_worker

    raise typer.Exit(run_worker(load_settings(os.environ)))
