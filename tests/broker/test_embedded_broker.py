from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from aiokafka.structs import ConsumerRecord

from tests.support.kafka import Sent, create_topics, fresh, produce_all, read_all, wait_until
from worker.demo.broker import EmbeddedBroker
from worker.demo.loopback import LOOPBACK, answers
from worker.errors import DependencyError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def broker() -> Iterator[EmbeddedBroker]:
    with EmbeddedBroker() as started:
        yield started


def values(read: dict[int, list[ConsumerRecord[bytes, bytes]]]) -> dict[int, list[bytes | None]]:
    return {partition: [record.value for record in records] for partition, records in read.items()}


def test_broker_listens_on_loopback_only(broker: EmbeddedBroker) -> None:
    """A demo on a laptop in a café must not be a Kafka for the café."""
    listening = [c for c in psutil.Process(broker.pid).net_connections("inet") if c.status == psutil.CONN_LISTEN]
    assert len(listening) == 2
    assert {c.laddr.ip.removeprefix("::ffff:") for c in listening} == {LOOPBACK}


def test_records_are_read_back_per_partition_after_stop_and_kill(broker: EmbeddedBroker) -> None:
    topic, address = fresh("kept"), broker.bootstrap_servers

    async def fill() -> None:
        await create_topics(address, {topic: 2})
        await produce_all(address, topic, [Sent(0, b"a", b"1"), Sent(1, b"b", b"2"), Sent(0, b"a", b"3")])

    asyncio.run(fill())
    broker.restart()
    assert broker.bootstrap_servers == address
    assert values(asyncio.run(read_all(address, topic))) == {0: [b"1", b"3"], 1: [b"2"]}
    broker.kill()
    assert not broker.is_running
    broker.start()
    assert values(asyncio.run(read_all(address, topic))) == {0: [b"1", b"3"], 1: [b"2"]}


def test_frozen_broker_answers_nothing_until_it_is_thawed(broker: EmbeddedBroker) -> None:
    port = int(broker.bootstrap_servers.rpartition(":")[2])
    broker.freeze()
    try:
        assert broker.is_running
        assert not answers(LOOPBACK, port, within_s=0.5)
    finally:
        broker.thaw()
    asyncio.run(wait_until(lambda: answers(LOOPBACK, port), within_s=10))


def test_frozen_broker_can_be_stopped(broker: EmbeddedBroker) -> None:
    broker.freeze()
    broker.stop()
    assert not broker.is_running
    broker.start()


def test_topic_is_not_created_by_asking_for_it(broker: EmbeddedBroker) -> None:
    with pytest.raises(LookupError):
        asyncio.run(read_all(broker.bootstrap_servers, fresh("unasked")))


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGINT])
def test_nothing_stays_behind_when_the_parent_ends(ending: signal.Signals, tmp_path: Path) -> None:
    """Somebody who closes the terminal in the middle of the demo must not find Java eating memory a week later."""
    parent = subprocess.Popen(
        [sys.executable, "-m", "worker.demo.broker"],
        cwd=ROOT,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        address = parent.stdout.readline().strip()
        assert address.startswith(f"{LOOPBACK}:")
        family = psutil.Process(parent.pid).children(recursive=True)
        assert any("java" in process.name() for process in family)
        parent.send_signal(ending)
        _, alive = psutil.wait_procs(family, timeout=30)
        assert not alive
    asyncio.run(
        wait_until(lambda: not list(tmp_path.glob("leadscore-kafka-*")), within_s=10, what="directory to be deleted")
    )


def test_java_dies_with_its_supervisor() -> None:
    with EmbeddedBroker() as broker:
        java = psutil.Process(broker.pid)
        supervisor = java.parent()
        assert supervisor is not None
        supervisor.kill()
        if sys.platform == "linux":
            psutil.wait_procs([java], timeout=10)
            assert not java.is_running()
        assert not broker.is_running


def test_start_says_why_kafka_does_not_come_up() -> None:
    with (
        pytest.raises(DependencyError, match=r"(?s)(formatted|ended).*process\.roles"),
        EmbeddedBroker(properties={"process.roles": "nonsense"}),
    ):
        pytest.fail("started")


def test_two_brokers_run_side_by_side(broker: EmbeddedBroker) -> None:
    with EmbeddedBroker() as other:
        assert other.bootstrap_servers != broker.bootstrap_servers
        assert other.directory != broker.directory
        kept = other.directory
    assert not kept.exists()


def test_broker_keeps_a_directory_that_it_was_given(tmp_path: Path) -> None:
    """A developer's topics survive the end of the program that served them."""
    topic = fresh("kept")
    with EmbeddedBroker(directory=tmp_path / "kafka") as first:
        asyncio.run(create_topics(first.bootstrap_servers, {topic: 1}))
    with EmbeddedBroker(directory=tmp_path / "kafka") as again:
        assert values(asyncio.run(read_all(again.bootstrap_servers, topic))) == {0: []}


def test_aborted_and_open_transactions_are_seen_only_when_asked_for(brokers: str) -> None:
    """The helpers decide what counts as published in every other test of this folder."""
    topic = fresh("transactions")

    async def scenario() -> tuple[dict[int, list[bytes | None]], dict[int, list[bytes | None]]]:
        await create_topics(brokers, {topic: 2})
        producer = AIOKafkaProducer(bootstrap_servers=brokers, transactional_id=topic)
        await producer.start()
        try:
            async with producer.transaction():
                await producer.send_and_wait(topic, b"committed", partition=0)
            await producer.begin_transaction()
            await producer.send_and_wait(topic, b"aborted", partition=0)
            await producer.abort_transaction()
            await producer.begin_transaction()
            await producer.send_and_wait(topic, b"open", partition=0)
            committed = values(await read_all(brokers, topic))
            everything = values(await read_all(brokers, topic, isolation="read_uncommitted"))
            await producer.abort_transaction()
        finally:
            await producer.stop()
        return committed, everything

    committed, everything = asyncio.run(scenario())
    assert committed == {0: [b"committed"], 1: []}
    assert everything == {0: [b"committed", b"aborted", b"open"], 1: []}


def test_produced_records_keep_partition_key_headers_and_time(brokers: str) -> None:
    topic = fresh("kept")
    sent = [Sent(1, b"k", b"v", [("h", b"1"), ("h", b"2")], 1_700_000_000_000), Sent(0, None, None)]

    async def scenario() -> tuple[list[tuple[int, int]], dict[int, list[ConsumerRecord[bytes, bytes]]]]:
        await create_topics(brokers, {topic: 2}, config={"message.timestamp.type": "CreateTime"})
        return list(await produce_all(brokers, topic, sent)), await read_all(brokers, topic)

    places, read = asyncio.run(scenario())
    assert places == [(1, 0), (0, 0)]
    (one,), (other,) = read[1], read[0]
    assert (one.key, one.value, one.timestamp) == (b"k", b"v", 1_700_000_000_000)
    assert list(one.headers) == [("h", b"1"), ("h", b"2")]
    assert (other.key, other.value) == (None, None)


def test_topic_that_exists_is_not_created_again(brokers: str) -> None:
    topic = fresh("once")
    asyncio.run(create_topics(brokers, {topic: 1}))
    with pytest.raises(KafkaError, match=topic):
        asyncio.run(create_topics(brokers, {topic: 1}))


def test_waiting_ends_with_the_name_of_what_did_not_come() -> None:
    with pytest.raises(TimeoutError, match="the second coming"):
        asyncio.run(wait_until(lambda: False, within_s=0.2, what="the second coming"))
