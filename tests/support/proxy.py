"""
A TCP proxy that misbehaves on demand: late, thin, cut, half-open, deaf one way, in crumbs.

It runs in a thread of the test, so freezing or killing a worker does not touch it. A broker behind it must advertise the
proxy's address to those who are to pass through it: `advertised.listeners`.
"""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Self

from tests.support.proxied_link import Conditions, Flow, Link, abort
from worker.demo.loopback import LOOPBACK, free_ports

_CHUNK = 64 * 1024
_UNDER_WAY = 16  # chunks each way; more, and a thin link would be a long queue instead
_THIN_CHUNK = 4 * 1024
_ANSWERED_WITHIN_S = 10.0


class TcpProxy:
    """
    Passes every connection on to *target*; a context manager.

    Args:
        target: `host:port`.
        port: Where to listen on 127.0.0.1; 0: some free one.
        seed: Of the jitter.
    """

    def __init__(self, target: str, *, port: int = 0, seed: int = 1) -> None:
        host, _, number = target.rpartition(":")
        self._target = host, int(number)
        self.port = port or free_ports(1)[0]
        self._random = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"proxy of {target}", daemon=True)
        self._started = threading.Event()
        self._failure: BaseException | None = None
        self._conditions = Conditions()
        self._changed = asyncio.Event()
        self._links: set[Link] = set()
        self.accepted = 0  # connections so far
        self.passed_bytes = 0  # both ways

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(_ANSWERED_WITHIN_S), "the proxy did not start"
        if self._failure is not None:
            self._thread.join()
            raise self._failure
        return self

    def __exit__(self, *_: object) -> None:
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stopping.set)
            self._thread.join()

    @property
    def address(self) -> str:
        """`host:port` for clients."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def live(self) -> int:
        """How many connections are open now."""
        return len(self._links)

    # ---- what a test says

    def heal(self) -> None:
        """Pass everything again; connections that have lost bytes are reset."""
        self.set(Conditions())

    def delay(self, seconds: float, *, jitter_s: float = 0.0) -> None:
        """Let everything arrive late, both ways: a round trip takes twice as long."""
        flow = Flow(delay_s=seconds, jitter_s=jitter_s)
        self.set(Conditions(flow, flow))

    def limit(self, bytes_a_second: float) -> None:
        """Let no more through, each way and connection."""
        flow = Flow(bytes_a_second=bytes_a_second)
        self.set(Conditions(flow, flow))

    def slice(self, size: int) -> None:
        """Pass everything in small pieces."""
        flow = Flow(slice_bytes=size)
        self.set(Conditions(flow, flow))

    def cut(self) -> None:
        """Reset every connection, and new ones at once, until it is healed."""
        self.set(Conditions(refuses=True))
        self.reset()

    def refuse(self) -> None:
        """Reset new connections; those that exist go on."""
        self.set(Conditions(refuses=True))

    def hold(self, *, to_server: bool = True, to_client: bool = True) -> None:
        """Let nothing arrive for now, both ways or one: a cable pulled, and plugged in again by `heal`."""
        self.set(Conditions(Flow(is_held=to_server), Flow(is_held=to_client)))

    def half_open(self) -> None:
        """Accept and swallow: connections stay, new ones are taken, and nothing comes through."""
        self.set(Conditions(Flow(is_swallowed=True), Flow(is_swallowed=True)))

    def strand(self) -> None:
        """Let the connections that exist swallow everything from now on, healed or not; new ones pass."""
        self._call(self._strand)

    def reset(self) -> None:
        """Reset every connection that exists."""
        self._call(self._reset)

    def set(self, conditions: Conditions) -> None:
        """Let the link behave like *conditions* from now on."""
        self._call(lambda: self._set(conditions))

    # ---- in the proxy's thread

    def _call(self, act: Callable[[], None]) -> None:
        done = threading.Event()

        def acting() -> None:
            act()
            done.set()

        self._loop.call_soon_threadsafe(acting)
        assert done.wait(_ANSWERED_WITHIN_S), "the proxy does not answer"

    def _set(self, conditions: Conditions) -> None:
        self._conditions = conditions
        self._changed.set()  # those who wait look again
        self._changed = asyncio.Event()
        for link in list(self._links):
            if (
                link.has_lost
                and not link.is_stranded
                and not (conditions.to_server.is_swallowed or conditions.to_client.is_swallowed)
            ):
                link.reset()

    def _strand(self) -> None:
        for link in self._links:
            link.is_stranded = True

    def _reset(self) -> None:
        for link in list(self._links):
            link.reset()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_until_complete(self._serve())
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        self._stopping = asyncio.Event()
        try:
            server = await asyncio.start_server(self._accept, LOOPBACK, self.port)
        except OSError as failure:
            self._failure = failure
            self._started.set()
            return
        self._started.set()
        await self._stopping.wait()
        server.close()
        self._reset()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(asyncio.CancelledError):  # at the end; asyncio.streams would log it
            await self._pass_on(reader, writer)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.accepted += 1
        if self._conditions.refuses:
            abort(writer)
            return
        try:
            server_reader, server_writer = await asyncio.open_connection(*self._target)
        except OSError:
            abort(writer)
            return
        link = Link(writer, server_writer)
        self._links.add(link)
        pumps = {
            asyncio.ensure_future(self._pump(link, reader, server_writer, is_to_server=True)),
            asyncio.ensure_future(self._pump(link, server_reader, writer, is_to_server=False)),
        }
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            self._links.discard(link)
            link.close()

    def _flow(self, *, is_to_server: bool) -> Flow:
        return self._conditions.to_server if is_to_server else self._conditions.to_client

    async def _pump(
        self, link: Link, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, is_to_server: bool
    ) -> None:
        """Read on while earlier chunks are still on their way, so that delay costs no bandwidth."""
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(_UNDER_WAY)
        delivering = asyncio.ensure_future(self._deliver(link, under_way, writer, is_to_server=is_to_server))
        try:
            with suppress(OSError):
                while data := await reader.read(_CHUNK):
                    flow = self._flow(is_to_server=is_to_server)
                    late_s = max(0.0, flow.delay_s + self._random.uniform(-flow.jitter_s, flow.jitter_s))
                    await under_way.put((self._loop.time() + late_s, data))
            await under_way.put((0.0, b""))
            await delivering
        finally:
            delivering.cancel()

    async def _deliver(
        self,
        link: Link,
        under_way: asyncio.Queue[tuple[float, bytes]],
        writer: asyncio.StreamWriter,
        *,
        is_to_server: bool,
    ) -> None:
        with suppress(OSError):
            while True:
                due, data = await under_way.get()
                await asyncio.sleep(max(0.0, due - self._loop.time()))
                flow = await self._passable(is_to_server=is_to_server)
                if not data:
                    return
                if flow.is_swallowed or link.is_stranded:
                    link.has_lost = True
                    continue
                await self._write(writer, data, flow)

    async def _passable(self, *, is_to_server: bool) -> Flow:
        while (flow := self._flow(is_to_server=is_to_server)).is_held:
            await self._changed.wait()
        return flow

    async def _write(self, writer: asyncio.StreamWriter, data: bytes, flow: Flow) -> None:
        size = flow.slice_bytes or (_THIN_CHUNK if flow.bytes_a_second else len(data))
        for start in range(0, len(data), size):
            piece = data[start : start + size]
            writer.write(piece)
            await writer.drain()
            self.passed_bytes += len(piece)
            # A turn of the loop at least, or the pieces would leave as one.
            await asyncio.sleep(len(piece) / flow.bytes_a_second if flow.bytes_a_second else 0.0)
