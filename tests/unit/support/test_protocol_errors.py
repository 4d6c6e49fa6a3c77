"""Injected answers look like a broker's, happen as often as asked for, and leave everything else alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.group import JoinGroupRequest
from aiokafka.protocol.metadata import MetadataRequest, MetadataResponse_v1
from aiokafka.protocol.produce import ProduceRequest, ProduceResponse_v7
from aiokafka.protocol.transaction import AddPartitionsToTxnRequest, EndTxnRequest

from tests.support.protocol_errors import API, Mishap, ProtocolErrors
from tests.support.protocol_injection import install_protocol_errors
from worker.kafka.txn_offsets import TxnOffsetCommitRequest

REAL = "the broker's own answer"


class Connection:
    """Remembers what would have gone to the broker."""

    def __init__(self) -> None:
        self._versions = dict.fromkeys(API.values(), (0, 20))
        self.sent: list[Any] = []
        self.answer: Callable[[Any], Any] = lambda _: REAL
        self.is_closed = False

    async def _answered(self, request: Any) -> Any:
        wire = request.prepare(self._versions)
        self.sent.append(wire)
        return self.answer(wire)

    def close(self) -> None:
        self.is_closed = True


@pytest.fixture
def errors(tmp_path: Path) -> ProtocolErrors:
    return ProtocolErrors(tmp_path / "errors.json")


@pytest.fixture
def send(errors: ProtocolErrors, monkeypatch: pytest.MonkeyPatch) -> Callable[[Connection, Any], Any]:
    def real(connection: Connection, request: Any, expect_response: bool = True) -> Any:
        assert expect_response
        return connection._answered(request)

    monkeypatch.setattr(AIOKafkaConnection, "send", real)
    install_protocol_errors(errors.environ)

    async def sent(connection: Any, request: Any) -> Any:
        return await AIOKafkaConnection.send(connection, request)

    return lambda connection, request: asyncio.run(sent(connection, request))


def produce(*topics: str) -> ProduceRequest:
    return ProduceRequest("id", -1, 1000, [(topic, [(0, b"batch"), (3, b"batch")]) for topic in topics])


def test_nothing_happens_without_a_control_file() -> None:
    before = AIOKafkaConnection.send
    install_protocol_errors({})
    assert AIOKafkaConnection.send is before


def test_codes_come_one_after_the_other_and_then_no_more(errors: ProtocolErrors, send: Any) -> None:
    mishap = Mishap("EndTxn", codes=["NOT_COORDINATOR", "CONCURRENT_TRANSACTIONS"], times=3)
    errors.push(mishap)
    connection = Connection()
    codes = [getattr(send(connection, EndTxnRequest("id", 1, 1, True)), "error_code", REAL) for _ in range(4)]
    assert codes == [16, 51, 16, REAL]
    assert len(connection.sent) == 1
    assert errors.done(mishap) == 3
    assert errors.all_done


def test_other_requests_pass(errors: ProtocolErrors, send: Any) -> None:
    errors.push(Mishap("EndTxn", codes=["NOT_COORDINATOR"]))
    assert send(Connection(), produce("a")) == REAL
    assert not errors.all_done


def test_an_answer_names_every_topic_and_partition_asked_for(errors: ProtocolErrors, send: Any) -> None:
    errors.push(
        Mishap("Produce", codes=["NOT_ENOUGH_REPLICAS"]),
        Mishap("Fetch", codes=["NOT_LEADER_OR_FOLLOWER"]),
        Mishap("AddPartitionsToTxn", codes=["COORDINATOR_LOAD_IN_PROGRESS"]),
        Mishap("TxnOffsetCommit", codes=["ILLEGAL_GENERATION"]),
        Mishap("JoinGroup", codes=["UNKNOWN_MEMBER_ID"]),
    )
    connection = Connection()
    produced = send(connection, produce("a", "b"))
    assert [(topic, [part[:2] for part in parts]) for topic, parts in produced.topics] == [
        ("a", [(0, 19), (3, 19)]),
        ("b", [(0, 19), (3, 19)]),
    ]
    fetched = send(connection, FetchRequest(100, 1, 1000, 1, [("a", [(2, 7, 1000)])], ""))
    ((topic, (place,)),) = fetched.topics
    assert (topic, place[0], place[1], place[-1]) == ("a", 2, 6, b"")
    added = send(connection, AddPartitionsToTxnRequest("id", 1, 1, [("a", [0, 1])]))
    assert added.errors == [("a", [(0, 14), (1, 14)])]
    offsets: list[Any] = [("a", [(0, 5, -1, "", {})], {})]
    committed = send(connection, TxnOffsetCommitRequest("id", "g", 1, 1, 1, "m", None, offsets, {}))
    assert committed.errors == [("a", [(0, 22, {})], {})]
    joined = send(connection, JoinGroupRequest("g", 1000, 1000, "m", None, "consumer", [("p", b"")]))
    assert (joined.error_code, joined.throttle_time_ms) == (25, 0)
    assert not connection.sent


def test_only_the_named_topic_is_refused_and_the_others_are_written(errors: ProtocolErrors, send: Any) -> None:
    errors.push(Mishap("Produce", codes=["NOT_ENOUGH_REPLICAS"], topic="log"))
    connection = Connection()
    connection.answer = lambda wire: ProduceResponse_v7(
        [(topic, [(number, 0, 11, -1, 0) for number, _ in parts]) for topic, parts in wire.topics], 0
    )
    answer = send(connection, produce("out", "log"))
    assert [topic for topic, _ in connection.sent[0].topics] == ["out"]
    assert [(topic, parts[0][1]) for topic, parts in answer.topics] == [("out", 0), ("log", 19)]


def test_requests_for_other_topics_are_left_alone(errors: ProtocolErrors, send: Any) -> None:
    errors.push(Mishap("Produce", codes=["NOT_ENOUGH_REPLICAS"], topic="log"))
    assert send(Connection(), produce("out")) == REAL


def test_a_lost_answer_was_done_and_times_out(errors: ProtocolErrors, send: Any) -> None:
    errors.push(Mishap("Produce", "lose"), Mishap("Produce", "lose", seconds=0.01))
    for expected in (KafkaConnectionError, TimeoutError):
        connection = Connection()
        with pytest.raises(expected):
            send(connection, produce("a"))
        assert len(connection.sent) == 1
        assert connection.is_closed


def test_a_broken_connection_has_sent_nothing(errors: ProtocolErrors, send: Any) -> None:
    errors.push(Mishap("Produce", "disconnect"))
    connection = Connection()
    with pytest.raises(KafkaConnectionError):
        send(connection, produce("a"))
    assert not connection.sent
    assert connection.is_closed


def test_a_late_answer_is_the_brokers(errors: ProtocolErrors, send: Any) -> None:
    errors.push(Mishap("Produce", "delay", seconds=0.01))
    assert send(Connection(), produce("a")) == REAL


def test_metadata_lose_the_partitions_of_the_topic(errors: ProtocolErrors, send: Any) -> None:
    errors.push(Mishap("Metadata", codes=["UNKNOWN_TOPIC_OR_PARTITION"], topic="a"))
    connection = Connection()
    part = (0, 0, 1, [1], [1])
    connection.answer = lambda _: MetadataResponse_v1([], 1, [(0, "a", False, [part]), (0, "b", False, [part])])
    answer = send(connection, MetadataRequest(["a", "b"]))
    assert answer.topics == [(3, "a", False, []), (0, "b", False, [part])]


def test_counts_go_on_in_the_next_life_of_a_worker(errors: ProtocolErrors, send: Any) -> None:
    errors.push(Mishap("EndTxn", codes=["NOT_COORDINATOR"], times=2))
    send(Connection(), EndTxnRequest("id", 1, 1, True))
    install_protocol_errors(errors.environ)  # wraps once more, with a memory of its own
    errors.push(Mishap("Heartbeat", codes=["NOT_COORDINATOR"]))
    assert send(Connection(), EndTxnRequest("id", 1, 1, True)).error_code == 16
    assert send(Connection(), EndTxnRequest("id", 1, 1, True)) == REAL


def test_a_healed_broker_answers_for_itself(errors: ProtocolErrors, send: Any) -> None:
    errors.push(Mishap("EndTxn", codes=["NOT_COORDINATOR"], times=5))
    errors.heal()
    assert send(Connection(), EndTxnRequest("id", 1, 1, True)) == REAL
