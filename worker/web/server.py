"""The worker's own small web server: probes, metrics and status, for GET and HEAD only; it serves no contact data."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import orjson
from aiohttp import web

from worker.errors import ConfigError
from worker.web.status import Status

_MAX_LINE_BYTES = 4096
_MAX_HEADER_BYTES = 8192
_KEEPALIVE_SECONDS = 15.0
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

    def exposition(self) -> bytes:
        """Return all metrics in the text format of Prometheus."""


class WebServer:
    """
    Serves /livez, /readyz, /metrics and /status in the running loop, from `start` to `stop`.

    Args:
        binding: Address and port.
        status: Asked at every request; must not block, and must not raise.
        metrics: Asked at every scrape.
    """

    def __init__(self, binding: Binding, status: Callable[[], Status], metrics: Exposition) -> None:
        self._binding = binding
        self._status = status
        self._metrics = metrics
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port that is bound; raises RuntimeError unless started."""
        if self._runner is None or not self._runner.addresses:
            raise RuntimeError("the web server is not started")
        return int(self._runner.addresses[0][1])

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
        runner = web.AppRunner(
            application,
            access_log=None,
            handle_signals=False,
            keepalive_timeout=_KEEPALIVE_SECONDS,
            shutdown_timeout=_STOP_SECONDS,
            max_line_size=_MAX_LINE_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
        )
        await runner.setup()
        bind, port = self._binding.web_bind, self._binding.web_port
        try:
            await web.TCPSite(runner, bind, port).start()
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
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _livez(self, request: web.Request) -> web.Response:
        status = self._status()
        return _verdict(holds=status.is_live, problem=status.problem)

    async def _readyz(self, request: web.Request) -> web.Response:
        status = self._status()
        return _verdict(holds=status.is_live and status.is_ready, problem=status.problem)

    async def _metrics_page(self, request: web.Request) -> web.Response:
        return web.Response(
            body=self._metrics.exposition(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
        )

    async def _status_page(self, request: web.Request) -> web.Response:
        body = orjson.dumps(self._status().as_document(), option=orjson.OPT_INDENT_2)
        return web.Response(body=body, content_type="application/json")


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
