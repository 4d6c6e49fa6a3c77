from __future__ import annotations

import json

import pytest

from tests.support.small import (
    DAY,
    MINUTE,
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
from worker.contracts.partitioner import partition_of
from worker.pipeline import Output, Partition

MODEL = small_model(rule("act", 60), qualify={"when": {"score": {"at_least": 100}}})
HOME, AWAY = partition_of(b"c", 4), (partition_of(b"c", 4) + 1) % 4
FORWARDED = "leadscore.forwarded"


def fold(partition: Partition, *records: SmallRecord) -> None:
    partition.fold(records, nothing_stored)


def act(offset: int, at_ms: int = START, **fields: object) -> SmallRecord:
    return SmallRecord(offset, event_value("act", at_ms, f"id {offset}"), **fields)  # type: ignore[arg-type]


def code_of(output: Output) -> str:
    return (dict(output.headers)["leadscore.error.code"] or b"").decode()


def test_record_that_is_no_event_is_dead_lettered_untouched_and_its_neighbours_count() -> None:
    partition = small_partition(MODEL, partition=0)
    bad = SmallRecord(7, b'{"id": 1', b"\xff\x00", 1234, [("trace", b"\x00\xfe")])
    fold(partition, act(6), bad, act(8))
    closed = drained(partition)
    (letter,) = (one for one in closed.outputs if one.topic == "refused")
    assert (letter.partition, letter.key, letter.value, letter.headers[0]) == (
        0,
        b"\xff\x00",
        b'{"id": 1',
        ("trace", b"\x00\xfe"),
    )
    headers = dict(letter.headers)
    assert [headers[f"__connect.errors.{name}"] for name in ("topic", "partition", "offset")] == [b"in", b"0", b"7"]
    assert told(closed.outputs) == [("lead.sales_ready", 1, "act", 120.0)]
    assert closed.counts["dead_lettered", "event.not_json"] == 1
    assert (closed.counts["received", ""], closed.counts["effective", "small"]) == (3, 2)
    assert closed.next_offset == 9


def test_key_that_differs_from_the_contact_is_dead_lettered_where_it_lies() -> None:
    partition = small_partition(MODEL, partition=AWAY, partitions=4)
    fold(partition, act(0, key=b"d"))
    assert [code_of(one) for one in drained(partition).outputs] == ["event.key_mismatch"]


def test_misplaced_record_is_forwarded_with_its_bytes_and_a_mark_of_where_it_lay() -> None:
    partition = small_partition(MODEL, partition=AWAY, partitions=4)
    record = act(17, timestamp=START + 5, headers=[("trace", b"1")])
    fold(partition, record)
    closed = drained(partition)
    mark = f"{AWAY}:17:{START + 5}".encode()
    assert closed.outputs == [Output("in", HOME, b"c", record.value, [("trace", b"1"), (FORWARDED, mark)])]
    assert closed.counts["forwarded", ""] == 1
    assert list(closed.puts) == [b"\x00model:small:1", b"\x00partition"]


def test_record_without_key_is_forwarded_under_its_contact() -> None:
    partition = small_partition(MODEL, partition=AWAY, partitions=4)
    fold(partition, act(0, key=None))
    (only,) = drained(partition).outputs
    assert (only.partition, only.key) == (HOME, b"c")


def test_record_without_key_that_lies_right_is_folded() -> None:
    partition = small_partition(MODEL, partition=HOME, partitions=4)
    fold(partition, act(0, key=None))
    closed = drained(partition)
    assert closed.counts["effective", "small"] == 1
    assert b"c" in closed.puts


def test_record_still_misplaced_after_forwarding_is_a_dead_letter() -> None:
    partition = small_partition(MODEL, partition=AWAY, partitions=4)
    record = act(0, headers=[(FORWARDED, b"2:5:0")])
    fold(partition, record)
    (letter,) = drained(partition).outputs
    assert (code_of(letter), letter.topic, letter.partition) == ("event.misplaced", "refused", AWAY)
    assert letter.headers[0] == (FORWARDED, b"2:5:0")


def last_score_instant(partition: Partition) -> str:
    (row,) = (one for one in drained(partition).outputs if one.topic == "scores")
    as_of: str = json.loads(row.value or b"")["models"]["small"]["as_of"]
    return as_of


@pytest.mark.parametrize(
    ("ahead_ms", "as_of"), [(5 * MINUTE, "2026-01-01T00:05:00.000Z"), (5 * MINUTE + 1, "2026-01-01T00:00:00.000Z")]
)
def test_event_time_too_far_ahead_of_its_record_is_set_to_that(ahead_ms: int, as_of: str) -> None:
    partition = small_partition(MODEL, clamp=True)
    fold(partition, act(0, START + ahead_ms, timestamp=START))
    clamped = ahead_ms > 5 * MINUTE
    assert partition.newest_ms == (START if clamped else START + ahead_ms)
    assert partition._effects.counts["clamped", ""] == clamped
    assert last_score_instant(partition) == as_of


def test_clamping_looks_at_the_record_time_from_before_forwarding() -> None:
    partition = small_partition(MODEL, clamp=True)
    mark = [(FORWARDED, f"2:5:{START}".encode())]
    fold(partition, act(0, START + DAY, timestamp=START + DAY, headers=mark))
    assert last_score_instant(partition) == "2026-01-01T00:00:00.000Z"


def test_mark_that_names_no_time_is_passed_over() -> None:
    partition = small_partition(MODEL, clamp=True)
    fold(partition, act(0, START, timestamp=START, headers=[(FORWARDED, b"nonsense")]))
    assert partition.newest_ms == START


def test_nothing_is_clamped_where_records_have_no_times() -> None:
    partition = small_partition(MODEL)
    fold(partition, act(0, START + 400 * DAY, timestamp=0))
    assert partition.newest_ms == START + 400 * DAY


def test_event_without_trace_counts_for_the_newest_time_and_leaves_nothing() -> None:
    partition = small_partition(MODEL)
    fold(partition, SmallRecord(0, event_value("other", START + DAY)))
    closed = drained(partition)
    assert partition.newest_ms == START + DAY
    assert closed.counts["without_effect", "small"] == 1
    assert b"c" not in closed.puts
    assert closed.outputs == []


@pytest.mark.parametrize("key", [b"c", None])
def test_books_balance_over_every_fate(key: bytes | None) -> None:
    """received = effective + duplicate + without effect + dead-lettered + forwarded + replayed."""
    partition = small_partition(MODEL, partition=HOME, partitions=4)
    away = next(name for name in map(str, range(99)) if partition_of(name.encode(), 4) != HOME)
    values = [
        event_value("act", START, "1"),
        event_value("act", START, "1"),
        event_value("other"),
        b"{}",
        event_value("act", contact=away),
    ]
    fold(partition, *(SmallRecord(n, value, None if n == 4 else key) for n, value in enumerate(values)))
    fold(partition, SmallRecord(0, values[0], key))
    counts = drained(partition).counts
    fates = {what: n for (what, _), n in counts.items() if what not in {"received", "transitions"}}
    assert fates == {
        "effective": 1,
        "duplicate": 1,
        "without_effect": 1,
        "dead_lettered": 1,
        "forwarded": 1,
        "replayed": 1,
    }
    assert counts["received", ""] == 6


@pytest.mark.parametrize("mark", [None, b"1:2:" + b"9" * 5000, b"1:2:0", b"\xff:\xff", b""])
def test_odd_forwarding_mark_of_a_producer_neither_stops_a_partition_nor_moves_an_event(mark: bytes | None) -> None:
    """A header is whatever a producer puts there; one that ends the worker would end it again after each restart."""
    partition = small_partition(MODEL, partition=0, clamp=True)
    record = act(3, START, timestamp=START, headers=[(FORWARDED, mark)])
    fold(partition, record)
    closed = drained(partition)
    assert closed.counts["effective", "small"] == 1
    assert closed.counts["clamped", ""] == 0
    assert partition.newest_ms == START


def test_record_without_a_timestamp_does_not_move_its_event() -> None:
    partition = small_partition(MODEL, partition=0, clamp=True)
    fold(partition, act(3, START, timestamp=-1))
    assert partition.newest_ms == START


def test_record_that_claims_to_be_of_the_future_does_not_take_the_partition_there() -> None:
    """One producer's clock would let every lead of the partition cool at once, for ever."""
    partition = small_partition(MODEL, partition=0, time="wall")
    partition.note_present(START + DAY)
    fold(partition, act(3, START, timestamp=START + 30_000 * DAY))
    assert partition.due_until() == START + DAY - 5_000
