"""The broker may repeat and reorder within the lateness window; sales must not notice."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.engine import RestartedPartition, engine_replay, records_of, stored_history
from tests.support.histories import DAY, arrivals, happenings, lateness_of, model_text, models
from worker.scoring.model_file import parse_model

Json = dict[str, Any]
FOLDED = ("contact_id", "unscored", "score", "shown", "tier", "groups")


def _stored(told: Json, events: list[Json]) -> dict[bytes, list[Any]]:
    partition = RestartedPartition(parse_model(model_text(told)))
    partition.run([records_of(events)], restart=False)
    return {key: stored_history(value, "generated") for key, value in partition.values().items()}


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_the_fold_ignores_repeats_and_arrival_order_within_the_window(data: st.DataObject) -> None:
    """If this fails, a rebalance changes whom sales calls first."""
    told = data.draw(models())
    happened = data.draw(happenings())
    delivered = data.draw(arrivals(happened, window_ms=lateness_of(told)))
    assert _stored(told, delivered) == _stored(told, happened)


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data(), st.sampled_from([0, 1, DAY, 30 * DAY, 200 * DAY]))
def test_scores_ignore_repeats_and_arrival_order_within_the_window(data: st.DataObject, later: int) -> None:
    told = data.draw(models())
    happened = data.draw(happenings())
    delivered = data.draw(arrivals(happened, window_ms=lateness_of(told)))
    as_of = happened[-1]["occurred_at"] + later
    in_order = engine_replay(model_text(told), happened, as_of).rows
    as_delivered = engine_replay(model_text(told), delivered, as_of).rows
    assert [_folded(row) for row in as_delivered] == [_folded(row) for row in in_order]


def _folded(row: Json) -> str:
    """Return the part of a row that is a function of the events, floats to the last bit."""
    return repr({name: row[name] for name in FOLDED})
