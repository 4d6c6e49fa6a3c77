"""
The connection to one Redis server: no retries of its own, no command that an ACL would have to allow for it alone.

One connection of redis-py without its client and pool: the pool takes the session tickets that TLS 1.3 sends after a handshake for
left-over answers, and gives up a connection that is fine; it also repeats the command in its errors, and with it keys of contacts.
"""

from __future__ import annotations

import ssl
from collections.abc import Sequence
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError
from redis.retry import Retry

from worker.errors import ConfigError
from worker.settings.store_url import ServerUrl
from worker.stores.redis_access import RedisAccess

COMMANDS = (
    "auth",
    "evalsha",
    "hdel",
    "hexists",
    "hget",
    "hincrby",
    "hmget",
    "hscan",
    "hset",
    "info",
    "memory|usage",
    "script|load",
    "select",
    "unlink",
    "zadd",
    "zrangebylex",
    "zrem",
    "zscore",
)
"""Every command that is sent, by us or by our scripts: what the user in an ACL needs, no more."""


class Client:
    """
    Sends commands and returns their answers, in the thread that made it.

    It connects when it is first used, and anew after each error that leaves open what comes next. Nothing is retried: a write whose
    answer was lost has to be recognised when it is repeated.
    """

    def __init__(self, connection: Any) -> None:  # noqa: ANN401  its methods say little of what they take
        self._connection = connection
        self.unanswered = 0
        """Commands that were sent and whose answers nobody has taken; 0 after the connection was lost, and they with it."""
        self.lost = 0
        """How many connections are gone. The next one may lead to another server, where a scan's cursor means nothing."""

    def call(self, *command: Any) -> Any:  # noqa: ANN401
        """Return the answer to *command*; raises what redis-py and the network raise."""
        return self.call_all([command])[0]

    def call_all(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Send *commands* together and return their answers; one that is refused raises, and the others were done or will be."""
        self.send(commands)
        return [self.receive() for _ in commands]

    def send(self, commands: Sequence[tuple[Any, ...]], *, behind: bool = False) -> None:
        """Send *commands* and leave their answers to `receive`; unless *behind*, answers that nobody took are thrown away."""
        connection = self._connection
        if self.unanswered and not behind:
            self.disconnect()
        try:
            connection.connect()
            connection.send_packed_command(connection.pack_commands(commands), check_health=False)
        except BaseException:
            self.disconnect()
            raise
        self.unanswered += len(commands)

    def receive(self) -> Any:  # noqa: ANN401
        """Return the next answer to what was sent; one that says no takes those behind it with it."""
        if not self.unanswered:
            raise redis.ConnectionError("the answer was lost with its connection")
        self.unanswered -= 1
        try:
            return self._connection.read_response()
        except BaseException as error:
            if self.unanswered or not isinstance(error, ResponseError):
                self.disconnect()  # or the next call would take the answers that are left for its own
            raise

    def info(self) -> dict[str, str]:
        """Return what the server says about itself."""
        lines = bytes(self.call("INFO")).decode("utf-8", "replace").splitlines()
        return {name: value for name, colon, value in (line.partition(":") for line in lines) if colon}

    def disconnect(self) -> None:
        """Let the next call connect anew, to where the name then leads."""
        self.unanswered = 0
        self.lost += 1
        self._connection.disconnect()


def connect(url: ServerUrl, access: RedisAccess) -> Client:
    """
    Return a client that has not connected yet.

    Raises:
        ConfigError: a certificate or key cannot be used.
    """
    password = access.password or url.password
    seconds = access.timeout_ms / 1000
    options: dict[str, Any] = {
        "db": url.database,
        "username": url.username or None,
        "password": password.reveal() if password is not None else None,
        "socket_timeout": seconds,
        "socket_connect_timeout": seconds,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,  # with 3 the client sends HELLO, and answers have other types
        "driver_info": None,  # or it sends CLIENT SETINFO at each connection
        "socket_read_size": 1 << 18,
    }
    kind: Any = redis.Connection
    if url.path:
        kind = redis.UnixDomainSocketConnection
        options["path"] = url.path
    else:
        options |= {"host": url.host, "port": url.port, "socket_keepalive": True}
    if url.scheme == "rediss":
        kind = redis.SSLConnection
        options |= _tls_options(access)
    return Client(kind(**options))


def _tls_options(access: RedisAccess) -> dict[str, Any]:
    """Return the options of TLS, tried out first: the client itself would look at the files only when it connects."""
    try:
        context = ssl.create_default_context(cafile=access.ca_location or None)
        if access.certificate_location:
            context.load_cert_chain(access.certificate_location, access.key_location or None, password=_no_password)
    except (OSError, ValueError) as error:  # what TLS finds wrong is an OSError too
        raise ConfigError(
            where="LEADSCORE_REDIS_CA_LOCATION, _CERTIFICATE_LOCATION and _KEY_LOCATION",
            problem=f"certificate or key cannot be used ({type(error).__name__})",
            fix="check that they are PEM, belong together, and that the key has no password",
        ) from error
    return {
        "ssl_cert_reqs": "required",
        "ssl_check_hostname": True,
        "ssl_ca_certs": access.ca_location or None,
        "ssl_certfile": access.certificate_location or None,
        "ssl_keyfile": access.key_location or None,
        "ssl_min_version": ssl.TLSVersion.TLSv1_2,
    }


def _no_password() -> str:
    raise ValueError("the key asks for a password")  # or OpenSSL would ask the terminal for it
