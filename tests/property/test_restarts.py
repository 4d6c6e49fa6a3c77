"""Where a round ends, and where the process does, is nobody's business but ours."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.engine import EngineRecord, RestartedPartition, records_of, stored_history
from tests.support.histories import DAY, START, arrivals, clock_event, happenings, lateness_of, model_text, models
from worker.scoring.codec import decode_contact, encode_contact, fire_of
from worker.scoring.matching import Matcher
from worker.scoring.model_file import parse_model

Json = dict[str, Any]
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@st.composite
def cases(draw: st.DrawFn) -> tuple[Json, list[EngineRecord], list[list[EngineRecord]]]:
    """A model, its records with all timers due at the end, and the records cut into rounds."""
    told = draw(models())
    events = draw(happenings().flatmap(arrivals))
    end = max(event["occurred_at"] for event in events)
    records = records_of([*events, clock_event(end + lateness_of(told))])
    cuts = sorted(draw(st.sets(st.integers(0, len(records)), max_size=6)))
    bounds = zip([0, *cuts], [*cuts, len(records)], strict=True)
    return told, records, [records[first:last] for first, last in bounds]


def _run(told: Json, rounds: list[list[EngineRecord]], **how: bool) -> RestartedPartition:
    partition = RestartedPartition(parse_model(model_text(told)))
    partition.run(rounds, **how)
    partition.fire(partition.start())
    return partition


def _told(partition: RestartedPartition) -> Counter[bytes]:
    """Return the transitions as published, whatever their order among contacts."""
    return Counter(one.value for one in partition.outputs if one.topic == "qualifications" and one.value is not None)


def _folds(partition: RestartedPartition) -> dict[bytes, list[Any]]:
    return {key: stored_history(value, "generated") for key, value in partition.values().items()}


def _latches(partition: RestartedPartition) -> dict[bytes, Any]:
    return {key: state.latch for key, contact in partition.contacts() for state in contact.models if state is not None}


@settings(suppress_health_check=SLOW)
@given(cases())
def test_rounds_and_restarts_change_neither_state_nor_transitions(
    case: tuple[Json, list[EngineRecord], list[list[EngineRecord]]],
) -> None:
    """If this fails, a deployment at noon tells sales something else than one at night."""
    told, records, rounds = case
    whole = _run(told, [records], restart=False)
    for restart in (True, False):
        parts = _run(told, rounds, restart=restart)
        assert _told(parts) == _told(whole)
        assert _folds(parts) == _folds(whole)
        assert _latches(parts) == _latches(whole)


def test_a_penalty_in_a_later_round_brings_cooling_forward() -> None:
    """What a round found out about the next cooling must not outlive the points that it was about."""
    fading = {"half_life": "7d"}
    told = {
        "model": "generated",
        "version": 1,
        "rules": [
            {"rule": "good", "when": {"type": "good"}, "points": 100, "decay": fading},
            {"rule": "bad", "when": {"type": "bad"}, "points": -40},
        ],
        "qualify": {"when": {"score": {"at_least": 100}}, "rearm": {"score": {"less_than": 50}}},
    }
    kinds = [("good", 0), ("bad", 1), ("good", 5), ("good", 6)]
    events = [
        {"id": str(place), "contact_id": "c", "type": kind, "occurred_at": START + day * DAY}
        for place, (kind, day) in enumerate(kinds)
    ]
    records = records_of(events)
    partition = _run(told, [records[:1], records[1:]], restart=False)
    # 100 that halve weekly, less 40, fall below 50 within the second day, long before more points come on the fifth
    assert [one["kind"] for one in partition.reading(START + 6 * DAY).transitions] == [
        "lead.cooled",
        "lead.sales_ready",
        "lead.sales_ready",
    ]


@settings(suppress_health_check=SLOW)
@given(cases())
def test_downtime_tells_what_uptime_would_have_told(
    case: tuple[Json, list[EngineRecord], list[list[EngineRecord]]],
) -> None:
    """If this fails, leads that cooled while we were down are never taken off the list."""
    told, records, _ = case
    up = _run(told, [[record] for record in records], restart=False, fire=True)
    down = _run(told, [[record] for record in records], restart=False, fire=False)
    assert _told(down) == _told(up)
    assert _folds(down) == _folds(up)
    assert _latches(down) == _latches(up)


@settings(suppress_health_check=SLOW)
@given(cases())
def test_decoding_and_encoding_a_stored_value_changes_no_byte(
    case: tuple[Json, list[EngineRecord], list[list[EngineRecord]]],
) -> None:
    told, _, rounds = case
    model = parse_model(model_text(told))
    partition = RestartedPartition(model)
    for some in rounds:
        partition.run([some])
        for value in partition.values().values():
            decoded = decode_contact(value, [model], [Matcher(model)])
            assert encode_contact(decoded, [model], fire_of(value)) == value


@settings(suppress_health_check=SLOW)
@given(cases(), st.data())
def test_records_that_come_again_after_a_restore_change_nothing(
    case: tuple[Json, list[EngineRecord], list[list[EngineRecord]]], data: st.DataObject
) -> None:
    """If this fails, a stale offset counts everybody's points twice."""
    told, records, _ = case
    once = _run(told, [records], restart=False)
    again = _run(told, [records], restart=False)
    first = data.draw(st.integers(0, len(records)))
    again.rewind()
    again.run([records[first:]], restart=False)
    assert _told(again) == _told(once)
    assert _folds(again) == _folds(once)
    assert _latches(again) == _latches(once)
