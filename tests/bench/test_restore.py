"""How fast a worker with an empty store reads its changelog back, and whether it then has what was written."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

from tests.support.bench_calibration import calibrate
from tests.support.bench_changelog import PARTITIONS, Changelog, write_changelog
from tests.support.kafka import fresh
from worker.clock import cpu_seconds, monotonic
from worker.demo.broker import EmbeddedBroker
from worker.pipeline import PARTITION_KEY
from worker.scoring.model_file import load_model
from worker.settings import load_settings
from worker.stores import ContactStore, open_store
from worker.stream.app import scoring_pipeline
from worker.stream.restore import Restore, restore_consumer

ROWS = int(os.environ.get("LEADSCORE_BENCH_ROWS", "200000"))
_CALIBRATING = [
    orjson.dumps({"id": n, "type": "page.viewed", "properties": {"path": "/pricing"}}) for n in range(3_000)
]
_BEAT_S = 0.005


class _Run(NamedTuple):
    rows_s: float
    us: float
    longest_ms: float  # that the event loop did not come round
    calibrator_us: float


@pytest.fixture(scope="module")
def brokers() -> Iterator[str]:
    if named := os.environ.get("LEADSCORE_BENCH_BROKERS"):
        yield named
        return
    with EmbeddedBroker(heap_mib=1024, say=print) as started:
        yield started.bootstrap_servers


@pytest.mark.parametrize("rows_a_contact", [1, 4])
def test_restored_store_holds_what_was_written(brokers: str, tmp_path: Path, rows_a_contact: int) -> None:
    """Prints rows a second and CPU a row; a rate on a shared machine proves nothing, so only the content is asserted."""
    asyncio.run(_measure(brokers, tmp_path, rows_a_contact))


async def _measure(brokers: str, directory: Path, rows_a_contact: int) -> None:
    app_id = fresh("restored")
    settings = load_settings({"LEADSCORE_BROKERS": brokers, "LEADSCORE_APP_ID": app_id})
    model = load_model("simple-100")
    log = await write_changelog(brokers, settings.changelog_topic, model, ROWS, ROWS // rows_a_contact)
    print(f"\n{log.rows} rows of {log.size / log.rows:.0f} B, {rows_a_contact} a contact, {PARTITIONS} partitions")
    print("| store | guarantee | rows/s | us/row | longest pause ms | calibrator us |\n|---|---|---|---|---|---|")
    urls = [f"rocksdb://{directory}/state", *filter(None, [os.environ.get("LEADSCORE_TEST_REDIS_URL")]), "memory://"]
    for url in urls:
        for guarantee in ("exactly_once", "at_least_once"):
            store = open_store(url.replace("/state", f"/{guarantee}"), app_id=fresh(app_id))
            try:
                run = await _restored(store, settings, merges_by_fence=guarantee == "at_least_once")
                _check(store, log)
            finally:
                for partition in range(PARTITIONS):
                    store.drop(partition)
                store.close_all()
            kind = url.partition(":")[0]
            print(
                f"| {kind} | {guarantee} | {run.rows_s:,.0f} | {run.us:.2f} | {run.longest_ms:.0f} | {run.calibrator_us:.2f} |"
            )


async def _restored(store: ContactStore, settings: object, *, merges_by_fence: bool) -> _Run:
    store.claim()
    for partition in range(PARTITIONS):
        store.open(partition)
    restore = Restore(settings, scoring_pipeline(settings, ()), store, merges_by_fence=merges_by_fence)  # type: ignore[arg-type]
    consumer = restore_consumer(settings)  # type: ignore[arg-type]
    await consumer.start()
    beating = _Beating()
    task = asyncio.create_task(beating.run())
    calibrator_us = calibrate(_CALIBRATING)
    began, cpu = monotonic(), cpu_seconds()
    try:
        await restore.run(consumer, range(PARTITIONS))
    finally:
        seconds, cpu = monotonic() - began, cpu_seconds() - cpu
        task.cancel()
        await consumer.stop()
    rows = restore.progress.rows
    return _Run(rows / seconds, cpu / rows * 1e6, beating.longest_s * 1e3, calibrator_us)


class _Beating:
    """Notes the longest time in which nothing else in the event loop had a turn."""

    longest_s = 0.0

    async def run(self) -> None:
        while True:
            before = monotonic()
            await asyncio.sleep(_BEAT_S)
            self.longest_s = max(self.longest_s, monotonic() - before - _BEAT_S)


def _check(store: ContactStore, log: Changelog) -> None:
    for partition in range(PARTITIONS):
        assert dict(store.iterate(partition)) == log.newest[partition]
        due = store.due_before(partition, 2**62, 10 * ROWS)
        live = {entry.key: entry.at_ms for entry in due if log.due[partition].get(entry.key) == entry.at_ms}
        assert live == log.due[partition]
        assert len(due) <= 2 * len(live), "entries left behind"
        assert log.newest[partition][PARTITION_KEY]
