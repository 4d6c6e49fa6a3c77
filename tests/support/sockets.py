"""Refuses sockets to tests that must do without; a Unix socket pair, which an event loop wakes itself by, stays allowed."""

from __future__ import annotations

import socket
from typing import Any

import pytest

_LOOPBACK = ("127.", "::1", "localhost")


class SocketRefused(RuntimeError):
    """A unit test has reached for the network; mark it `loopback` if it speaks to a server of its own."""


def refuse_sockets(patch: pytest.MonkeyPatch, *, may_use_loopback: bool) -> None:
    """Make connecting, binding and sending raise SocketRefused, but for loopback addresses if *may_use_loopback*."""
    for name in ("bind", "connect", "connect_ex", "sendto"):
        patch.setattr(socket.socket, name, _guarded(name, may_use_loopback=may_use_loopback))
    if not may_use_loopback:
        patch.setattr(socket, "getaddrinfo", _refuse_lookup)


def _guarded(name: str, *, may_use_loopback: bool) -> Any:
    call = getattr(socket.socket, name)

    def guarded(self: socket.socket, *args: Any) -> Any:
        address = args[-1]
        is_loopback = isinstance(address, tuple) and str(address[0]).startswith(_LOOPBACK)
        if may_use_loopback and is_loopback:
            return call(self, *args)
        raise SocketRefused(f"{name} to {address!r}")

    return guarded


def _refuse_lookup(host: object, *_args: object, **_kwargs: object) -> Any:
    raise SocketRefused(f"name look-up of {host!r}")
