"""The web server on loopback: four pages, two methods, no more."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import aiohttp
import pytest

from worker.errors import ConfigError
from worker.settings import load_settings
from worker.web import ModelStatus, PartitionStatus, Status, WebServer

pytestmark = pytest.mark.loopback

STATUS = Status(
    version="1.2.3",
    app_id="lead-scoring",
    topic="lead-interactions",
    guarantee="exactly_once",
    is_live=True,
    is_ready=True,
    partitions=(
        PartitionStatus(partition=0, phase="running", position=17, lag_records=3, lag_seconds=1.5, restored_rows=12),
        PartitionStatus(partition=2, phase="waiting"),
    ),
    models=(ModelStatus(name="simple-100", version=1, digest="ab12"),),
)


@dataclass
class Worker:
    """What a worker tells its web server; tests change it."""

    web_bind: str = "127.0.0.1"
    web_port: int = 0
    status: Status = STATUS

    def exposition(self) -> bytes:
        return b"leadscore_rounds_total 1.0\n"


@asynccontextmanager
async def serving(worker: Worker) -> AsyncIterator[str]:
    server = WebServer(worker, lambda: worker.status, worker)
    await server.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        await server.stop()


def ask(
    path: str, method: str = "GET", worker: Worker | None = None, **request: object
) -> tuple[aiohttp.ClientResponse, bytes]:
    async def go() -> tuple[aiohttp.ClientResponse, bytes]:
        async with (
            serving(worker or Worker()) as url,
            aiohttp.ClientSession() as session,
            session.request(method, url + path, **request) as response,  # type: ignore[arg-type]
        ):
            return response, await response.read()

    return asyncio.run(go())


def exchange(sent: bytes) -> bytes:
    """Send raw bytes and return all that comes back until the server closes."""

    async def go() -> bytes:
        async with serving(Worker()) as url:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
            writer.write(sent)
            await writer.drain()
            answer = await asyncio.wait_for(reader.read(), 5)
            writer.close()
            await writer.wait_closed()
            return answer

    return asyncio.run(go())


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probe_says_ok_when_all_is_well(path: str) -> None:
    response, body = ask(path)
    assert (response.status, body) == (200, b"ok\n")


def test_worker_that_is_not_ready_is_alive_and_says_why() -> None:
    """If liveness failed during a restore, the supervisor would restart the worker until it never ends."""
    worker = Worker(status=replace(STATUS, is_ready=False, problem="restoring 2 partitions"))
    assert ask("/livez", worker=worker)[0].status == 200
    response, body = ask("/readyz", worker=worker)
    assert (response.status, body) == (503, b"restoring 2 partitions\n")


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_worker_that_is_not_live_fails_both_probes(path: str) -> None:
    worker = Worker(status=replace(STATUS, is_live=False))
    response, body = ask(path, worker=worker)
    assert (response.status, body) == (503, b"not yet\n")


def test_metrics_are_prometheus_text() -> None:
    response, body = ask("/metrics")
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert body == b"leadscore_rounds_total 1.0\n"


def test_status_is_json_without_what_is_not_known() -> None:
    response, body = ask("/status")
    assert response.headers["Content-Type"].startswith("application/json")
    assert json.loads(body) == {
        "version": "1.2.3",
        "app_id": "lead-scoring",
        "topic": "lead-interactions",
        "guarantee": "exactly_once",
        "is_live": True,
        "is_ready": True,
        "partitions": [
            {
                "partition": 0,
                "phase": "running",
                "position": 17,
                "lag_records": 3,
                "lag_seconds": 1.5,
                "restored_rows": 12,
            },
            {"partition": 2, "phase": "waiting", "restored_rows": 0},
        ],
        "models": [{"name": "simple-100", "version": 1, "digest": "ab12"}],
    }


def test_head_is_answered_without_a_body() -> None:
    response, body = ask("/status", "HEAD")
    assert (response.status, body) == (200, b"")


@pytest.mark.parametrize("path", ["/livez", "/metrics", "/nowhere", "/"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused_everywhere(path: str, method: str) -> None:
    response, _ = ask(path, method)
    assert response.status == 405
    assert response.headers["Allow"] == "GET,HEAD"


@pytest.mark.parametrize("path", ["/", "/live", "/livez/", "/status/x", "/contacts/1", "/..%2f..%2fetc/passwd", "/%00"])
def test_unknown_page_is_not_found_and_not_quoted(path: str) -> None:
    response, body = ask(path)
    assert (response.status, body) == (404, b"Not Found\n")


@pytest.mark.parametrize("path", ["/livez", "/nowhere"])
def test_every_answer_forbids_caching_sniffing_and_sharing(path: str) -> None:
    response, _ = ask(path, headers={"Origin": "http://evil.example"})
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Server"] == "leadscore"
    assert not [name for name in response.headers if name.lower().startswith("access-control-")]


@pytest.mark.parametrize(
    "sent",
    [
        b"GET /livez HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 20_000 + b"\r\n\r\n",
        b"GET /livez?" + b"x" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"nonsense\r\n\r\n",
    ],
    ids=["header", "line", "nonsense"],
)
def test_request_beyond_the_limits_is_refused_and_the_connection_closed(sent: bytes) -> None:
    assert exchange(sent).startswith((b"HTTP/1.1 400", b"HTTP/1.0 400"))


def test_body_is_not_read_and_the_connection_closed() -> None:
    """Else the rest of a body would be taken for the next request."""
    body = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
    head = b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    answer = exchange(head + body)
    assert answer.count(b"HTTP/1.1") == 1
    assert b"leadscore_rounds" not in answer


def test_port_is_known_after_the_start_only_and_free_after_the_stop() -> None:
    async def go() -> None:
        worker = Worker()
        server = WebServer(worker, lambda: worker.status, worker)
        with pytest.raises(RuntimeError, match="not started"):
            _ = server.port
        await server.start()
        port = server.port
        await server.stop()
        await server.stop()
        with socket.socket() as free:
            free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            free.bind(("127.0.0.1", port))

    asyncio.run(go())


def test_port_in_use_is_a_configuration_error() -> None:
    async def go() -> None:
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            worker = Worker(web_port=taken.getsockname()[1])
            with pytest.raises(ConfigError, match="cannot be bound"):
                await WebServer(worker, lambda: worker.status, worker).start()

    asyncio.run(go())


def test_settings_say_where_to_listen_and_default_to_loopback() -> None:
    async def go() -> None:
        settings = load_settings({"LEADSCORE_BROKERS": "a:1", "LEADSCORE_WEB_PORT": "0"})
        server = WebServer(settings, lambda: STATUS, Worker())
        await server.start()
        try:
            assert settings.web_bind == "127.0.0.1"
            assert server.port > 0
        finally:
            await server.stop()

    asyncio.run(go())
