"""Ports on this machine, and whether a Kafka answers on one."""

from __future__ import annotations

import secrets
import socket
import struct

LOOPBACK = "127.0.0.1"

# Below every usual range of ephemeral ports: a client that keeps connecting to a stopped broker's
# ephemeral port in time connects to itself, and the broker then cannot have its port back.
_PORTS = range(15_000, 32_000)


def free_ports(count: int) -> list[int]:
    """Return *count* different ports on 127.0.0.1 that nobody listens on just now."""
    found: list[socket.socket] = []
    try:
        while len(found) < count:
            probe = socket.socket()
            try:
                probe.bind((LOOPBACK, secrets.choice(_PORTS)))
            except OSError:
                probe.close()
                continue
            found.append(probe)
        return [probe.getsockname()[1] for probe in found]
    finally:
        for probe in found:
            probe.close()


def answers(host: str, port: int, within_s: float = 2.0) -> bool:
    """
    Ask for metadata as any client does and tell whether a live broker is in the answer.

    A listening socket is not enough: Kafka opens it before it may lead any partition.
    """
    request = struct.pack(">hhih", 3, 1, 1, -1) + struct.pack(">i", 0)  # Metadata v1, no topics
    try:
        with socket.create_connection((host, port), within_s) as connection:
            connection.settimeout(within_s)
            connection.sendall(struct.pack(">i", len(request)) + request)
            answer = connection.makefile("rb").read(12)
    except OSError:
        return False
    return len(answer) == 12 and struct.unpack(">iii", answer)[2] > 0  # size, id, brokers
