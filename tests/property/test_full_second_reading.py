"""The worker against a slow second reading of the same rules, over the whole language: every score to the last bit."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.full_engine import FullReading, model_of, read_history
from tests.support.generated_cases import Case, full_cases
from tests.support.naive import NaiveReplay, naive_replay
from tests.support.shrunk_cases import tried_on_shrunk_cases

Json = dict[str, Any]
SLOW = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
COUNTED = (
    "received",
    "effective",
    "duplicate",
    "without_effect",
    "late",
    "behind_timer",
    "adjustments_ignored",
    "attributes_dropped",
    "overflowed",
    "kept_back",
)
TOLD = ("kind", "contact_id", "epoch", "sequence", "at", "cause", "score", "tier")


def _place(told: Json) -> tuple[bytes, int, int, str]:
    return told["contact_id"].encode(), told["epoch"], told["sequence"], told["kind"]


def _included(told: Json) -> Json:
    return {"attributes": told["attributes"]} if "attributes" in told else {}


def _expect_equal(engine: FullReading, naive: NaiveReplay) -> None:
    told = [{name: one.get(name) for name in TOLD} | _included(one) for one in engine.told]
    assert sorted(told, key=_place) == sorted(naive.transitions, key=_place)
    assert [repr(row) for row in engine.rows[-1]] == [repr(row) for row in naive.rows]
    assert engine.statuses == naive.statuses
    assert {what: engine.counts[what] for what in COUNTED} == {what: naive.counts[what, ""] for what in COUNTED}


@SLOW
@given(full_cases())
@tried_on_shrunk_cases
def test_a_replay_equals_the_second_reading(case: Case) -> None:
    """If this fails, one of the two has the rules wrong."""
    model = model_of(case.model)
    engine = read_history(model, case.arrived, case.looks, publish_tiers=True)
    _expect_equal(engine, naive_replay(case.model, case.arrived, case.looks[-1], publish_tiers=True))


@SLOW
@given(full_cases(), st.integers(0, 20))
def test_what_is_kept_back_equals_the_second_reading(case: Case, place: int) -> None:
    since = case.happened[place % len(case.happened)]["occurred_at"]
    look = case.looks[-1]
    engine = read_history(model_of(case.model), case.arrived, [look], emit_since=since)
    _expect_equal(engine, naive_replay(case.model, case.arrived, look, emit_since=since))


@SLOW
@given(full_cases(within_window=True), st.integers(0, 20))
def test_events_after_the_instant_asked_for_are_left_out(case: Case, place: int) -> None:
    as_of = case.happened[place % len(case.happened)]["occurred_at"]
    arrived = [event for event in case.arrived if event["occurred_at"] <= as_of]
    engine = read_history(model_of(case.model), arrived, [as_of], publish_tiers=True)
    _expect_equal(engine, naive_replay(case.model, case.arrived, as_of, publish_tiers=True))
