"""A real single-node Apache Kafka on loopback, for the demo and the tests; `leadscore run` never starts one."""

from __future__ import annotations

import base64
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Self, TextIO

from worker.clock import Deadline
from worker.demo.java import find_java
from worker.demo.kafka_jars import KAFKA_VERSION, kafka_jars
from worker.demo.loopback import LOOPBACK, answers, free_ports
from worker.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_SUPERVISOR = Path(__file__).with_name("supervisor.py")
_STOP_WITHIN_S = 20.0
_FORMAT_WITHIN_S = 60.0
_FREEZE_WITHIN_S = 5.0
_PORT_ATTEMPTS = 3
_LOG_TAIL_BYTES = 4000

_LOG4J2 = """\
Configuration:
  Appenders:
    Console: {name: C, target: SYSTEM_OUT, PatternLayout: {pattern: "%d %p %m (%c)%n"}}
  Loggers:
    Root: {level: warn, AppenderRef: [{ref: C}]}
"""

# Small and quick: one broker, one user, a few hundred thousand records.
_PROPERTIES: Mapping[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    "auto.create.topics.enable": "false",
    "num.partitions": "4",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.num.partitions": "4",
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    "log.segment.delete.delay.ms": "1000",
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),  # the default takes 128 MiB of heap
    # A killed broker may register again only when its last session has run out: 9 s by default.
    "broker.session.timeout.ms": "2000",
    "broker.heartbeat.interval.ms": "500",
    "num.network.threads": "2",
    "num.io.threads": "4",
}


def _silent(_: str) -> None:
    """Say nothing."""


