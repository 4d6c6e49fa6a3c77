from __future__ import annotations

import pytest

from tests.support.small import DAY, START, event_value, rule, small_model
from tests.support.small_worker import SmallWorker, score_rows, transitions
from worker.pipeline import PARTITION_KEY

MODEL = small_model(
    rule("act", 60), qualify={"when": {"score": {"at_least": 100}}}, inactivity=[{"after": "1d", "points": -60}]
)


def test_rounds_are_stored_and_a_restart_goes_on_from_them() -> None:
    worker = SmallWorker(MODEL)
    worker.take(event_value("act", START, "1"))
    worker.start()
    put_out = worker.take(event_value("act", START, "2"))
    assert worker.told == [("lead.sales_ready", 1, "act", 120.0)]
    assert [one["kind"] for one in transitions(put_out)] == ["lead.sales_ready"]
    assert [row and row["score"] for row in score_rows(worker.outputs)] == [60.0, 120.0]
    assert (worker.counts["effective", "small"], PARTITION_KEY in worker.values) == (2, True)


def test_timers_fire_from_the_due_index() -> None:
    worker = SmallWorker(MODEL)
    worker.take(event_value("act", START, "1"), event_value("act", START, "2"))
    assert worker.due == {b"c": START + DAY + MODEL.lateness_ms}
    worker.take(event_value("act", START + 9 * DAY, contact="other"))
    worker.fire()
    assert worker.told[1:] == [("lead.cooled", 1, "timer", 60.0)]


def test_state_of_nobody_fails() -> None:
    worker = SmallWorker(MODEL, small_model(rule("other", 1)))
    worker.take(event_value("act", START))
    assert worker.state().history.newest_ms == START
    with pytest.raises(KeyError):
        worker.state("nobody")
