"""Three real Kafka brokers with replication 3, each of which can be stopped, killed, frozen and started again."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from aiokafka.errors import KafkaError

from tests.support.kafka import admin_of, wait_until
from worker.demo.broker import EmbeddedBroker, cluster_id
from worker.demo.loopback import LOOPBACK, free_ports

NODES = (1, 2, 3)
REPLICATION = len(NODES)
_HEAP_MIB = 300
_READY_WITHIN_S = 180.0
_PROPERTIES = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    # A replica that stands still is out of the set soon, so that a short test sees it go.
    "replica.lag.time.max.ms": "4000",
    "controller.quorum.election.timeout.ms": "500",
    "controller.quorum.fetch.timeout.ms": "1500",
    "leader.imbalance.check.interval.seconds": "3600",  # leaders stay where a fault has put them
}


class ThreeNodes:
    """
    A cluster of three; a context manager. Nodes are named 1, 2 and 3.

    Args:
        voters: How many of the nodes, from 1 on, are controllers as well: with 1 the cluster can lose 2 and 3 and still
            knows about it, with 3 it can lose any one.
        say: Gets a line of text before something that takes long.
    """

    def __init__(self, *, voters: int = 3, say: Callable[[str], None] = lambda line: None) -> None:  # noqa: ARG005
        self._directory = Path(tempfile.mkdtemp(prefix="leadscore-kafka3-"))
        ports = free_ports(2 * len(NODES))
        controllers = {node: ports[len(NODES) + at] for at, node in enumerate(NODES[:voters])}
        self._frozen: set[int] = set()
        cluster = cluster_id(uuid.uuid4().bytes)
        self.nodes = {
            node: EmbeddedBroker(
                directory=self._directory / str(node),
                properties=_PROPERTIES | _of_node(node, port, controllers),
                heap_mib=_HEAP_MIB,
                ready_within_s=_READY_WITHIN_S,
                say=say,
                port=port,
                cluster=cluster,
            )
            for node, port in zip(NODES, ports, strict=False)
        }

    def __enter__(self) -> Self:
        try:
            self.start(*NODES)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def bootstrap_servers(self) -> str:
        """The addresses of all three, for clients."""
        return ",".join(node.bootstrap_servers for node in self.nodes.values())

    def start(self, *nodes: int) -> None:
        """Start *nodes* together, since none answers before a quorum is there, and wait until each answers."""
        with ThreadPoolExecutor(len(NODES)) as threads:
            for started in [threads.submit(self.nodes[node].start) for node in nodes]:
                started.result()

    def stop(self, *nodes: int) -> None:
        """Shut *nodes* down in good order."""
        with ThreadPoolExecutor(len(NODES)) as threads:
            for stopped in [threads.submit(self.nodes[node].stop) for node in nodes]:
                stopped.result()

    def kill(self, *nodes: int) -> None:
        """Kill *nodes* at once."""
        for node in nodes:
            self.nodes[node].kill()

    def freeze(self, *nodes: int) -> None:
        """Let *nodes* stand still with their connections open."""
        for node in nodes:
            self._frozen.add(node)
            self.nodes[node].freeze()

    def thaw(self, *nodes: int) -> None:
        """Let *nodes* go on."""
        for node in nodes:
            self.nodes[node].thaw()
            self._frozen.discard(node)

    def close(self) -> None:
        """Kill what runs and delete what it kept."""
        self.kill(*NODES)
        shutil.rmtree(self._directory, ignore_errors=True)

    async def leader_of(self, topic: str, partition: int) -> int:
        """Return the node that leads the partition; -1 when none does."""
        found = await self._partitions(topic)
        return int(found[partition]["leader"])

    async def wait_led(self, topic: str, *, not_by: int = 0, within_s: float = 60.0) -> None:
        """Wait until each partition of *topic* has a leader, another one than *not_by*."""

        async def led() -> bool:
            leaders = {int(one["leader"]) for one in (await self._partitions(topic)).values()}
            return bool(leaders) and min(leaders) > 0 and not_by not in leaders

        await wait_until(_answered(led), within_s=within_s, what=f"leaders of {topic}", every_s=0.2)

    async def wait_in_sync(self, topic: str, *, replicas: int = REPLICATION, within_s: float = 120.0) -> None:
        """Wait until each partition of *topic* has exactly *replicas* in-sync replicas and a leader."""

        async def in_sync() -> bool:
            found = (await self._partitions(topic)).values()
            return bool(found) and all(len(one["isr"]) == replicas and one["leader"] > 0 for one in found)

        await wait_until(_answered(in_sync), within_s=within_s, what=f"{replicas} replicas of {topic}", every_s=0.3)

    async def _partitions(self, topic: str) -> dict[int, dict[str, Any]]:
        running = [
            node.bootstrap_servers
            for number, node in self.nodes.items()
            if node.is_running and number not in self._frozen
        ]
        async with asyncio.timeout(10.0), admin_of(",".join(running)) as admin:
            (described,) = await admin.describe_topics([topic])
        return {one["partition"]: one for one in described["partitions"]}


def _answered(condition: Callable[[], Any]) -> Callable[[], Any]:
    """Return *condition*, not held while no node answers."""

    async def asked() -> bool:
        try:
            return bool(await condition())
        except (KafkaError, TimeoutError, OSError):
            return False

    return asked


def _of_node(node: int, port: int, controllers: dict[int, int]) -> dict[str, str]:
    plain = f"PLAINTEXT://{LOOPBACK}:{port}"
    votes = node in controllers
    return {
        "node.id": str(node),
        "process.roles": "broker,controller" if votes else "broker",
        "listeners": plain + (f",CONTROLLER://{LOOPBACK}:{controllers[node]}" if votes else ""),
        "advertised.listeners": plain,
        "controller.quorum.voters": ",".join(f"{one}@{LOOPBACK}:{its}" for one, its in controllers.items()),
    }
