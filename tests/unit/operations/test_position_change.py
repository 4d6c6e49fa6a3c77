"""What an operator may do to a position, and what is refused."""

from __future__ import annotations

import pytest

from worker.errors import ConfigError
from worker.operations.position_change import Change, Standing, raise_epoch, skip
from worker.pipeline import PartitionRow

SETTINGS = {"LEADSCORE_BROKERS": "localhost:1"}


def standing(next_offset: int, *, first: int = 0, end: int = 100, epoch: int = 2) -> Standing:
    return Standing(1, PartitionRow(next_offset, epoch, None, None, "wall", b"", 7, {}), first, end)


def test_the_next_record_is_passed_over_and_the_epoch_stays() -> None:
    assert skip(40, 40)(standing(40)) == Change(1, 40, 41, 2)
    assert skip(40, 99)(standing(40)) == Change(1, 40, 100, 2)


def test_records_that_were_deleted_before_they_were_read_are_passed_over() -> None:
    assert skip(40, 59)(standing(40, first=60)) == Change(1, 40, 60, 2)


def test_a_record_ahead_is_passed_over_alone_and_what_lies_before_it_is_still_handled() -> None:
    assert skip(47, 47)(standing(40)) == Change(1, 40, 40, 2, passed_over=(47,))


@pytest.mark.parametrize(("offset", "through"), [(39, 39), (41, 42), (40, 39), (40, 100), (100, 100)])
def test_other_records_are_not(offset: int, through: int) -> None:
    with pytest.raises(ConfigError):
        skip(offset, through)(standing(40))


def test_a_partition_in_which_nothing_was_handled_begins_where_its_topic_does() -> None:
    assert skip(5, 6)(Standing(1, None, 5, 9)) == Change(1, 5, 7, 0)
    assert raise_epoch(Standing(1, None, 5, 9)) is None


def test_a_new_epoch_begins_where_the_topic_does() -> None:
    assert raise_epoch(standing(40, first=3)) == Change(1, 40, 3, 3)
