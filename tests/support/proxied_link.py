"""One connection through the proxy: how it may behave, and its two ends."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: on, 0 s: close sends RST


@dataclass(frozen=True)
class Flow:
    """
    How one direction behaves.

    Args:
        delay_s: Each chunk arrives this much later; the order stays.
        jitter_s: And up to this much earlier or later, at random.
        bytes_a_second: At most; 0: no limit.
        slice_bytes: Chunks of at most this size, each sent by itself; 0: as they come.
        is_held: Nothing arrives until it is no longer held; then all of it does, as after a network's retransmissions.
        is_swallowed: Nothing arrives, ever: what was sent meanwhile is gone, as behind a firewall that forgot the connection.
    """

    delay_s: float = 0.0
    jitter_s: float = 0.0
    bytes_a_second: float = 0.0
    slice_bytes: int = 0
    is_held: bool = False
    is_swallowed: bool = False


@dataclass(frozen=True)
class Conditions:
    """
    How the link behaves, connections that exist and those to come.

    Args:
        to_server: From the client to the server.
        to_client: The other way.
        refuses: New connections are reset at once.
    """

    to_server: Flow = field(default_factory=Flow)
    to_client: Flow = field(default_factory=Flow)
    refuses: bool = False


class Link:
    """One connection and its continuation."""

    def __init__(self, *writers: asyncio.StreamWriter) -> None:
        self._writers = writers
        self.has_lost = False  # bytes that the other side waits for in vain
        self.is_stranded = False
        for writer in writers:
            _connection(writer).setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def reset(self) -> None:
        for writer in self._writers:
            abort(writer)

    def close(self) -> None:
        for writer in self._writers:
            with suppress(OSError):
                writer.close()


def _connection(writer: asyncio.StreamWriter) -> socket.socket:
    found: socket.socket = writer.get_extra_info("socket")
    return found


def abort(writer: asyncio.StreamWriter) -> None:
    """Close with RST, as a host does that knows nothing of the connection."""
    with suppress(OSError):
        _connection(writer).setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    writer.transport.abort()
