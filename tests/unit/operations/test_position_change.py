"""What an operator may do to a position, and what is refused."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.structs import TopicPartition

from tests.support.stream_fakes import Desk
from worker.errors import ConfigError, RestartRequired
from worker.operations.position_change import Change, Standing, raise_epoch, skip
from worker.pipeline import PartitionRow
from worker.settings import load_settings
from worker.stream.standstill import Standstill
from worker.stream.stopped import too_many_refused

SETTINGS = {"LEADSCORE_BROKERS": "localhost:1"}


def standing(next_offset: int, *, first: int = 0, end: int = 100, epoch: int = 2) -> Standing:
    return Standing(1, PartitionRow(next_offset, epoch, None, None, "wall", b"", 7, {}), first, end)


def test_the_next_record_is_passed_over_and_the_epoch_stays() -> None:
    assert skip(40, 40)(standing(40)) == Change(1, 40, 41, 2)
    assert skip(40, 99)(standing(40)) == Change(1, 40, 100, 2)


def test_records_that_were_deleted_before_they_were_read_are_passed_over() -> None:
    assert skip(40, 59)(standing(40, first=60)) == Change(1, 40, 60, 2)


@pytest.mark.parametrize(("offset", "through"), [(39, 39), (41, 41), (40, 39), (40, 100)])
def test_other_records_are_not(offset: int, through: int) -> None:
    with pytest.raises(ConfigError):
        skip(offset, through)(standing(40))


def test_a_partition_in_which_nothing_was_handled_begins_where_its_topic_does() -> None:
    assert skip(5, 6)(Standing(1, None, 5, 9)) == Change(1, 5, 7, 0)
    assert raise_epoch(Standing(1, None, 5, 9)) is None


def test_a_new_epoch_begins_where_the_topic_does() -> None:
    assert raise_epoch(standing(40, first=3)) == Change(1, 40, 3, 3)


@pytest.mark.parametrize(("guarantee", "ours"), [("exactly_once", 2), ("at_least_once", 1)])
def test_a_partition_that_stands_still_notices_a_row_that_is_not_its_own(guarantee: str, ours: int) -> None:
    async def scenario() -> None:
        desk = Desk(is_held=False, events=10)
        desk.poll(10)
        desk.fold_all()
        await desk.one.settle()
        stored = desk.one.stored_offset
        assert stored is not None
        ends = [stored + ours]

        async def ask(places: list[TopicPartition]) -> dict[TopicPartition, int]:
            return dict.fromkeys(places, ends[-1])

        settings = load_settings(SETTINGS | {"LEADSCORE_GUARANTEE": guarantee})
        standstill = Standstill(settings, lambda: [desk.one], ask)
        ends.append(stored + ours + 1)
        await standstill.look()  # it is at work: its next round notices
        desk.one.stop(too_many_refused(0, 10, 200))
        ends.append(stored + ours)
        await standstill.look()
        ends.append(stored + ours + 1)
        with pytest.raises(RestartRequired):
            await standstill.look()

    asyncio.run(scenario())
