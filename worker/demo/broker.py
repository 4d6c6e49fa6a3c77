"""A real single-node Apache Kafka on loopback, for the demo and the tests; `leadscore run` never starts one."""

from __future__ import annotations

import base64
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
from worker.demo.supervised import SupervisedProcess, log_tail
from worker.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_STOP_WITHIN_S = 20.0
_FORMAT_WITHIN_S = 60.0
_PORT_ATTEMPTS = 3

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
        port: Where it listens; 0: on a free port. A fixed one is for brokers that have to know each other beforehand.
        cluster: Id of the cluster that it belongs to; empty: one of its own.
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
        port: int = 0,
        cluster: str = "",
    ) -> None:
        self._owns_directory = directory is None
        self._directory = directory
        self._properties = dict(properties or {})
        self._heap_mib = heap_mib
        self._ready_within_s = ready_within_s
        self._say = say
        self._version = version
        self._process: SupervisedProcess | None = None
        self._port = port
        self._may_choose_port = not port
        self._cluster = cluster
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
        if self._process is None or not self.is_running:
            raise self._failure("is not running")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process exists; a frozen one does."""
        return self._process is not None and self._process.is_running

    def start(self) -> None:
        """
        Start it and wait until it answers; nothing to do when it runs.

        Raises:
            DependencyError: No Java, no Kafka, or it did not answer in time (with the end of its log).
        """
        if self.is_running:
            return
        is_first = not self._java
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
                may_move = is_first and self._may_choose_port and attempts_left
                if not (may_move and "already in use" in str(failure)):
                    raise
            else:
                return

    def stop(self) -> None:
        """Shut it down in good order (SIGTERM), by force when that takes over 20 s; data stay."""
        if self._process is not None:
            self._process.stop(_STOP_WITHIN_S)
            self._process = None

    def kill(self) -> None:
        """Kill it at once (SIGKILL); data stay as they are on disk."""
        if self._process is not None:
            self._process.kill()
            self._process = None

    def freeze(self) -> None:
        """Stop it in its tracks (SIGSTOP): connections stay open, nothing answers once this returns."""
        if self._process is not None:
            self._process.freeze()

    def thaw(self) -> None:
        """Let it go on after `freeze` (SIGCONT)."""
        if self._process is not None:
            self._process.thaw()

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
        free, controller = free_ports(2)
        if self._may_choose_port:
            self._port = free
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
        arguments = [
            "format",
            "-t",
            self._cluster or cluster_id(uuid.uuid4().bytes),
            "-c",
            str(self.directory / "server.properties"),
        ]
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
        serve = [*self._java, "kafka.Kafka", str(self.directory / "server.properties")]
        remove = self.directory if self._owns_directory else None
        self._process = process = SupervisedProcess(serve, log=self.log_file, remove=remove)
        deadline = Deadline(self._ready_within_s)
        while not answers(LOOPBACK, self._port):
            if deadline.has_passed or process.wait(0.05):
                ended = " (the process ended)" if not process.is_running else ""
                raise self._failure(f"did not answer within {self._ready_within_s:g} s{ended}")

    def _failure(self, problem: str) -> DependencyError:
        tail = log_tail(self.log_file) if self._directory else "(none)"
        return DependencyError(
            what=f"embedded Apache Kafka {self._version}",
            problem=problem,
            fix=f"see the end of its log:\n{tail}",
        )


def cluster_id(random: bytes) -> str:
    """
    Return 16 random bytes as Kafka writes ids, none of which begins with a dash: its own tools would take that for an option.

    >>> cluster_id(bytes(16))
    'AAAAAAAAAAAAAAAAAAAAAA'
    >>> cluster_id(bytes([0xF8, *bytes(15)]))
    'AAAAAAAAAAAAAAAAAAAAAA'
    """
    while (text := base64.urlsafe_b64encode(random).decode().rstrip("=")).startswith("-"):
        random = bytes([random[0] & 0x07]) + random[1:]
    return text


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
