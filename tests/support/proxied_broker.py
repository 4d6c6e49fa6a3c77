"""A Kafka that workers reach through a proxy and the test reaches directly, so that only the workers meet the fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from tests.support.proxy import TcpProxy
from worker.demo.broker import EmbeddedBroker
from worker.demo.loopback import LOOPBACK, free_ports


class ProxiedBroker(NamedTuple):
    """Both ways to one broker."""

    broker: EmbeddedBroker  # its own address is the way of the test
    proxy: TcpProxy  # its address is the way of the workers


@contextmanager
def proxied_broker(say: Callable[[str], None] = lambda line: None) -> Iterator[ProxiedBroker]:  # noqa: ARG005
    """Start a broker that names the proxy to everyone who comes through it."""
    direct, inner, controller, outer = free_ports(4)
    listeners = f"PLAINTEXT://{LOOPBACK}:{direct},PROXIED://{LOOPBACK}:"
    properties = {
        "listeners": f"{listeners}{inner},CONTROLLER://{LOOPBACK}:{controller}",
        "advertised.listeners": f"{listeners}{outer}",
        "listener.security.protocol.map": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT",
        "inter.broker.listener.name": "PLAINTEXT",
        "controller.quorum.voters": f"1@{LOOPBACK}:{controller}",
    }
    with (
        TcpProxy(f"{LOOPBACK}:{inner}", port=outer) as proxy,
        EmbeddedBroker(properties=properties, port=direct, say=say) as broker,
    ):
        yield ProxiedBroker(broker, proxy)
