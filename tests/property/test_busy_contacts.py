"""Contacts beyond what is kept of them: more events than the window holds, more late ids, more once-keys."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from tests.support.engine import RestartedPartition, engine_replay, records_of
from tests.support.histories import DAY, HOUR, START
from tests.support.naive import naive_replay
from worker.scoring.model_file import parse_model

Json = dict[str, Any]


def _model(lateness: str = "3d", **rule: Any) -> Json:
    one = {"rule": "act", "when": {"type": "act"}, "points": 1.1, "decay": {"half_life": "1d"}, **rule}
    return {
        "model": "busy",
        "version": 1,
        "lateness": lateness,
        "rules": [
            one,
            {"rule": "limited", "when": {"type": "act"}, "points": 0.3, "limit": {"times": 2, "within": "1h"}},
        ],
        "inactivity": [{"after": "1h", "every": "1h", "points": -0.5}],
        "qualify": {"when": {"score": {"at_least": 30}}},
    }


def _event(name: str, at: int, **properties: Any) -> Json:
    return {"id": name, "contact_id": "c", "type": "act", "occurred_at": START + at, "properties": properties}


def _same(told: Json, events: list[Json]) -> None:
    engine, naive = engine_replay(json.dumps(told), events), naive_replay(told, events)
    assert [repr(row) for row in engine.rows] == [repr(row) for row in naive.rows]
    assert engine.transitions == naive.transitions
    for what in ("effective", "duplicate", "late"):
        assert engine.counts[what, ""] == naive.counts[what, ""]


@pytest.mark.parametrize("seed", range(1))
def test_events_beyond_the_window_read_as_the_second_reading_says(seed: int) -> None:
    chance = random.Random(seed)
    events = [_event(f"{number}", chance.randint(0, 12 * HOUR) + number * 40_000) for number in range(560)]
    events += [chance.choice(events) | {"type": "act"} for _ in range(40)]
    _same(_model(), events)


@pytest.mark.parametrize(("number", "known"), [(512, True), (513, False)])
def test_the_window_knows_the_ids_of_its_512_newest_events(number: int, known: bool) -> None:
    events = [_event(f"{place}", place) for place in range(number)]
    counts = engine_replay(json.dumps(_model()), [*events, events[0]]).counts
    assert counts["duplicate", ""] == known


def test_only_the_last_64_late_ids_are_known_again() -> None:
    """Longer memory would be state without bound; shorter would count a repeat twice."""
    late = [_event(f"late {number}", number * 1_000) for number in range(80)]
    events = [_event("first", 0), _event("newest", 20 * DAY), *late, *late]
    naive = naive_replay(_model(), events)
    # the first 16 are forgotten, and each of them that comes again pushes out one more
    assert naive.counts["duplicate", ""] == 0
    repeats = [_event("first", 0), _event("newest", 20 * DAY), *late, *reversed(late)]
    assert naive_replay(_model(), repeats).counts["duplicate", ""] == 64
    _same(_model(), events)
    _same(_model(), repeats)


def test_the_oldest_of_200_once_keys_goes_first() -> None:
    told = _model(once_per="properties.key", decay="none", points=1)
    events = [_event(f"a{number}", number, key=number) for number in range(205)]
    events += [_event(f"b{number}", 300 + place, key=number) for place, number in enumerate((4, 6, 5, 204))]
    told["inactivity"] = []
    told["rules"] = told["rules"][:1]
    (row,) = engine_replay(json.dumps({**told, "qualify": {"when": {"score": {"at_least": 900}}}}), events).rows
    # 0 to 4 had gone: 4 counts again and pushes out 5, which then counts again; 6 and 204 are still known
    assert row["score"] == 207.0
    _same(told, events)


def test_a_restart_in_a_full_window_changes_nothing() -> None:
    chance = random.Random(7)
    events = [_event(f"{number}", chance.randint(0, 4 * HOUR) + number * 30_000) for number in range(540)]
    model = parse_model(json.dumps(_model()))
    parts = RestartedPartition(model)
    records = records_of(events)
    parts.run([records[first : first + 90] for first in range(0, len(records), 90)])
    whole = engine_replay(json.dumps(_model()), events)
    reading = parts.reading(max(event["occurred_at"] for event in events))
    assert [repr(row) for row in reading.rows] == [repr(row) for row in whole.rows]
