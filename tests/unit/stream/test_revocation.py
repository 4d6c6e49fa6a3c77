"""Partitions that are taken away are settled and committed before Faust hears of it: it forgets at once what it could commit."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from worker.settings import load_settings
from worker.stream import transport

OURS = {TP("lead-interactions", 0)}


class _Assignment:
    """Partitions that note in which order they are let go of."""

    def __init__(self, steps: list[str], failure: Exception | None) -> None:
        self.owned: dict[int, Any] = {}
        self._steps = steps
        self._failure = failure

    async def give_up(self, deadline_s: float) -> None:
        self._steps.append("settled")
        if self._failure is not None:
            raise self._failure

    def forget(self) -> None:
        self._steps.append("forgotten")


class _Delivery:
    def committable(self) -> dict[int, int]:
        return {0: 12}

    async def close(self) -> None: ...


class _Consumer(transport.WorkerConsumer):
    """A consumer without Kafka that notes what is done, in which order."""

    def __init__(self, failure: Exception | None = None) -> None:
        """Be no service: only what happens at a revocation is tried."""
        self.steps: list[str] = []
        self.deaths: list[BaseException] = []
        self._thread = SimpleNamespace(pause=self._pause, consumer_now=None)  # type: ignore[assignment]
        self.app = SimpleNamespace(  # type: ignore[assignment]
            settings=load_settings({"LEADSCORE_BROKERS": "one:9092"}),
            assignment=_Assignment(self.steps, failure),
            delivery=_Delivery(),
            die=self._die,
        )

    def stop_flow(self) -> None:
        self.steps.append("flow stopped")

    async def _pause(self, partitions: set[TP]) -> None:
        self.steps.append("paused")

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        self.steps.append("committed")
        return True

    def _die(self, error: BaseException) -> None:
        self.deaths.append(error)
        raise SystemExit


@pytest.fixture(autouse=True)
def _faust_notes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async def on_partitions_revoked(self: Any, _: set[TP]) -> None:
        self.steps.append("Faust was told")

    monkeypatch.setattr(driver.Consumer, "on_partitions_revoked", on_partitions_revoked)


def test_everything_is_settled_and_committed_before_faust_is_told() -> None:
    """If this fails, every rebalance repeats what was done since the last commit."""
    consumer = _Consumer()
    asyncio.run(consumer.on_partitions_revoked(OURS))
    assert consumer.steps == ["flow stopped", "paused", "settled", "committed", "forgotten", "Faust was told"]


def test_what_cannot_be_settled_ends_the_process_before_faust_is_told() -> None:
    failure = RuntimeError("a round failed")
    consumer = _Consumer(failure)
    with pytest.raises(SystemExit):
        asyncio.run(consumer.on_partitions_revoked(OURS))
    assert consumer.deaths == [failure]
    assert "Faust was told" not in consumer.steps
