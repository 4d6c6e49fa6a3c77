"""
How long a killed worker's partitions stand still: from SIGKILL to the first event that its heir has made durable.

    python -m tests.bench.failover --contacts 1000000 [--brokers HOST:PORT] [--member static] [--disk empty]

One line of JSON a cell: {"member", "disk", "contacts", "failover_s", "restore_rows_s"}. A static member is started again at once
under its name; a dynamic one has an heir that runs beside it and owns the other half, and that waits for the session to end.
On a warm disk the heir has had the partitions before; on an empty one it restores them from the changelog.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import tempfile
from itertools import product
from pathlib import Path

import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition

from tests.support.bench_changelog import PARTITIONS, write_changelog
from tests.support.bench_events import event_of
from tests.support.cluster import Cluster, running_cluster
from tests.support.feeding import Feed
from tests.support.kafka import Sent, started_broker, wait_until
from worker.clock import monotonic
from worker.contracts.instants import parse_instant
from worker.contracts.partitioner import partition_of
from worker.scoring.model_file import load_model

MODEL = "simple-100"
SESSION = "10s"
RATE = 200.0  # events a second
LONGEST_S = 900.0
_AFTER_MS = parse_instant("2026-06-01T00:00:00Z")


async def measure(
    brokers: str, directory: Path, member: str, disk: str, contacts: int
) -> dict[str, str | int | float | None]:
    """Return the line of one cell."""
    async with running_cluster(brokers, directory, model=MODEL, LEADSCORE_SESSION_TIMEOUT=SESSION) as cluster:
        topic = cluster.settings.changelog_topic
        await write_changelog(brokers, topic, load_model(MODEL), contacts, contacts, is_made=True)
        is_static = member == "static"
        if not is_static and disk == "warm":  # the heir has had everything before
            await cluster.start("heir", is_static=False).wait_ready(within_s=LONGEST_S)
        victim = cluster.start("victim", is_static=is_static)
        await victim.wait_ready(within_s=LONGEST_S)
        if not is_static and disk == "empty":
            cluster.start("heir", is_static=False)
        if not is_static:
            for name in ("victim", "heir"):
                await cluster.wait_ready(name, partitions=PARTITIONS // 2, within_s=LONGEST_S)
        feed = Feed(brokers, cluster.source, _events(contacts), rate=RATE, forgives=True)
        feeding = asyncio.create_task(feed.run())
        try:
            return await _kill(cluster, member, disk, contacts)
        finally:
            feeding.cancel()
            await asyncio.wait({feeding})


async def _kill(cluster: Cluster, member: str, disk: str, contacts: int) -> dict[str, str | int | float | None]:
    victim = cluster.workers["victim"]
    its = {int(number) for number in victim.events("partitions_ready")[-1]["offsets"]}
    changelog = AIOKafkaConsumer(
        bootstrap_servers=cluster.brokers,
        isolation_level="read_committed",
        enable_auto_commit=False,
        fetch_max_wait_ms=20,
    )
    places = [TopicPartition(cluster.settings.changelog_topic, number) for number in sorted(its)]
    await changelog.start()
    try:
        changelog.assign(places)
        await changelog.seek_to_end(*places)

        async def has_written() -> bool:
            return bool(await changelog.getmany(timeout_ms=20))

        await wait_until(has_written, within_s=60, what="a round of the victim", every_s=0.0)
        victim.kill()
        killed_at = monotonic()
        await changelog.seek_to_end(*places)
        if member == "static":
            cluster.start("victim", wipe=disk == "empty")
        else:
            del cluster.workers["victim"]
        await wait_until(has_written, within_s=LONGEST_S, what="a round of the heir", every_s=0.0)
        failover_s = monotonic() - killed_at
    finally:
        await changelog.stop()
    heir = cluster.workers["victim" if member == "static" else "heir"]
    restored = heir.events("restore_complete")[-1]
    return {
        "member": member,
        "disk": disk,
        "contacts": contacts,
        "failover_s": round(failover_s, 2),
        "restore_rows": restored["rows"],
        "restore_rows_s": restored.get("rows_per_second") if restored["rows"] > 1_000 else None,
    }


def _events(contacts: int) -> list[Sent]:
    from random import Random

    chance = Random(3)
    events = []
    for number in range(int(RATE * LONGEST_S)):
        contact = f"contact-{chance.randrange(contacts):07d}"
        event = event_of(chance, contact, "page.viewed", _AFTER_MS + number * 1_000)
        events.append(Sent(partition_of(contact.encode(), PARTITIONS), contact.encode(), orjson.dumps(event)))
    return events


def main() -> None:
    """Measure the cells that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contacts", type=int, default=1_000_000)
    parser.add_argument("--brokers", help="a Kafka that runs already; one is started otherwise")
    parser.add_argument("--member", choices=["static", "dynamic"], action="append")
    parser.add_argument("--disk", choices=["warm", "empty"], action="append")
    options = parser.parse_args()
    cells = list(product(options.member or ["static", "dynamic"], options.disk or ["warm", "empty"]))
    if options.brokers:
        _measure_all(options.brokers, options.contacts, cells)
    else:
        with started_broker(print) as brokers:
            _measure_all(brokers, options.contacts, cells)


def _measure_all(brokers: str, contacts: int, cells: list[tuple[str, str]]) -> None:
    for member, disk in cells:
        with tempfile.TemporaryDirectory(prefix="failover-") as directory:
            print(json.dumps(asyncio.run(measure(brokers, Path(directory), member, disk, contacts))), flush=True)


if __name__ == "__main__":
    main()
