"""The worker against a slow second reading of the same rules: every score to the last bit, every word to sales."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.engine import EngineReading, RestartedPartition, engine_replay, records_of
from tests.support.histories import CLOCK, DAY, HOUR, arrivals, clock_event, happenings, lateness_of, model_text, models
from tests.support.naive import NaiveReplay, naive_replay
from worker.scoring.model_file import parse_model

Json = dict[str, Any]
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
COUNTED = ("received", "effective", "duplicate", "without_effect", "late", "behind_timer")


def _expect_equal(engine: EngineReading, naive: NaiveReplay) -> None:
    assert engine.transitions == naive.transitions
    assert [repr(row) for row in engine.rows] == [repr(row) for row in naive.rows]
    assert {what: engine.counts[what, ""] for what in COUNTED} == {what: naive.counts[what, ""] for what in COUNTED}


@settings(suppress_health_check=SLOW)
@given(models(), happenings(max_size=30).flatmap(arrivals), st.sampled_from([None, 0, 1, HOUR, 30 * DAY, 400 * DAY]))
def test_a_replay_equals_the_second_reading(told: Json, events: list[Json], later: int | None) -> None:
    """If this fails, one of the two has the rules wrong."""
    newest = max(event["occurred_at"] for event in events)
    as_of = None if later is None else newest + later
    _expect_equal(engine_replay(model_text(told), events, as_of), naive_replay(told, events, as_of))


@settings(suppress_health_check=SLOW)
@given(models(), happenings(max_size=30).flatmap(arrivals), st.integers(0, 40))
def test_events_after_the_instant_asked_for_are_left_out(told: Json, events: list[Json], place: int) -> None:
    as_of = sorted(event["occurred_at"] for event in events)[place % len(events)]
    _expect_equal(engine_replay(model_text(told), events, as_of), naive_replay(told, events, as_of))


@settings(suppress_health_check=SLOW)
@given(models(), happenings().flatmap(arrivals), st.integers(1, 7))
def test_a_worker_that_restarts_after_every_round_equals_the_second_reading(
    told: Json, events: list[Json], size: int
) -> None:
    end = max(event["occurred_at"] for event in events)
    records = records_of([*events, clock_event(end + lateness_of(told))])
    partition = RestartedPartition(parse_model(model_text(told)))
    partition.run([records[first : first + size] for first in range(0, len(records), size)])
    reading = partition.reading(end)
    naive = naive_replay(told, events)
    assert [one for one in reading.transitions if one["contact_id"] != CLOCK] == naive.transitions
    assert [repr(row) for row in reading.rows if row["contact_id"] != CLOCK] == [repr(row) for row in naive.rows]
