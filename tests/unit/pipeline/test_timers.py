from __future__ import annotations

import json
from collections.abc import Sequence

import pytest

from tests.support.small import (
    DAY,
    HOUR,
    SECOND,
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
from worker.pipeline import PARTITION_KEY, Due, Output, Partition
from worker.pipeline.round import DueChange

MODEL = small_model(
    rule("act", 100, decay={"half_life": "1h"}),
    rule("zero", 0),
    qualify={"when": {"score": {"at_least": 50}}},
    lateness="6h",
)
COOLS_MS = START + HOUR + SECOND
"""100 points, half-life 1 h: below 50 from the first second after the hour."""


def record(
    offset: int, event_type: str = "act", at_ms: int = START, contact: str = "c", record_ms: int = 0
) -> SmallRecord:
    return SmallRecord(
        offset, event_value(event_type, at_ms, f"id {offset}", contact=contact), contact.encode(), record_ms or at_ms
    )


def instants(outputs: Sequence[Output]) -> list[tuple[str, str]]:
    values = [json.loads(one.value) for one in outputs if one.topic == "told" and one.value]
    return [(one["kind"].removeprefix("lead."), one["at"]) for one in values]


def ready(partition: Partition, *records: SmallRecord) -> dict[bytes, bytes]:
    partition.fold(records or [record(0)], nothing_stored)
    return drained(partition).puts


def test_lead_cools_at_its_due_instant_however_late_it_is_looked_at() -> None:
    partition = small_partition(MODEL)
    ready(partition, record(0), record(1, "zero", START + 40 * DAY, "other"))
    partition.fire([Due(COOLS_MS + 6 * HOUR, b"c")], nothing_stored)
    closed = drained(partition)
    assert told(closed.outputs) == [("lead.cooled", 1, "timer", 49.9)]
    assert instants(closed.outputs) == [("cooled", "2026-01-01T01:00:01.000Z")]
    assert closed.due == [DueChange(b"c", COOLS_MS + 6 * HOUR, None)]


def test_stream_time_lags_behind_the_newest_event_by_the_lateness() -> None:
    for newest_ms, cooled in ((COOLS_MS + 6 * HOUR - 1, False), (COOLS_MS + 6 * HOUR, True)):
        partition = small_partition(MODEL)
        ready(partition, record(0), record(1, "zero", newest_ms, "other"))
        partition.fire([Due(COOLS_MS + 6 * HOUR, b"c")], nothing_stored)
        assert bool(told(partition.take_told()[0])) is cooled


def test_stream_time_is_that_of_the_record_being_handled_not_of_its_poll() -> None:
    """An event that was polled together with much newer ones is not behind a timer for that."""
    partition = small_partition(MODEL)
    ready(partition, record(0), record(1, "zero", START + 30 * 60_000), record(2, "zero", START + 9 * DAY, "other"))
    _, counts = partition.take_told()
    assert counts["behind_timer", "small"] == 0


def test_due_instant_is_handled_before_the_event_that_comes_after_it() -> None:
    partition = small_partition(MODEL)
    partition.fold([record(0), record(1, at_ms=START + 2 * HOUR)], nothing_stored)
    outputs = drained(partition).outputs
    assert instants(outputs) == [
        ("sales_ready", "2026-01-01T00:00:00.000Z"),
        ("cooled", "2026-01-01T01:00:01.000Z"),
        ("sales_ready", "2026-01-01T02:00:00.000Z"),
    ]


def test_due_instant_at_the_time_of_an_event_comes_first() -> None:
    partition = small_partition(MODEL)
    partition.fold([record(0), record(1, at_ms=COOLS_MS)], nothing_stored)
    assert [kind for kind, *_ in told(drained(partition).outputs)] == [
        "lead.sales_ready", "lead.cooled", "lead.sales_ready",
    ]  # fmt: skip


def test_due_instant_after_an_event_waits_for_its_time() -> None:
    partition = small_partition(MODEL)
    partition.fold([record(0), record(1, at_ms=COOLS_MS - 1)], nothing_stored)
    assert [kind for kind, *_ in told(drained(partition).outputs)] == ["lead.sales_ready"]


def test_event_behind_a_cooling_by_timer_is_folded_evaluated_and_counted() -> None:
    """Its T is the instant of that cooling: what was told is never taken back in time."""
    partition = small_partition(MODEL)
    late = record(2, at_ms=START + HOUR)
    partition.fold([record(0), record(1, "zero", COOLS_MS + 6 * HOUR, "other"), late], nothing_stored)
    closed = drained(partition)
    assert instants(closed.outputs) == [
        ("sales_ready", "2026-01-01T00:00:00.000Z"),
        ("cooled", "2026-01-01T01:00:01.000Z"),
        ("sales_ready", "2026-01-01T01:00:01.000Z"),
    ]
    assert closed.counts["behind_timer", "small"] == 1


def test_event_called_timer_is_no_timer() -> None:
    model = small_model(rule("timer", 100), rule("act", 1), qualify={"when": {"score": {"at_least": 50}}})
    partition = small_partition(model)
    partition.fold([record(0, "timer"), record(1, "act", START - 1)], nothing_stored)
    assert drained(partition).counts["behind_timer", "small"] == 0


def test_stale_entry_is_dropped_and_changes_nothing() -> None:
    partition = small_partition(MODEL)
    ready(partition)
    partition.fire([Due(START + 5, b"c")], nothing_stored)
    closed = drained(partition)
    assert closed.due == [DueChange(b"c", START + 5, None)]
    assert closed.outputs == []
    assert list(closed.puts) == [PARTITION_KEY]


def test_entry_of_a_contact_that_is_not_stored_is_dropped() -> None:
    partition = small_partition(MODEL)
    partition.fire([Due(START, b"gone")], nothing_stored)
    assert drained(partition).due == [DueChange(b"gone", START, None)]


def test_early_wake_tells_nothing_and_moves_the_entry_on() -> None:
    """A stored due instant is a lower bound."""
    stored = ready(small_partition(MODEL))
    partition = small_partition(MODEL, row=stored[PARTITION_KEY])
    partition.fire([Due(COOLS_MS + 6 * HOUR, b"c")], lambda keys: [stored.get(key) for key in keys])
    closed = drained(partition)
    assert closed.outputs == []
    assert closed.due == []


def test_firing_raises_the_revision_of_the_fence_and_not_its_offset() -> None:
    from worker.pipeline import fence_of

    partition = small_partition(MODEL)
    ready(partition, record(7), record(8, "zero", START + 9 * DAY, "other"))
    partition.fire([Due(COOLS_MS + 6 * HOUR, b"c")], nothing_stored)
    assert tuple(fence_of(drained(partition).puts[b"c"])) == (0, 7, 1)


def test_every_due_instant_up_to_the_time_is_handled_in_order() -> None:
    model = small_model(
        rule("act", 100),
        inactivity=[{"after": "1d", "every": "1d", "points": -30}],
        qualify={"when": {"score": {"at_least": 50}}},
        lateness="1h",
    )
    partition = small_partition(model)
    ready(partition, record(0), record(1, at_ms=START + 3 * DAY + HOUR, contact="other"))
    partition.fire([Due(START + DAY + HOUR, b"c")], nothing_stored)
    closed = drained(partition)
    assert instants(closed.outputs) == [("cooled", "2026-01-03T00:00:00.000Z")]
    assert closed.due == [DueChange(b"c", START + DAY + HOUR, START + 4 * DAY + HOUR)]


def test_wall_clock_counts_only_minus_its_grace_and_never_goes_back() -> None:
    partition = small_partition(MODEL, time="wall")
    ready(partition)
    partition.advance_wall(COOLS_MS + 5 * SECOND - 1)
    assert partition.due_until() == COOLS_MS - 1
    partition.advance_wall(COOLS_MS + 5 * SECOND)
    partition.advance_wall(START)
    assert partition.due_until() == COOLS_MS
    partition.fire([Due(COOLS_MS, b"c")], nothing_stored)
    assert instants(drained(partition).outputs) == [("cooled", "2026-01-01T01:00:01.000Z")]


def test_wall_time_survives_a_restart() -> None:
    partition = small_partition(MODEL, time="wall")
    partition.advance_wall(START + DAY)
    row = ready(partition)[PARTITION_KEY]
    assert small_partition(MODEL, time="wall", row=row).due_until() == START + DAY - 5 * SECOND


def test_wall_time_of_a_backlog_is_that_of_the_records_handled() -> None:
    """Lag must never be mistaken for a silent customer."""
    partition = small_partition(MODEL, time="wall")
    partition.fold([record(0), record(1, record_ms=START + 30 * SECOND)], nothing_stored)
    assert partition.due_until() == START + 25 * SECOND


@pytest.mark.parametrize("cut", [0, 1, 2])
def test_wall_time_does_not_depend_on_where_a_poll_ends(cut: int) -> None:
    """Producers' clocks may go back; a record without effect tells the time as well as any."""
    partition = small_partition(MODEL, time="wall")
    records = [
        record(0), record(1, "other", START, record_ms=COOLS_MS + 5 * SECOND), record(2, "zero", START + 1, record_ms=START),
    ]  # fmt: skip
    for part in (records[:cut], records[cut:]):
        partition.fold(part, nothing_stored)
    assert [kind for kind, *_ in told(drained(partition).outputs)] == ["lead.sales_ready", "lead.cooled"]


def test_stream_time_does_not_look_at_the_wall_clock() -> None:
    partition = small_partition(MODEL)
    partition.advance_wall(START)
    assert partition.due_until() is None


def test_end_of_a_history_handles_what_is_due_up_to_it() -> None:
    partition = small_partition(MODEL)
    partition.fold([record(0)], nothing_stored)
    partition.finish(COOLS_MS - 1)
    assert len(told(partition.take_told()[0])) == 1
    partition.finish(COOLS_MS)
    assert told(partition.take_told()[0]) == [("lead.cooled", 1, "timer", 49.9)]
