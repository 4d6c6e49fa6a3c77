"""Time passes in one piece or in many, to the same effect."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.engine import RestartedPartition, records_of
from tests.support.histories import DAY, GAPS, arrivals, happenings, model_text, models
from worker.scoring.inactivity import advance
from worker.scoring.model_file import parse_model
from worker.scoring.reading import read
from worker.scoring.state import Fold


def _points(fold: Fold) -> str:
    """Return all that a later event or reading could depend on, floats to the last bit."""
    rules = [
        (index, state.value, state.reference_ms, state.count, list(state.keys or ()), state.times)
        for index, state in fold.rules.items()
    ]
    extras = [(index, one.inactivity, one.feedback, one.penalties) for index, one in sorted(fold.extras.items())]
    return repr((fold.at_ms, fold.last_activity_ms, fold.next_step_ms, fold.is_scored, rules, extras))


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.data())
def test_advancing_in_parts_equals_advancing_at_once(data: st.DataObject) -> None:
    """If this fails, how often a score is looked at changes it."""
    model = parse_model(model_text(data.draw(models())))
    events = data.draw(happenings(contacts=1).flatmap(arrivals))
    partition = RestartedPartition(model)
    partition.run([records_of(events)], restart=False)
    waits = data.draw(st.lists(st.sampled_from([*GAPS, 400 * DAY]), min_size=1, max_size=4))
    for _, contact in partition.contacts():
        state = contact.models[0]
        assert state is not None
        head = state.history.head(model)
        at_once, in_parts = head.copy(), head.copy()
        end = max(head.at_ms, state.evaluated_ms or 0) + sum(waits)
        advance(model, at_once, end)
        at = head.at_ms
        for wait in waits:
            at += wait
            advance(model, in_parts, at)
        advance(model, in_parts, end)
        assert _points(in_parts) == _points(at_once)
        assert repr(read(model, in_parts, end)) == repr(read(model, state.history.head_at(model, end), end))
