"""A worker as a container runs it: user 10001 without capabilities, and nothing to write to but /tmp."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.cluster import Cluster
from tests.support.feeding import send_now
from tests.support.history_run import sent_records
from tests.support.kafka import read_all
from tests.support.needs import missing
from tests.support.simulated import MODEL, simulated_lines
from tests.support.worker_process import ERASURE_KEY, ROOT, WorkerProcess

pytestmark = [pytest.mark.timeout(180), pytest.mark.faults]

USER = 10001

# The interpreter may lie in a home that is closed to others: it is put where it is again, with an open way to it.
CONFINE = """
set -eu
mount --make-rprivate /
mount -t tmpfs -o mode=1777,size=64m none /tmp
if [ -n "$CLOSED" ]; then
  mkdir /tmp/python && mount --bind "$PYTHON_HOME" /tmp/python
  mount -t tmpfs -o mode=755 none "$CLOSED"
  mkdir -p "$PYTHON_HOME" && mount --bind /tmp/python "$PYTHON_HOME"
  mount -o remount,ro "$CLOSED"
fi
mount -o remount,ro,bind /
cd /tmp
exec setpriv --reuid "$USER_ID" --regid "$USER_ID" --clear-groups --no-new-privs --bounding-set=-all "$@"
"""


def closed_ancestor(path: Path) -> str:
    """Return the first directory on the way to *path* that others may not pass; empty when all are open."""
    for directory in reversed(path.parents):
        if not directory.stat().st_mode & 0o001:
            return str(directory)
    return ""


class ConfinedWorker(WorkerProcess):
    """`leadscore run` in a mount namespace of its own."""

    def __init__(self, directory: Path, environ: Mapping[str, str]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.name = "confined"
        self.log_file = directory / "confined.log"
        home = Path(sys.base_prefix)
        own = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
            "CLOSED": closed_ancestor(home),
            "PYTHON_HOME": str(home),
            "USER_ID": str(USER),
            "LEADSCORE_WEB_PORT": "0",
            "LEADSCORE_STORE": "rocksdb:///tmp/state",
        }
        run = [sys.executable, "-m", "worker.cli.main", "run"]
        with self.log_file.open("wb") as log:
            self._process = subprocess.Popen(
                ["unshare", "--mount", "--propagation", "private", "sh", "-c", CONFINE, "confine", *run],
                env=own | dict(environ), cwd=directory, stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip


def status_of(pid: int) -> dict[str, str]:
    """Return what the kernel says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    return dict(line.split(":\t", 1) for line in lines if ":\t" in line)


async def _works(brokers: str, directory: Path) -> None:
    cluster = Cluster(brokers, directory, model=MODEL, LEADSCORE_ERASURE_KEY=ERASURE_KEY)
    await cluster.command("topics", "create")
    worker = ConfinedWorker(directory / "home", cluster.environ)
    cluster.lives.append(worker)
    try:
        await worker.wait_ready()
        status = status_of(worker.pid)
        assert set(status["Uid"].split()) == {str(USER)}
        assert int(status["CapEff"], 16) == int(status["CapBnd"], 16) == 0
        assert status["NoNewPrivs"] == "1"
        await send_now(brokers, cluster.source, sent_records(simulated_lines(300, days=30, contacts=80, seed=41)))
        await cluster.settled()
        assert any((await read_all(brokers, cluster.scores)).values())
        assert sum((await cluster.committed()).values()) == 300
        assert await worker.stop() == 0
    finally:
        cluster.close()


def test_a_worker_needs_no_rights_and_no_root_file_system(brokers: str, tmp_path: Path) -> None:
    """If this fails, it does not run where containers are kept short, or somebody grants it more than it needs."""
    if os.geteuid() != 0 or not all(map(shutil.which, ("unshare", "setpriv", "mount"))):
        missing("confining a worker needs root, unshare and setpriv")
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    if tried.returncode:
        missing("mount namespaces are not allowed here")
    asyncio.run(_works(brokers, tmp_path))
