"""What a consumer does when the group refuses it: commits that come too late, and a group that has gone on without us."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import CommitFailedError, KafkaError
from aiokafka.structs import OffsetAndMetadata, TopicPartition
from faust.types import TP

from worker.errors import ConfigError, RestartRequired
from worker.kafka import aiokafka_private
from worker.kafka.txn_offsets import Member
from worker.settings import load_settings
from worker.stream import faust_private, transport

MEMBER = Member(7, "pod-1-0", "pod-1")


class _Thread(faust_private.BatchThread):
    def __init__(self, outcome: Exception | None) -> None:
        """Be no service: only committing is looked at."""
        self.committed: list[Any] = []
        self.crashes: list[BaseException] = []
        self._outcome = outcome

    def create_consumer(self, assignors: list[Any]) -> Any: ...

    def assignment(self) -> Any:
        return {TP("t", 0)}

    def _ensure_consumer(self) -> Any:
        async def commit(offsets: Any) -> None:
            self.committed.append(offsets)
            if self._outcome is not None:
                raise self._outcome

        return SimpleNamespace(commit=commit)

    async def crash(self, reason: BaseException) -> None:
        self.crashes.append(reason)


def test_a_commit_of_what_is_not_ours_any_more_is_left_and_costs_no_worker_its_life() -> None:
    """Faust looks for words in the error's text that a line break has torn apart, and ends the worker."""
    thread = _Thread(CommitFailedError("the group has already rebalanced"))
    assert asyncio.run(thread._commit({TP("t", 0): 5, TP("t", 1): 6})) is False
    assert thread.crashes == []
    assert thread.committed == [{TopicPartition("t", 0): OffsetAndMetadata(5, "")}], "only what is owned"


def test_a_commit_that_fails_otherwise_ends_the_worker() -> None:
    error = KafkaError("broken")
    thread = _Thread(error)
    assert asyncio.run(thread._commit({TP("t", 0): 5})) is False
    assert thread.crashes == [error]


def test_a_client_that_is_stopped_in_the_back_off_of_a_fetch_lets_its_thread_end() -> None:
    """If this fails, a worker that is stopped while brokers are away takes all of its time to do so."""
    stops: list[str] = []

    async def stop() -> None:
        stops.append("client")
        raise asyncio.CancelledError

    thread = _Thread(None)
    thread._consumer = SimpleNamespace(stop=stop)
    asyncio.run(thread.on_thread_stop())
    assert stops == ["client"]


class _Ended(Exception):
    """The process would be gone here."""


class _Consumer(transport.WorkerConsumer):
    """A consumer without Kafka, as the group's answer leaves it."""

    def __init__(self, *, member_id: str, has_lost_its_name: bool, pending: int, under_way: object | None) -> None:
        """Be no service: only the look at the membership is tried."""
        self.deaths: list[BaseException] = []
        self._has_lost_its_name = has_lost_its_name
        self._member = MEMBER
        one = SimpleNamespace(scoring=SimpleNamespace(pending=pending), under_way=under_way)
        self.app = SimpleNamespace(  # type: ignore[assignment]
            settings=load_settings({"LEADSCORE_BROKERS": "one:9092", "LEADSCORE_INSTANCE_ID": "pod-1"}),
            assignment=SimpleNamespace(owned={0: one}, is_halted=False),
            lease=SimpleNamespace(silent_s=12.3),
            die=self._die,
        )
        coordinator = SimpleNamespace(generation=-1, member_id=member_id, _group_instance_id="pod-1")
        self._thread = SimpleNamespace(  # type: ignore[assignment]
            consumer_now=SimpleNamespace(_coordinator=coordinator), call_thread=self._call
        )

    def _die(self, error: BaseException) -> None:
        self.deaths.append(error)
        raise _Ended

    async def _call(self, function: Any, consumer: Any, member: Member) -> bool:
        assert (function, member) == (aiokafka_private.has_lost_its_name, MEMBER), (
            "as it was when it got its partitions"
        )
        return self._has_lost_its_name


def _look(**state: Any) -> _Consumer:
    usual: dict[str, Any] = {"member_id": "", "has_lost_its_name": False, "pending": 0, "under_way": None}
    consumer = _Consumer(**usual | state)
    try:
        asyncio.run(consumer._check_membership())
    except _Ended:
        assert len(consumer.deaths) == 1
    return consumer


def test_an_ordinary_rebalance_ends_nobody() -> None:
    consumer = _look(member_id="pod-1-0", pending=5, under_way=object(), has_lost_its_name=True)
    assert consumer.deaths == []


@pytest.mark.parametrize("work", [{"pending": 3}, {"under_way": object()}])
def test_a_worker_that_the_group_has_gone_on_without_writes_nothing_of_what_it_has_in_hand(
    work: dict[str, Any],
) -> None:
    (death,) = _look(**work).deaths
    assert isinstance(death, RestartRequired)
    assert "after 12.3 s without a heartbeat" in str(death)


def test_a_worker_with_nothing_in_hand_joins_again() -> None:
    consumer = _look()
    assert consumer.deaths == []
    assert consumer.app.assignment.is_halted, "and folds nothing meanwhile"


@pytest.mark.parametrize("pending", [0, 3])
def test_a_worker_whose_name_another_has_taken_ends_for_good(pending: int) -> None:
    (death,) = _look(has_lost_its_name=True, pending=pending).deaths
    assert isinstance(death, ConfigError)
    assert death.exit_code == 78
