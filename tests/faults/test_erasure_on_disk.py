"""P9 on the disks themselves: after compaction and a purge no file of broker or worker shows who was erased, but for a keyed hash."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from tests.broker.test_erasure import BEFORE, CANARIES, GRAVE, JANE, MODEL, NEIGHBOUR
from tests.support.cluster import PARTITIONS, Cluster, running_cluster
from tests.support.kafka import admin_of, wait_until
from tests.support.stories import happened, tell
from worker.demo.broker import EmbeddedBroker
from worker.stores.rocksdb import RocksDbStore

pytestmark = [pytest.mark.faults, pytest.mark.timeout(400)]

_EAGER = {
    "cleanup.policy": "compact",
    "max.message.bytes": "2097152",
    "segment.ms": "500",
    "min.cleanable.dirty.ratio": "0.001",
    "min.compaction.lag.ms": "0",
    "max.compaction.lag.ms": "500",
    "delete.retention.ms": "0",  # of tombstones, which hold her id
}


def _traces(*directories: Path) -> list[tuple[str, bytes]]:
    """Return the files that show anything of her, and what they show."""
    found = []
    for path in (path for directory in directories for path in directory.rglob("*")):
        try:
            content = path.read_bytes() if path.is_file() else b""
        except FileNotFoundError:
            continue
        found += [(str(path), canary) for canary in CANARIES if canary in content]
    return found


async def _erased(broker: EmbeddedBroker, directory: Path) -> None:
    model = directory / "vault.yaml"
    model.write_text(MODEL, "utf-8")
    async with running_cluster(broker.bootstrap_servers, directory / "run", model=str(model)) as cluster:
        compacted = (cluster.settings.changelog_topic, cluster.scores)
        async with admin_of(cluster.brokers) as admin:
            resources = [ConfigResource(ConfigResourceType.TOPIC, topic, _EAGER) for topic in compacted]
            await admin.alter_configs(resources)
        cluster.start("worker")
        await cluster.wait_ready("worker", partitions=PARTITIONS)
        await tell(cluster, *BEFORE)
        logs = [path for topic in compacted for path in broker.directory.rglob(f"{topic}-*") if path.is_dir()]
        assert len(logs) == 2 * PARTITIONS
        assert _traces(*logs), "she was there"
        await tell(cluster, happened(JANE, "contact.erased", 5))
        day = 6.0

        async def nothing_is_left() -> bool:
            nonlocal day
            day += 0.01  # something has to be written to every partition, or no segment is ever closed
            await tell(cluster, happened(NEIGHBOUR, "form.submitted", day, form=f"{day}"), until=day)
            return not _traces(*logs)

        await wait_until(nothing_is_left, within_s=300, every_s=1.0, what="no trace of her in the broker's files")
        segments = b"".join(path.read_bytes() for log in logs for path in log.glob("*.log"))
        assert GRAVE in segments
        await cluster.leave("worker")
        await _purged(cluster, cluster.directory / "worker" / "state")


async def _purged(cluster: Cluster, state: Path) -> None:
    """Let the store purge what it would purge within an hour or two."""
    assert _traces(state), "her rows were there"
    store = RocksDbStore(state, app_id=cluster.name, purge_after_ms=(0, 0))
    for partition in range(PARTITIONS):
        store.open(partition)
        offset = store.changelog_offset(partition)
        if offset is not None:
            store.write(partition, {}, [b"nobody"], [], offset, offset)

    def is_clean() -> bool:
        for partition in range(PARTITIONS):
            store.tidy(partition)
        return not _traces(state)

    try:
        await wait_until(is_clean, within_s=60, every_s=0.2, what="no trace of her in the state directory")
        assert any(dict(store.iterate(partition)).get(GRAVE) for partition in range(PARTITIONS))
    finally:
        store.close_all()


def test_no_file_shows_who_was_erased(tmp_path: Path) -> None:
    """If this fails, whoever gets a disk or a backup of one reads of somebody who was promised to be forgotten."""
    properties = {"log.cleaner.backoff.ms": "500", "log.segment.delete.delay.ms": "100"}
    with EmbeddedBroker(directory=tmp_path / "kafka", properties=properties, heap_mib=256) as broker:
        asyncio.run(_erased(broker, tmp_path))
