"""URLs of stores that are servers: read into their parts, and shown without what opens them."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from worker.settings.secret import Secret

SERVER_SCHEMES = ("redis", "rediss", "redis+unix")
"""Redis over TCP, over TLS, and over a socket on the same machine."""

_DEFAULT_PORT = 6379
_HIDDEN = "****"


class ServerUrl(NamedTuple):
    """Where a store's server is, and as whom to speak to it."""

    scheme: str
    host: str  # empty for a socket
    port: int
    path: str  # of the socket; empty for TCP
    database: int
    username: str  # empty: the server's default user
    password: Secret | None

    @property
    def address(self) -> str:
        """The URL without user and password, for messages."""
        if self.path:
            return f"{self.scheme}://{self.path}" + (f"?db={self.database}" if self.database else "")
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}/{self.database}"


def parse_server_url(text: str) -> ServerUrl:
    """
    Return the parts of *text*: ``redis://[user[:password]@]host[:port][/database]``, ``rediss://`` alike, or
    ``redis+unix://[user[:password]@]/path/of/socket[?db=database]``.

    Raises ValueError when it cannot be read so; the text of *text* is never quoted, since it may hold a password.

    >>> parse_server_url("rediss://leadscore@cache.example:6380/2").address
    'rediss://cache.example:6380/2'
    """
    parts = urlsplit(text)
    if parts.scheme not in SERVER_SCHEMES:
        raise ValueError("not a Redis URL; write redis://host:6379/0, rediss://host:6379/0 or redis+unix:///path")
    try:
        port = _DEFAULT_PORT if parts.port is None else parts.port
    except ValueError:
        raise ValueError(f"no port after the host; write a number: {parts.scheme}://host:6379/0") from None
    is_socket = parts.scheme == "redis+unix"
    host = parts.hostname or ""
    if is_socket and (host or not parts.path.startswith("/") or parts.path == "/"):
        raise ValueError("no path of a socket; write three slashes: redis+unix:///run/redis/redis.sock")
    if not is_socket and (not host or port == 0):
        raise ValueError(f"no host; write {parts.scheme}://host:6379/0")
    if parts.fragment or (parts.query and not is_socket):
        raise ValueError("something after the database; write options as LEADSCORE_REDIS_* settings")
    return ServerUrl(
        scheme=parts.scheme,
        host=host,
        port=port,
        path=unquote(parts.path) if is_socket else "",
        database=_database(_queried(parts.query) if is_socket else parts.path.removeprefix("/")),
        username=unquote(parts.username or ""),
        password=Secret(unquote(parts.password)) if parts.password else None,
    )


def hide_password(text: str) -> str:
    """
    Return *text*, a URL that may be misspelt, with everything that could be a password hidden.

    >>> hide_password("redis://scorer:hunter2@cache:6379/0")
    'redis://scorer:****@cache:6379/0'
    >>> hide_password("redis//:p@ss/word@cache")
    '****@cache'
    """
    before, at, after = text.rpartition("@")
    if not at:
        return text
    found = re.fullmatch(r"([a-z+]+://)([^:/@]*)(:?).*", before)
    if found is None:
        return f"{_HIDDEN}@{after}"
    start, username, colon = found.groups()
    return f"{start}{username}{colon and ':' + _HIDDEN}@{after}"


def _queried(query: str) -> str:
    options = parse_qs(query, keep_blank_values=True)
    if set(options) - {"db"} or len(options.get("db", [""])) != 1:
        raise ValueError("something other than the database after the path; write redis+unix:///path?db=1")
    return options["db"][0] if options else ""


def _database(text: str) -> int:
    if text == "":
        return 0
    if re.fullmatch(r"[0-9]{1,4}", text) is None:
        raise ValueError("no database after the slash; write a number from 0: redis://host:6379/0")
    return int(text)
