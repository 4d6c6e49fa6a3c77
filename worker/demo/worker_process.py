"""A real worker as a child process, set up for simulated time; what it says is read over its own web server."""

from __future__ import annotations

import http.client
import os
import secrets
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import orjson

from worker.clock import Deadline
from worker.demo.loopback import LOOPBACK, free_ports
from worker.demo.supervised import SupervisedProcess
from worker.errors import DependencyError
from worker.settings import PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

_READY_WITHIN_S = 60.0
_STOP_WITHIN_S = 20.0
_ANSWER_WITHIN_S = 5.0


class WorkerProcess:
    """
    `leadscore run` against *brokers*, with state in a temporary directory; a context manager.

    Args:
        brokers: `host:port,...`.
        settings: Variables over those set here, by full name.
    """

    def __init__(self, brokers: str, settings: Mapping[str, str] | None = None) -> None:
        self._port = free_ports(1)[0]
        self._settings = {
            "LEADSCORE_BROKERS": brokers,
            "LEADSCORE_TIME": "stream",
            "LEADSCORE_CREATE_TOPICS": "true",
            "LEADSCORE_REPLICATION": "1",
            "LEADSCORE_ERASURE_KEY": secrets.token_hex(16),
            "LEADSCORE_WEB_PORT": str(self._port),
            "LEADSCORE_LOG_FORMAT": "text",
            **(settings or {}),
        }
        self._directory: Path | None = None
        self._process: SupervisedProcess | None = None
        self.exit_code: int | None = None  # known after the end

    def __enter__(self) -> Self:
        try:
            self._start()
            self._await_ready()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def is_running(self) -> bool:
        """Whether the process exists."""
        return self._process is not None and self._process.is_running

    def get(self, path: str) -> tuple[int, bytes]:
        """
        Return status code and body of *path* (`/status`, `/metrics`, ...). Blocks up to 5 s.

        Raises:
            OSError: It does not answer.
        """
        connection = http.client.HTTPConnection(LOOPBACK, self._port, timeout=_ANSWER_WITHIN_S)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as exc:
            raise OSError(f"{path}: {exc!r}") from exc
        finally:
            connection.close()

    def lag_records(self) -> int | None:
        """Return how many records are not committed yet, None while that is not known of every partition; OSError as `get`."""
        _, body = self.get("/status")
        status: dict[str, Any] = orjson.loads(body)
        lags = [partition.get("lag_records") for partition in status.get("partitions", [])]
        return sum(lags) if lags and None not in lags else None

    def check(self) -> None:
        """
        See that it runs.

        Raises:
            DependencyError: It has ended; with the end of its log.
        """
        if self._process is not None and not self._process.is_running:
            raise self._failure(f"ended with exit code {self._process.exit_code}")

    def close(self) -> None:
        """Stop it in good order and delete its state."""
        if self._process is not None:
            self._process.stop(_STOP_WITHIN_S)
            self.exit_code = self._process.exit_code
            self._process = None
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def _start(self) -> None:
        self._directory = directory = Path(tempfile.mkdtemp(prefix="leadscore-worker-"))
        ours = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        environ = {**ours, "LEADSCORE_STORE": f"rocksdb://{directory / 'state'}", **self._settings}
        command = [sys.executable, "-m", "worker.cli.main", "run"]
        self._process = SupervisedProcess(command, log=directory / "worker.log", remove=directory, environ=environ)

    def _await_ready(self) -> None:
        deadline = Deadline(_READY_WITHIN_S)
        while not self._is_ready():
            self.check()
            if deadline.has_passed:
                raise self._failure(f"was not ready within {_READY_WITHIN_S:g} s")
            if self._process is not None:
                self._process.wait(0.1)

    def _is_ready(self) -> bool:
        try:
            return self.get("/readyz")[0] == http.client.OK
        except OSError:
            return False

    def _failure(self, problem: str) -> DependencyError:
        tail = self._process.log_tail() if self._process is not None else "(none)"
        return DependencyError(what="the worker", problem=problem, fix=f"see the end of its log:\n{tail}")
