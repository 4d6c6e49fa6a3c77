"""The proxy does what its methods say; a fault that does not happen proves nothing about the worker."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.support.proxy import TcpProxy
from worker.clock import monotonic

pytestmark = pytest.mark.loopback

SOON_S = 0.2


class Echo:
    """A server that sends back what it gets, and counts it."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._socket.getsockname()[1]}"
        self.got = b""
        self._threads = [threading.Thread(target=self._serve)]
        self._threads[0].start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._talk, args=(client,)))
            self._threads[-1].start()

    def _talk(self, client: socket.socket) -> None:
        with client, suppress(OSError):
            while data := client.recv(65536):
                self.got += data
                client.sendall(data)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def echo() -> Iterator[Echo]:
    server = Echo()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[TcpProxy]:
    with TcpProxy(echo.address) as running:
        yield running


@pytest.fixture
def client(proxy: TcpProxy) -> Iterator[socket.socket]:
    with connected(proxy) as link:
        yield link


def connected(proxy: TcpProxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=10.0)


def exchange(client: socket.socket, data: bytes) -> bytes:
    client.sendall(data)
    found = b""
    while len(found) < len(data):
        found += client.recv(65536)
    return found


def hears_nothing(client: socket.socket) -> bool:
    client.settimeout(SOON_S)
    try:
        client.recv(1)
    except TimeoutError:
        return True
    finally:
        client.settimeout(10.0)
    return False


def test_bytes_pass_both_ways(client: socket.socket) -> None:
    data = bytes(range(256)) * 4000
    assert exchange(client, data) == data


def test_a_delay_makes_a_round_trip_twice_as_long(proxy: TcpProxy, client: socket.socket) -> None:
    proxy.delay(0.1, jitter_s=0.02)
    began = monotonic()
    assert exchange(client, b"x") == b"x"
    assert monotonic() - began >= 0.15


def test_a_thin_link_takes_its_time(proxy: TcpProxy, client: socket.socket) -> None:
    proxy.limit(100_000)
    began = monotonic()
    assert exchange(client, bytes(20_000)) == bytes(20_000)
    assert monotonic() - began >= 0.15


def test_pieces_arrive_in_their_order(proxy: TcpProxy, client: socket.socket) -> None:
    proxy.slice(7)
    data = bytes(range(256)) * 8
    assert exchange(client, data) == data


def test_a_cut_resets_what_is_connected_and_what_comes(proxy: TcpProxy, client: socket.socket) -> None:
    assert exchange(client, b"x") == b"x"
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        exchange(client, b"x")
    with pytest.raises(ConnectionResetError), connected(proxy) as another:
        exchange(another, b"x")
    proxy.heal()
    with connected(proxy) as another:
        assert exchange(another, b"x") == b"x"


def test_a_refusing_proxy_lets_old_connections_go_on(proxy: TcpProxy, client: socket.socket) -> None:
    assert exchange(client, b"x") == b"x"
    proxy.refuse()
    assert exchange(client, b"x") == b"x"
    with pytest.raises(ConnectionResetError), connected(proxy) as another:
        exchange(another, b"x")


def test_what_was_held_arrives_after_the_healing(proxy: TcpProxy, client: socket.socket) -> None:
    assert exchange(client, b"1") == b"1"
    proxy.hold()
    client.sendall(b"2")
    assert hears_nothing(client)
    proxy.heal()
    assert client.recv(1) == b"2"


def test_held_one_way_the_server_hears_and_the_client_does_not(
    proxy: TcpProxy, client: socket.socket, echo: Echo
) -> None:
    assert exchange(client, b"1") == b"1"
    proxy.hold(to_server=False)
    client.sendall(b"2")
    assert hears_nothing(client)
    assert echo.got == b"12"
    proxy.heal()
    assert client.recv(1) == b"2"


def test_a_half_open_connection_swallows_and_is_reset_by_the_healing(
    proxy: TcpProxy, client: socket.socket, echo: Echo
) -> None:
    assert exchange(client, b"1") == b"1"
    proxy.half_open()
    client.sendall(b"2")
    assert hears_nothing(client)
    assert echo.got == b"1"
    with connected(proxy) as another:
        another.sendall(b"3")
        assert hears_nothing(another)
    proxy.heal()
    with pytest.raises(ConnectionResetError):
        client.recv(1)


def test_a_server_that_is_not_there_resets() -> None:
    with TcpProxy("127.0.0.1:1") as proxy, pytest.raises(ConnectionResetError), connected(proxy) as client:
        exchange(client, b"x")


def test_a_stranded_connection_stays_dead_and_a_new_one_lives(proxy: TcpProxy, client: socket.socket) -> None:
    assert exchange(client, b"1") == b"1"
    proxy.strand()
    proxy.heal()
    client.sendall(b"2")
    assert hears_nothing(client)
    with connected(proxy) as another:
        assert exchange(another, b"x") == b"x"
