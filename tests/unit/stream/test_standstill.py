"""Rows in the changelog that are not ours, in partitions in which no round would notice them."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.structs import TopicPartition

from tests.support.stream_fakes import Desk
from worker.errors import RestartRequired
from worker.settings import load_settings
from worker.stream.standstill import Standstill
from worker.stream.stopped import too_many_refused


class _Watched:
    """A partition that has stored a round, its watcher, and the end of its changelog, *beyond* our last row."""

    def __init__(self, guarantee: str) -> None:
        self.desk = Desk(is_held=False, events=10)
        self.end = 0
        settings = load_settings({"LEADSCORE_BROKERS": "kafka:9092", "LEADSCORE_GUARANTEE": guarantee})
        self._standstill = Standstill(settings, lambda: [self.desk.one], self._ask)

    async def _ask(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, self.end)

    async def begin(self) -> None:
        self.desk.poll(10)
        self.desk.fold_all()
        await self.desk.one.settle()

    async def look(self, beyond: int, *, with_idle: bool = False) -> None:
        stored = self.desk.one.stored_offset
        assert stored is not None
        self.end = stored + beyond
        await self._standstill.look(with_idle=with_idle)


@pytest.mark.parametrize(("guarantee", "ours"), [("exactly_once", 2), ("at_least_once", 1)])
def test_a_partition_that_was_stopped_notices_a_row_that_is_not_its_own(guarantee: str, ours: int) -> None:
    async def scenario() -> None:
        watched = _Watched(guarantee)
        await watched.begin()
        await watched.look(ours + 1)  # it is at work: its next round notices
        watched.desk.one.stop(too_many_refused(0, 10, 200))
        await watched.look(ours)
        with pytest.raises(RestartRequired, match="an operator has moved"):
            await watched.look(ours + 1)

    asyncio.run(scenario())


def test_a_partition_that_is_idle_notices_what_a_worker_that_was_cut_off_has_left() -> None:
    """If this fails, compaction may drop the good row for a stale one, which the next empty disk is restored from."""

    async def scenario() -> None:
        watched = _Watched("at_least_once")
        await watched.begin()
        await watched.look(1, with_idle=True)
        with pytest.raises(RestartRequired, match="somebody else has written to its changelog"):
            await watched.look(2, with_idle=True)

    asyncio.run(scenario())


def test_with_transactions_an_idle_partition_notices_an_operator_and_not_the_end_of_its_own_transaction() -> None:
    async def scenario() -> None:
        watched = _Watched("exactly_once")
        await watched.begin()
        await watched.look(2, with_idle=True)
        with pytest.raises(RestartRequired, match="an operator"):
            await watched.look(3, with_idle=True)

    asyncio.run(scenario())


def test_a_partition_that_is_given_up_meanwhile_is_others_to_write() -> None:
    async def scenario() -> None:
        watched = _Watched("at_least_once")
        await watched.begin()
        watched.desk.one.close()
        await watched.look(9, with_idle=True)

    asyncio.run(scenario())
