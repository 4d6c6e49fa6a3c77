from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest

from tests.support.small import (
    DAY,
    HOUR,
    START,
    SmallRecord,
    drained,
    event_value,
    nothing_stored,
    rule,
    small_model,
    small_partition,
    told,
)  # fmt: skip
from worker.errors import StateError
from worker.pipeline import PARTITION_KEY, CacheBudget, Partition, decode_partition_row, fence_of, fire_of
from worker.pipeline.round import DueChange

MODEL = small_model(
    rule("act", 60),
    rule("fade", 100, decay={"half_life": "1h"}),
    qualify={"when": {"score": {"at_least": 100}}},
    inactivity=[{"after": "30d", "points": -20}],
    lateness="3d",
)


def record(offset: int, event_type: str = "act", at_ms: int = START, contact: str = "c") -> SmallRecord:
    return SmallRecord(offset, event_value(event_type, at_ms, f"id {offset}", contact=contact), contact.encode())


class Stored:
    """What a partition has written, and how often it was asked."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}
        self.asked: list[list[bytes]] = []

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        self.asked.append(list(keys))
        return [self.values.get(key) for key in keys]


def test_partition_row_is_the_last_row_of_every_round_and_says_where_reading_goes_on() -> None:
    partition = small_partition(MODEL, epoch=3)
    partition.fold([record(41), record(42, at_ms=START + DAY)], nothing_stored)
    closed = drained(partition)
    assert list(closed.puts)[-1] == PARTITION_KEY
    row = decode_partition_row(closed.puts[PARTITION_KEY])
    assert (row.next_offset, row.epoch, row.newest_ms, row.mode) == (43, 3, START + DAY, "stream")
    again = small_partition(MODEL, epoch=3, row=closed.puts[PARTITION_KEY])
    assert (again.next_offset, again.newest_ms, again.is_new) == (43, START + DAY, False)


def test_partition_without_row_is_new_and_knows_no_time() -> None:
    partition = small_partition(MODEL)
    assert (partition.is_new, partition.next_offset, partition.newest_ms, partition.due_until()) == (
        True,
        0,
        None,
        None,
    )


def test_round_with_nothing_to_write_is_none() -> None:
    partition = small_partition(MODEL)
    assert partition.drain() is None
    assert partition.drain(position=0) is None


def test_position_beyond_the_last_record_alone_makes_a_round() -> None:
    """Control records and aborted transactions move the position; outside lag must reach 0."""
    partition = small_partition(MODEL)
    closed = partition.drain(position=9)
    assert closed is not None
    assert closed.next_offset == decode_partition_row(closed.puts[PARTITION_KEY]).next_offset == 9


def test_position_behind_the_last_record_changes_nothing() -> None:
    partition = small_partition(MODEL)
    partition.fold([record(5)], nothing_stored)
    closed = partition.drain(position=2)
    assert closed is not None
    assert closed.next_offset == 6


def test_contact_is_written_once_a_round_with_the_fence_of_its_last_record() -> None:
    partition = small_partition(MODEL, epoch=2)
    partition.fold([record(n) for n in range(3)], nothing_stored)
    partition.fold([record(3, contact="d"), record(4)], nothing_stored)
    closed = drained(partition)
    assert [key for key in closed.puts if key[0] > 1] == [b"c", b"d"]
    assert tuple(fence_of(closed.puts[b"c"])) == (2, 4, 0)
    assert tuple(fence_of(closed.puts[b"d"])) == (2, 3, 0)


def test_record_at_or_below_the_fence_is_replayed_without_effect() -> None:
    stored = Stored()
    first = small_partition(MODEL)
    first.fold([record(0), record(5)], stored.get_many)
    stored.values = drained(first).puts
    second = small_partition(MODEL)
    second.fold([record(4), record(5), record(6)], stored.get_many)
    counts = drained(second).counts
    assert (counts["replayed", ""], counts["effective", "small"]) == (2, 1)


def test_fence_of_an_older_epoch_holds_nothing_back() -> None:
    """The source topic was made anew: offsets begin again."""
    stored = Stored()
    first = small_partition(MODEL)
    first.fold([record(50)], stored.get_many)
    stored.values = drained(first).puts
    second = small_partition(MODEL, epoch=1)
    second.fold([SmallRecord(0, event_value("act", START, "new"))], stored.get_many)
    assert drained(second).counts["effective", "small"] == 1


def test_duplicate_writes_no_value() -> None:
    stored = Stored()
    first = small_partition(MODEL)
    first.fold([record(0)], stored.get_many)
    stored.values = drained(first).puts
    second = small_partition(MODEL, row=stored.values[PARTITION_KEY])
    second.fold([SmallRecord(1, event_value("act", START, "id 0"))], stored.get_many)
    closed = drained(second)
    assert list(closed.puts) == [PARTITION_KEY]
    assert closed.counts["duplicate", "small"] == 1


def test_round_is_not_drained_before_the_one_before_it_is_settled() -> None:
    partition = small_partition(MODEL)
    partition.fold([record(0)], nothing_stored)
    partition.drain()
    partition.fold([record(1)], nothing_stored)
    with pytest.raises(StateError, match="drained before"):
        partition.drain()
    partition.settled()
    assert partition.drain() is not None


def test_contact_in_flight_is_not_read_back_stale() -> None:
    """Its store still has the value from before: reading it would lose the round under way."""
    stored = Stored()
    partition = small_partition(MODEL, budget=CacheBudget(0))
    partition.fold([record(0)], stored.get_many)
    closed = partition.drain()
    assert closed is not None
    partition.fold([record(1)], stored.get_many)
    stored.values = closed.puts
    partition.settled()
    partition.fold([record(2, "act")], stored.get_many)
    closed = drained(partition)
    assert stored.asked == [[b"c"]]
    assert told(closed.outputs) == [("lead.sales_ready", 1, "act", 120.0)]


def test_contacts_beyond_the_limit_leave_memory_least_recently_written_first() -> None:
    stored = Stored()
    budget = CacheBudget()
    partition = small_partition(MODEL, budget=budget)
    for offset, contact in enumerate("aba"):
        partition.fold([record(offset, contact=contact)], stored.get_many)
        stored.values |= drained(partition).puts
    budget.limit = budget.used * 5 // 4  # room for two of three that are alike
    partition.fold([record(3, contact="c")], stored.get_many)
    stored.values |= drained(partition).puts
    assert partition.cached_contacts == 2
    asked = len(stored.asked)
    partition.fold([record(9, contact=name) for name in "acb"], stored.get_many)
    assert stored.asked[asked:] == [[b"b"]]


def test_touched_contacts_are_read_in_one_call() -> None:
    stored = Stored()
    small_partition(MODEL).fold([record(n, contact=name) for n, name in enumerate("abcab")], stored.get_many)
    assert stored.asked == [[b"a", b"b", b"c"]]


def test_score_row_is_published_only_when_something_but_its_instant_is_news() -> None:
    model = small_model(rule("act", 60, once_per="contact"), rule("zero", 0))
    partition = small_partition(model)
    published = []
    for offset, (name, at_ms) in enumerate([("act", START), ("act", START + DAY), ("zero", START + DAY)]):
        partition.fold([record(offset, name, at_ms)], nothing_stored)
        published.append([json.loads(one.value or b"") for one in drained(partition).outputs if one.topic == "scores"])
    assert [len(rows) for rows in published] == [1, 0, 0]
    row = published[0][0]["models"]["small"]
    assert (row["score"], row["status"], row["as_of"]) == (60.0, "open", "2026-01-01T00:00:00.000Z")


def test_score_row_that_was_published_is_not_repeated_after_a_restart() -> None:
    stored = Stored()
    model = small_model(rule("act", 60, once_per="contact"))
    for offset in range(2):
        partition = small_partition(model, row=stored.values.get(PARTITION_KEY))
        partition.fold([record(offset)], stored.get_many)
        closed = drained(partition)
        stored.values |= closed.puts
        assert len([one for one in closed.outputs if one.topic == "scores"]) == (1 if offset == 0 else 0)


def test_score_rows_are_off_when_their_topic_has_no_name() -> None:
    topics = small_partition(MODEL)
    partition = Partition(
        topics=topics._effects._topics._replace(scores=""),
        partition=0, partitions=1, models=[MODEL], options=topics._options, row=None,
    )  # fmt: skip
    partition.fold([record(0)], nothing_stored)
    assert drained(partition).outputs == []


def test_due_instant_is_indexed_with_the_lateness_in_stream_time_only() -> None:
    """By stream time events up to 3 d older may still come; by the wall clock the due instant itself counts."""
    for time, fire_ms in (("stream", START + 33 * DAY), ("wall", START + 30 * DAY)):
        partition = small_partition(MODEL, time=time)
        partition.fold([record(0)], nothing_stored)
        closed = drained(partition)
        assert closed.due == [DueChange(b"c", None, fire_ms)]
        assert fire_of(closed.puts[b"c"]) == fire_ms


def test_place_in_the_due_index_moves_with_the_next_event() -> None:
    partition = small_partition(MODEL)
    partition.fold([record(0)], nothing_stored)
    drained(partition)
    partition.fold([record(1, at_ms=START + DAY)], nothing_stored)
    assert drained(partition).due == [DueChange(b"c", START + 33 * DAY, START + 34 * DAY)]


@pytest.mark.parametrize("change", [{"time": "wall"}, {"erasure_key": b"other"}])
def test_state_written_under_other_terms_is_refused(change: dict[str, Any]) -> None:
    first = small_partition(MODEL, erasure_key=b"one")
    first.fold([record(0)], nothing_stored)
    row = drained(first).puts[PARTITION_KEY]
    with pytest.raises(StateError):
        small_partition(MODEL, row=row, **({"erasure_key": b"one"} | change))


def test_partition_of_another_model_content_is_refused() -> None:
    first = small_partition(MODEL)
    first.fold([record(0)], nothing_stored)
    row = drained(first).puts[PARTITION_KEY]
    with pytest.raises(StateError, match="small"):
        small_partition(small_model(rule("act", 61)), row=row)


@pytest.mark.parametrize("cuts", [[], [2], [1, 2, 3], [3]])
def test_what_is_told_does_not_depend_on_where_rounds_end(cuts: list[int]) -> None:
    """
    Cooling that needs one group low and another high: more points make it sooner.

    a: 50 fade by half in 10 h, b: 50 in 1 h; 60 more in b at 1 h. a is at most 10 after 10 h * log2(5) = 23.219 h.
    """
    model = small_model(
        rule("a", 50, group="a", decay={"half_life": "10h"}),
        rule("b", 50, group="b", decay={"half_life": "1h"}),
        rule("b more", 60, group="b"),
        rule("a more", 500, group="a"),
        groups={"a": {}, "b": {}},
        lateness="1s",
        qualify={
            "when": {"score": {"at_least": 100}},
            "rearm": {"groups.a": {"at_most": 10}, "groups.b": {"at_least": 20}},
        },
    )
    happened = [("a", START), ("b", START), ("b more", START + HOUR), ("a more", START + 40 * HOUR)]
    records = [record(offset, name, at_ms) for offset, (name, at_ms) in enumerate(happened)]
    partition = small_partition(model)
    outputs = []
    for begin, end in zip([0, *cuts], [*cuts, 4], strict=True):
        partition.fold(records[begin:end], nothing_stored)
        outputs += drained(partition).outputs
    assert [one[:3] for one in told(outputs)] == [
        ("lead.sales_ready", 1, "b"), ("lead.cooled", 1, "timer"), ("lead.sales_ready", 2, "a more"),
    ]  # fmt: skip


def test_event_that_arrives_late_may_bring_more_points_than_it_gives() -> None:
    """It was a sign of life: with it between them, idleness never took the first 60."""
    model = small_model(
        rule("act", 60),
        rule("hello", 0),
        inactivity=[{"after": "2d", "reset": ["engagement"]}],
        qualify={"when": {"score": {"at_least": 100}}},
    )
    partition = small_partition(model)
    partition.fold([record(0), record(1, at_ms=START + 3 * DAY)], nothing_stored)
    assert told(drained(partition).outputs) == []
    partition.fold([record(2, "hello", START + 2 * DAY - HOUR)], nothing_stored)
    assert told(drained(partition).outputs) == [("lead.sales_ready", 1, "hello", 120.0)]
