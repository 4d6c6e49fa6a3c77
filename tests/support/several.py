"""
Several counting workers under one supervisor, as `leadscore run --processes` starts several that score.

`python -m tests.support.several` is the supervisor, with a number behind it one of the processes.
"""

from __future__ import annotations

import os
import sys

from tests.support import worker_process
from worker.processes import child
from worker.processes.supervisor import run_processes
from worker.settings import load_settings


def main() -> int:
    if sys.argv[1:]:
        return child.main(worker_process.run)
    settings = load_settings(os.environ)
    command = [sys.executable, "-m", "tests.support.several"]
    return run_processes(settings, os.environ, settings.processes, command=lambda number: [*command, str(number)])


if __name__ == "__main__":
    sys.exit(main())
