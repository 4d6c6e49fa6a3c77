from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pytest

from tests.support.small import (
    START,
    SmallRecord,
    drained,
    event_value,
    nothing_stored,
    rule,
    small_model,
    small_partition,
)
from worker.errors import StoreUnavailable
from worker.pipeline import PARTITION_KEY, Partition, decode_partition_row
from worker.pipeline.flood import Flood
from worker.pipeline.rows import encode_partition_row
from worker.scoring.contact import Contact

MODEL = small_model(rule("act", 60), qualify={"when": {"score": {"at_least": 100}}})


def good(offset: int) -> SmallRecord:
    return SmallRecord(offset, event_value("act", START, f"id {offset}"))


def bad(offset: int) -> SmallRecord:
    return SmallRecord(offset, b"no event", b"c")


def fold(partition: Partition, *records: SmallRecord) -> None:
    partition.fold(records, nothing_stored)


def test_as_many_refused_records_as_the_limit_allows_stop_nothing() -> None:
    partition = small_partition(MODEL, dlq_limit=3)
    fold(partition, *(bad(offset) for offset in range(3)), good(3))
    assert (partition.stopped_at, partition.next_offset) == (None, 4)


def test_one_more_is_left_where_it_lies_with_everything_behind_it() -> None:
    partition = small_partition(MODEL, dlq_limit=3)
    fold(partition, good(0), *(bad(offset) for offset in range(1, 6)), good(6))
    fold(partition, good(7))
    closed = drained(partition)
    assert (partition.stopped_at, closed.next_offset) == (4, 4)
    assert [output.topic for output in closed.outputs if output.topic != "scores"] == ["refused"] * 3
    assert (closed.counts["received", ""], closed.counts["dead_lettered", "event.not_json"]) == (4, 3)
    assert closed.counts["effective", "small"] == 1


@pytest.mark.parametrize(("apart", "is_over"), [(999, True), (1000, False)])
def test_only_refused_records_among_a_thousand_in_a_row_are_counted(apart: int, is_over: bool) -> None:
    flood = Flood(1)
    assert not flood.is_over(1)
    assert flood.is_over(1 + apart) is is_over


def test_a_limit_of_a_thousand_is_none() -> None:
    flood = Flood(1_000)
    assert not any(flood.is_over(ordinal) for ordinal in range(5_000))


def test_a_stop_outlives_a_restart_and_ends_with_a_higher_limit_only() -> None:
    first = small_partition(MODEL, dlq_limit=1)
    fold(first, bad(0), bad(1), bad(2))
    row = drained(first).puts[PARTITION_KEY]
    again = small_partition(MODEL, dlq_limit=1, row=row)
    fold(again, bad(1), good(2))
    assert (again.stopped_at, again.drain()) == (1, None)
    raised = small_partition(MODEL, dlq_limit=2, row=row)
    fold(raised, bad(1), good(2))
    closed = drained(raised)
    assert (raised.stopped_at, closed.next_offset) == (None, 3)
    assert decode_partition_row(closed.puts[PARTITION_KEY]).stopped_limit is None


def test_a_stop_at_the_first_record_of_a_round_is_stored_too() -> None:
    partition = small_partition(MODEL, dlq_limit=0)
    fold(partition, bad(7))
    closed = drained(partition)
    row = decode_partition_row(closed.puts[PARTITION_KEY])
    assert (row.stopped_limit, row.next_offset, closed.outputs) == (0, 7, [])
    partition.settled()
    assert partition.drain() is None


class AwayFor:
    """A store that does not answer its first *calls*."""

    def __init__(self, calls: int) -> None:
        self.calls = calls

    def __call__(self, keys: Sequence[bytes]) -> list[bytes | None]:
        self.calls -= 1
        if self.calls >= 0:
            raise StoreUnavailable(what="store", problem="away")
        return [None] * len(keys)


def test_records_that_could_not_be_folded_are_as_if_they_had_never_been_given() -> None:
    """If this fails, dead letters and counts of a time without store are doubled, and good records look like a flood."""
    records = [bad(0), good(1), bad(2), good(3)]
    away, expected = small_partition(MODEL, dlq_limit=2), small_partition(MODEL, dlq_limit=2)
    store = AwayFor(5)
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            away.fold(records, store)
        assert away.drain() is None
    away.fold(records, store)
    fold(expected, *records)
    got, wanted = drained(away), drained(expected)
    assert (got.counts, got.outputs, got.puts, got.next_offset) == (
        wanted.counts,
        wanted.outputs,
        wanted.puts,
        wanted.next_offset,
    )


def test_a_record_at_which_folding_fails_is_named() -> None:
    """What nobody foresaw: of the contact of the record at 5 something lies in memory that is no contact."""
    partition = small_partition(MODEL)
    partition._cache.contacts[b"odd"] = cast("Contact", None)
    odd = SmallRecord(5, event_value("act", START, "id 5", contact="odd"), b"odd")
    with pytest.raises((AttributeError, TypeError)):
        fold(partition, good(3), good(4), odd, good(6))
    assert partition.failed_at == 5


@pytest.mark.parametrize("before", [(), (good(0),)])
def test_a_stopped_partition_stands_at_the_record_that_it_names_even_behind_a_gap(
    before: tuple[SmallRecord, ...],
) -> None:
    """Control records of producers leave gaps; if this fails, passing over the record that was named is refused."""
    partition = small_partition(MODEL, dlq_limit=0)
    fold(partition, *before, bad(7), good(8))
    closed = drained(partition)
    assert (partition.stopped_at, closed.next_offset) == (7, 7)
    assert decode_partition_row(closed.puts[PARTITION_KEY]).next_offset == 7


def test_a_record_that_an_operator_passes_over_is_left_out_and_its_neighbours_count() -> None:
    """If this fails, one record that nobody can fold costs all those of its round, or restarts the worker for ever."""
    first = small_partition(MODEL)
    fold(first, good(0))
    row = decode_partition_row(drained(first).puts[PARTITION_KEY])
    row.passed_over = [2, 5]
    again = small_partition(MODEL, row=encode_partition_row(row))
    fold(again, good(1), good(2), good(3))
    closed = drained(again)
    assert (closed.counts["received", ""], closed.counts["effective", "small"], closed.counts["passed_over", ""]) == (
        2,
        2,
        1,
    )
    assert (closed.next_offset, decode_partition_row(closed.puts[PARTITION_KEY]).passed_over) == (4, [5])
    again.settled()
    fold(again, good(5))  # nothing else comes: the position moves on all the same
    closed = drained(again)
    assert (closed.next_offset, decode_partition_row(closed.puts[PARTITION_KEY]).passed_over) == (6, [])
    assert closed.counts["passed_over", ""] == 1