class EmbeddedBroker:
    """
    Apache Kafka in KRaft mode as a child process; a context manager.

    It listens on 127.0.0.1 only, keeps its topics in *directory* over `stop`, `kill` and
    `restart`, and dies with this process however that ends. All methods block; in asyncio call
    them by `asyncio.to_thread`.

    Args:
        directory: Where topics, configuration and log lie; a temporary one, deleted by `close`,
            when None.
        properties: Broker properties over the small and quick ones set here.
        heap_mib: Java heap, MiB.
        ready_within_s: How long a start may take, seconds.
        say: Gets a line of text before something that takes long.
        version: The version of Kafka.
    """

    def __init__(
        self,
        *,
        directory: Path | None = None,
        properties: Mapping[str, str] | None = None,
        heap_mib: int = 512,
        ready_within_s: float = 60.0,
        say: Callable[[str], None] = _silent,
        version: str = KAFKA_VERSION,
    ) -> None:
        self._owns_directory = directory is None
        self._directory = directory
        self._properties = dict(properties or {})
        self._heap_mib = heap_mib
        self._ready_within_s = ready_within_s
        self._say = say
        self._version = version
        self._supervisor: subprocess.Popen[str] | None = None
        self._pid: int | None = None
        self._port = 0
        self._java: list[str] = []

    def __enter__(self) -> Self:
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def bootstrap_servers(self) -> str:
        """`host:port` for clients; the same after every restart."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def directory(self) -> Path:
        """Where the broker keeps everything."""
        if self._directory is None:
            self._directory = Path(tempfile.mkdtemp(prefix="leadscore-kafka-"))
        return self._directory

    @property
    def log_file(self) -> Path:
        """What the broker wrote, warnings and worse."""
        return self.directory / "kafka.log"

    @property
    def pid(self) -> int:
        """
        Process id of the broker's Java.

        Raises:
            DependencyError: It is not running.
        """
        if self._pid is None or not self.is_running:
            raise self._failure("is not running")
        return self._pid

    @property
    def is_running(self) -> bool:
        """Whether the process exists; a frozen one does."""
        return self._supervisor is not None and self._supervisor.poll() is None

    def start(self) -> None:
        """
        Start it and wait until it answers; nothing to do when it runs.

        Raises:
            DependencyError: No Java, no Kafka, or it did not answer in time (with the end of its log).
        """
        if self.is_running:
            return
        is_first = self._port == 0
        if is_first:
            self._prepare()
        for attempts_left in reversed(range(_PORT_ATTEMPTS)):
            if is_first:
                self._configure()
            try:
                self._format()
                self._launch()
            except BaseException as failure:
                self.kill()
                if not (is_first and attempts_left and "already in use" in str(failure)):
                    raise
            else:
                return

    def stop(self) -> None:
        """Shut it down in good order (SIGTERM), by force when that takes over 20 s; data stay."""
        if self.is_running:
            self._signal(signal.SIGCONT)
            self._signal(signal.SIGTERM)
        self._reap(_STOP_WITHIN_S)

    def kill(self) -> None:
        """Kill it at once (SIGKILL); data stay as they are on disk."""
        self._signal(signal.SIGKILL)
        self._reap(_STOP_WITHIN_S)

    def freeze(self) -> None:
        """Stop it in its tracks (SIGSTOP): connections stay open, nothing answers once this returns."""
        os.kill(self.pid, signal.SIGSTOP)
        deadline = Deadline(_FREEZE_WITHIN_S)
        while not _is_stopped(self.pid) and not deadline.has_passed:
            self._pause(0.01)

    def thaw(self) -> None:
        """Let it go on after `freeze` (SIGCONT)."""
        os.kill(self.pid, signal.SIGCONT)

    def restart(self) -> None:
        """Stop in good order and start again on the same port and data."""
        self.stop()
        self.start()

    def close(self) -> None:
        """Stop it for good; a temporary directory is deleted."""
        self.kill() if self._owns_directory else self.stop()
        if self._owns_directory and self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    def _prepare(self) -> None:
        jars = kafka_jars(self._say, self._version)
        java = find_java()
        configuration = self.directory / "log4j2.yaml"
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "tmp").mkdir(exist_ok=True)
        configuration.write_text(_LOG4J2, "utf-8")
        self._java = [
            str(java),
            "-XX:+UseSerialGC",
            "-XX:-UsePerfData",
            f"-Xmx{self._heap_mib}m",
            "-Djava.awt.headless=true",
            f"-Djava.io.tmpdir={self.directory / 'tmp'}",  # unpacked compression libraries
            f"-Dlog4j2.configurationFile={configuration}",
            "-cp",
            os.pathsep.join(map(str, jars)),
        ]

    def _configure(self) -> None:
        self._port, controller = free_ports(2)
        properties = {
            **_PROPERTIES,
            "listeners": f"PLAINTEXT://{self.bootstrap_servers},CONTROLLER://{LOOPBACK}:{controller}",
            "advertised.listeners": f"PLAINTEXT://{self.bootstrap_servers}",
            "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
            "log.dirs": str(self.directory / "data"),
            **self._properties,
        }
        lines = [f"{name}={value}\n" for name, value in properties.items()]
        (self.directory / "server.properties").write_text("".join(lines), "utf-8")

    def _format(self) -> None:
        if (self.directory / "data" / "meta.properties").exists():
            return
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        arguments = ["format", "-t", cluster, "-c", str(self.directory / "server.properties")]
        with self.log_file.open("ab") as log:
            done = subprocess.run(
                [*self._java, "kafka.tools.StorageTool", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=_FORMAT_WITHIN_S,
                check=False,
            )
        if done.returncode:
            raise self._failure(f"its directory could not be formatted (exit {done.returncode})")

    def _launch(self) -> None:
        remove = str(self.directory) if self._owns_directory else ""
        serve = [*self._java, "kafka.Kafka", str(self.directory / "server.properties")]
        self._supervisor = subprocess.Popen(
            [sys.executable, "-I", "-S", str(_SUPERVISOR), str(self.log_file), remove, *serve],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # Ctrl-C in the terminal is not for the broker: the worker stops first
        )
        assert self._supervisor.stdout is not None  # noqa: S101 - said PIPE above
        line = self._supervisor.stdout.readline().strip()
        if not line.isdecimal():
            raise self._failure("its process could not be started")
        self._pid = int(line)
        self._await_ready()

    def _await_ready(self) -> None:
        deadline = Deadline(self._ready_within_s)
        while self.is_running and not deadline.has_passed:
            if answers(LOOPBACK, self._port):
                return
            self._pause(0.05)
        ended = "" if self.is_running else " (the process ended)"
        raise self._failure(f"did not answer within {self._ready_within_s:g} s{ended}")

    def _pause(self, seconds: float) -> None:
        """Wait, but no longer than the process lives."""
        if self._supervisor is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._supervisor.wait(seconds)

    def _signal(self, number: signal.Signals) -> None:
        # The supervisor waits for Java before it ends, so while it lives the id is Java's.
        if self.is_running and self._pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, number)

    def _reap(self, within_s: float) -> None:
        supervisor, self._supervisor, self._pid = self._supervisor, None, None
        if supervisor is None:
            return
        assert supervisor.stdin is not None  # noqa: S101
        assert supervisor.stdout is not None  # noqa: S101
        try:
            supervisor.wait(within_s)
        except subprocess.TimeoutExpired:
            supervisor.terminate()  # it kills Java on its way out
            supervisor.wait()
        finally:
            supervisor.stdin.close()
            supervisor.stdout.close()

    def _failure(self, problem: str) -> DependencyError:
        return DependencyError(
            what=f"embedded Apache Kafka {self._version}",
            problem=problem,
            fix=f"see the end of its log:\n{self._log_tail()}",
        )

    def _log_tail(self) -> str:
        if self._directory is None or not self.log_file.exists():
            return "(no log)"
        return self.log_file.read_bytes()[-_LOG_TAIL_BYTES:].decode("utf-8", "replace") or "(empty)"


def _is_stopped(pid: int) -> bool:
    """Whether every thread has noticed SIGSTOP: Java's take a moment, in which they still answer."""
    if not Path("/proc/self/task").exists():
        return True  # not Linux: nothing to look at
    with contextlib.suppress(OSError):  # a thread that ends while we look
        states = [
            task.read_text("utf-8").rpartition(")")[2].split()[0] for task in Path(f"/proc/{pid}/task").glob("*/stat")
        ]
        return set(states) == {"T"}
    return False


def main() -> int:
    """Run one broker until SIGINT or SIGTERM and print its address: `python -m worker.demo.broker`."""
    ended = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ended.set())
    with EmbeddedBroker(say=lambda line: _write(sys.stderr, line)) as broker:
        _write(sys.stdout, broker.bootstrap_servers)
        _write(sys.stderr, f"log: {broker.log_file}; Ctrl-C stops it")
        while not ended.wait(1.0) and broker.is_running:
            pass
    return 0 if ended.is_set() else 1


def _write(stream: TextIO, line: str) -> None:
    stream.write(f"{line}\n")
    stream.flush()


if __name__ == "__main__":
    sys.exit(main())
