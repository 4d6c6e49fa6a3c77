"""A changelog that loses its last rows while it is read: the restore does not wait for them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.structs import TopicPartition

from tests.support.counting_pipeline import _VALUE, counting_pipeline
from tests.support.kafka import Sent, admin_of, create_topics, fresh, produce_all, wait_until
from worker.errors import RestartRequired
from worker.settings import load_settings
from worker.stores import open_store
from worker.stream import restore as restore_module
from worker.stream.restore import Restore, restore_consumer

KEPT = 5


async def _truncated(brokers: str, directory: Path) -> None:
    settings = load_settings({"LEADSCORE_BROKERS": brokers, "LEADSCORE_APP_ID": fresh("truncated")})
    topic = settings.changelog_topic
    place = TopicPartition(topic, 0)
    rows = [Sent(0, b"k%d" % number, _VALUE.pack(number, 0, 1, -1)) for number in range(KEPT)]
    store = open_store(f"rocksdb://{directory}/state")
    store.open(0)
    restore = Restore(settings, counting_pipeline("out"), store, merges_by_fence=False)
    consumer = restore_consumer(settings)
    await create_topics(brokers, {topic: 1})
    await produce_all(brokers, topic, rows)
    async with AIOKafkaProducer(bootstrap_servers=brokers, transactional_id=fresh("open")) as producer:
        await producer.begin_transaction()
        await producer.send_and_wait(topic, b"more", partition=0)
        await consumer.start()
        try:
            running = asyncio.create_task(restore.run(consumer, [0]))

            async def has_read_all_it_may() -> bool:
                return [one.position for one in restore.partitions.values()] == [KEPT]

            await wait_until(has_read_all_it_may, within_s=30)
            consumer.pause(place)  # while the topic is shorter still
            async with admin_of(brokers) as admin:  # no broker alone elects a leader that lacks rows
                await admin.delete_topics([topic])
            await create_topics(brokers, {topic: 1})
            await produce_all(brokers, topic, rows)
            consumer.resume(place)
            with pytest.raises(RestartRequired, match=f"it ended at offset {KEPT + 1} .* ends at {KEPT} now"):
                await asyncio.wait_for(running, 60)
            assert store.changelog_offset(0) == KEPT - 1
        finally:
            await consumer.stop()
            store.close_all()


def test_restore_ends_when_what_it_waits_for_is_lost(
    brokers: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If this fails, the worker is not ready, for ever, after brokers have lost rows."""
    monkeypatch.setattr(restore_module, "_LOOK_AFTER_S", 0.5)
    asyncio.run(_truncated(brokers, tmp_path))
