"""
The worker's own small web server: probes, metrics and status, for GET and HEAD only.

It serves contact data on one path, which is there only when a token is set.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Protocol, cast

import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from worker.errors import ConfigError
from worker.web.contacts import PREFIX
from worker.web.status import Status

_log = logging.getLogger(__name__)
_log.addFilter(lambda record: not _quotes_request(record))

_MAX_LINE_BYTES = 4096
_MAX_HEADER_BYTES = 8192
_KEEPALIVE_SECONDS = 15.0
"""A connection that has not brought a whole request by then is closed, as is an idle one."""
_MAX_CONNECTIONS = 64
_STOP_SECONDS = 2.0
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'",
    "Server": "leadscore",
    "X-Content-Type-Options": "nosniff",
}


class Binding(Protocol):
    """Where to listen; Settings fits."""

    @property
    def web_bind(self) -> str:
        """Address; loopback unless an operator chose another."""

    @property
    def web_port(self) -> int:
        """Port; 0 takes any free one."""


class Exposition(Protocol):
    """What can be scraped; Metrics fits."""

    def exposition(self) -> bytes | Awaitable[bytes]:
        """Return all metrics in the text format of Prometheus, at once or when others have been asked."""


class Page(Protocol):
    """One page with contact data; ContactPage fits."""

    async def get(self, request: web.Request) -> web.Response:
        """Answer *request*."""


class WebServer:
    """
    Serves /livez, /readyz, /metrics and /status in the running loop, from `start` to `stop`, and /contacts/{id} if it is given.

    Args:
        binding: Address and port.
        status: Asked at every request; must not block, and must not raise.
        metrics: Asked at every scrape.
        contacts: The page with contact data; None: there is no such path.
    """

    def __init__(
        self,
        binding: Binding,
        status: Callable[[], Status],
        metrics: Exposition,
        contacts: Page | None = None,
    ) -> None:
        self._binding = binding
        self._status = status
        self._metrics = metrics
        self._contacts = contacts
        self._runner: web.AppRunner | None = None
        self._listening: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port that is bound; raises RuntimeError unless started."""
        if self._listening is None or not self._listening.sockets:
            raise RuntimeError("the web server is not started")
        return int(self._listening.sockets[0].getsockname()[1])

    async def start(self) -> None:
        """
        Bind and serve.

        Raises:
            ConfigError: the address or port cannot be bound.
        """
        application = web.Application(middlewares=[_guarded], client_max_size=1)
        application.router.add_get("/livez", self._livez)
        application.router.add_get("/readyz", self._readyz)
        application.router.add_get("/metrics", self._metrics_page)
        application.router.add_get("/status", self._status_page)
        if self._contacts is not None:
            application.router.add_get(PREFIX + "{id}", self._contacts.get)
        runner = web.AppRunner(
            application,
            access_log=None,
            logger=_log,
            handle_signals=False,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            shutdown_timeout=_STOP_SECONDS,
            max_line_size=_MAX_LINE_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
        )
        await runner.setup()
        bind, port = self._binding.web_bind, self._binding.web_port
        try:
            self._listening = await _listen(runner, bind, port)
        except OSError as exc:
            await runner.cleanup()
            raise ConfigError(
                where="LEADSCORE_WEB_BIND, LEADSCORE_WEB_PORT",
                problem=f"{bind} port {port} cannot be bound: {exc.strerror}",
                fix="choose a free port (0 takes any), or stop what listens there",
            ) from exc
        self._runner = runner

    async def stop(self) -> None:
        """Close the port and all connections; stopping twice changes nothing."""
        listening, self._listening = self._listening, None
        runner, self._runner = self._runner, None
        if listening is not None:
            listening.close()
        if runner is not None:
            await runner.cleanup()

    async def _livez(self, request: web.Request) -> web.Response:
        status = self._status()
        return _verdict(holds=status.is_live, problem=status.problem)

    async def _readyz(self, request: web.Request) -> web.Response:
        status = self._status()
        return _verdict(holds=status.is_live and status.is_ready, problem=status.problem)

    async def _metrics_page(self, request: web.Request) -> web.Response:
        asked = self._metrics.exposition()
        body = asked if isinstance(asked, bytes) else await asked
        return web.Response(body=body, headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})

    async def _status_page(self, request: web.Request) -> web.Response:
        body = orjson.dumps(self._status().as_document(), option=orjson.OPT_INDENT_2)
        return web.Response(body=body, content_type="application/json")


def _quotes_request(record: logging.LogRecord) -> bool:
    """Whether *record* is about a request that is no HTTP: its traceback quotes it, and anybody can send any number of them."""
    error = record.exc_info[1] if record.exc_info else None
    return record.levelno < logging.WARNING or isinstance(error, HttpProcessingError)


async def _listen(runner: web.AppRunner, bind: str, port: int) -> asyncio.Server:
    """Listen for so many connections at once; more would take the file handles that Kafka and the store need."""
    server = runner.server
    assert server is not None  # noqa: S101 - it is set up

    def connection() -> asyncio.BaseProtocol:
        return server() if len(server.connections) < _MAX_CONNECTIONS else _TurnedAway()

    return await asyncio.get_running_loop().create_server(connection, bind, port, backlog=_MAX_CONNECTIONS)


class _TurnedAway(asyncio.Protocol):
    """Closes a connection as soon as it is there."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()


@web.middleware
async def _guarded(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse what is neither GET nor HEAD on any path, drop bodies unread, and set our headers on every answer."""
    try:
        if request.method not in {"GET", "HEAD"}:
            raise web.HTTPMethodNotAllowed(request.method, ["GET", "HEAD"])
        response = await handler(request)
    except web.HTTPException as refused:
        response = web.Response(status=refused.status, text=f"{refused.reason}\n")
        if "Allow" in refused.headers:
            response.headers["Allow"] = refused.headers["Allow"]
    response.headers.update(_HEADERS)
    if request.can_read_body:
        response.force_close()  # else the rest of the body would be read as the next request
    return response


def _verdict(*, holds: bool, problem: str) -> web.Response:
    if holds:
        return web.Response(text="ok\n")
    return web.Response(status=503, text=f"{problem or 'not yet'}\n")
