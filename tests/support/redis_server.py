"""A Redis server of the test's own: started, killed, frozen, restarted, with any persistence, users, TLS, as a replica."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import redis

from tests.support.redis_package import redis_program
from worker.clock import Deadline, pause
from worker.stores.redis_connection import COMMANDS

LIMITED_NAME, LIMITED_PASSWORD = "leadscore", "only-for-tests"
LIMITED_USER = f"user {LIMITED_NAME} on >{LIMITED_PASSWORD} resetchannels ~leadscore:* -@all " + " ".join(
    f"+{command}" for command in COMMANDS
)
"""Who may do what a worker needs, and nothing else: a line of an ACL file."""

_START_WITHIN_S = 20.0
_HIGHEST_PORT = 55_535


class RedisServer:
    """
    One server process on loopback. Its data, log and port stay the same over restarts.

    Args:
        directory: Where its data lies; made when absent.
        options: Lines of redis.conf by name; the defaults are no TLS, no users, nothing saved.
        users: Lines of an ACL file; the administrator, as whom `ask` asks, needs no password.
        tls: Files of certificate, key and CA: then it listens with TLS alone.
        asks_for_certificates: Whether it lets only those in who have a certificate of that CA.
    """

    def __init__(
        self,
        directory: Path,
        options: Mapping[str, str] | None = None,
        *,
        users: Sequence[str] = (),
        tls: tuple[Path, Path, Path] | None = None,
        asks_for_certificates: bool = False,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.port = _free_port()
        self.options = {"save": "", "appendonly": "no", **(options or {})}
        if users:
            acl = directory / "users.acl"
            acl.write_text("\n".join(["user default on nopass ~* &* +@all", *users, ""]), "utf-8")
            self.options["aclfile"] = str(acl)
        self._tls = tls
        self._asks = asks_for_certificates
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """What to give as LEADSCORE_STORE, without user and password."""
        return f"{'rediss' if self._tls else 'redis'}://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self, *, waits: bool = True) -> None:
        """Start it, again too; return when it answers and has loaded its data, or at once unless *waits*."""
        program = redis_program()
        with (self.directory / "server.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program.path, *self._arguments()],
                env=program.environ,
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        if waits:
            self._wait_until_loaded()

    def stop(self) -> None:
        """End it in good order: what it saves, it saves."""
        if self._process is not None and self._process.poll() is None:
            self.thaw()
            self._process.terminate()
            self._process.wait(timeout=20)

    def kill(self) -> None:
        """End it as a power cut would end the process: what it has handed to the kernel stays."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Stop it in its tracks; connections stay open, and nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)

    def client(self, **options: Any) -> redis.Redis:
        """Return a client of the test's own; close it. *options* as redis.Redis takes them, a user for instance."""
        if self._tls:
            options |= {"ssl": True, "ssl_ca_certs": str(self._tls[2]), "ssl_check_hostname": False}
            options |= {"ssl_certfile": str(self._tls[0]), "ssl_keyfile": str(self._tls[1])}
        return redis.Redis(port=self.port, protocol=2, socket_timeout=10, **options)

    def ask(self, *command: Any) -> Any:
        """Return the answer to one command by the administrator."""
        with self.client() as client:
            return client.execute_command(*command)

    def _arguments(self) -> list[str]:
        port = {"port": "0", "tls-port": str(self.port)} if self._tls else {"port": str(self.port)}
        if self._tls:
            certificate, key, authority = map(str, self._tls)
            port |= {"tls-cert-file": certificate, "tls-key-file": key, "tls-ca-cert-file": authority}
            port["tls-auth-clients"] = "yes" if self._asks else "no"
        lines = {"bind": "127.0.0.1", "dir": str(self.directory), "daemonize": "no", **port, **self.options}
        return [part for name, value in lines.items() for part in (f"--{name}", value)]

    def _wait_until_loaded(self) -> None:
        deadline = Deadline(_START_WITHIN_S)
        while not deadline.has_passed:
            assert self._process is not None
            if self._process.poll() is not None:
                break
            try:
                with self.client() as client:
                    client.ping()
                    return
            except redis.AuthenticationError:
                return  # it answers, and wants a user
            except redis.ConnectionError:
                pause(0.02)
        raise AssertionError(f"Redis did not start: {(self.directory / 'server.log').read_text('utf-8')[-2000:]}")


def _free_port() -> int:
    """Return a port that nobody listens on, below those that a cluster's node cannot take."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = int(probe.getsockname()[1])
        if port <= _HIGHEST_PORT:
            return port
