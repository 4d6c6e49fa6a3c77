"""A supervisor of processes that need no Kafka: `python -m tests.support.supervised_script SCRIPT`, which is told its number."""

from __future__ import annotations

import os
import sys

from worker.processes.supervisor import run_processes
from worker.settings import load_settings


def main() -> int:
    settings = load_settings(os.environ)
    command = [sys.executable, "-S", sys.argv[1]]
    return run_processes(settings, os.environ, settings.processes, command=lambda number: [*command, str(number)])


if __name__ == "__main__":
    sys.exit(main())
