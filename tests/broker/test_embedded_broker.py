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


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
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
