"""Whoever reaches the worker's port can neither keep it busy nor take its file handles."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import dataclass

import pytest

from worker.web import Status, WebServer
from worker.web import server as limits

pytestmark = pytest.mark.loopback

STATUS = Status(version="1", app_id="a", topic="t", guarantee="exactly_once", is_live=True, is_ready=True)


@dataclass
class Worker:
    web_bind: str = "127.0.0.1"
    web_port: int = 0

    def exposition(self) -> bytes:
        return b""


async def closed_by_server(reader: asyncio.StreamReader) -> bool:
    with suppress(ConnectionError):
        while await asyncio.wait_for(reader.read(1024), 10):
            pass
    return True


@pytest.mark.parametrize(
    "dripped", [b"", b"GET /livez HTTP/1.1\r\nX-Slow: a", b"GET /livez HTTP/1.1\r\nContent-Length: 9\r\n"]
)
def test_a_request_that_never_ends_is_cut_off(monkeypatch: pytest.MonkeyPatch, dripped: bytes) -> None:
    """If this fails, a few slow clients hold connections for ever."""
    monkeypatch.setattr(limits, "_KEEPALIVE_SECONDS", 0.3)

    async def go() -> None:
        worker = Worker()
        server = WebServer(worker, lambda: STATUS, worker)
        await server.start()
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.write(dripped)
            assert await closed_by_server(reader)
            writer.close()
        finally:
            await server.stop()

    asyncio.run(go())


def test_only_so_many_connections_are_held_and_places_come_free_again() -> None:
    """If this fails, an open port lets anybody take the file handles that Kafka and the store need."""

    async def go() -> None:
        worker = Worker()
        server = WebServer(worker, lambda: STATUS, worker)
        await server.start()
        opened = []
        try:
            for _ in range(limits._MAX_CONNECTIONS):
                opened.append(await asyncio.open_connection("127.0.0.1", server.port))
                opened[-1][1].write(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
                assert (await asyncio.wait_for(opened[-1][0].readuntil(b"ok\n"), 5)).startswith(b"HTTP/1.1 200")
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            assert await closed_by_server(reader), "one too many"
            writer.close()
            _, gone = opened.pop()
            gone.close()
            await gone.wait_closed()
            async with asyncio.timeout(5):
                while True:
                    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
                    writer.write(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    with suppress(ConnectionError):
                        if (await reader.read()).endswith(b"ok\n"):
                            break
                    writer.close()
            writer.close()
        finally:
            for _, writer in opened:
                writer.close()
            await server.stop()

    asyncio.run(go())
