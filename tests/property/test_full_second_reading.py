"""The worker against a slow second reading of the same rules, over the whole language: every score to the last bit."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.full_engine import FullReading, StoredPartition, model_of, options_for, read_history, records_of
from tests.support.generated_cases import Case, full_cases
from tests.support.naive import NaiveReplay, naive_replay
from tests.support.shrunk_cases import tried_on_shrunk_cases
from worker.scoring.reading import read

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
def test_every_construct_reads_the_same_twice(case: Case) -> None:
    """If this fails, one of the two has the rules wrong."""
    model = model_of(case.model)
    engine = read_history(model, case.arrived, case.looks, publish_tiers=True)
    _expect_equal(engine, naive_replay(case.model, case.arrived, case.looks[-1], publish_tiers=True))


@SLOW
@given(full_cases(), st.integers(0, 20))
def test_what_is_kept_back_reads_the_same_twice(case: Case, place: int) -> None:
    since = case.happened[place % len(case.happened)]["occurred_at"]
    look = case.looks[-1]
    engine = read_history(model_of(case.model), case.arrived, [look], emit_since=since)
    _expect_equal(engine, naive_replay(case.model, case.arrived, look, emit_since=since))


@SLOW
@given(full_cases(within_window=True), st.integers(0, 20))
def test_what_is_asked_of_the_past_reads_the_same_twice(case: Case, place: int) -> None:
    as_of = case.happened[place % len(case.happened)]["occurred_at"]
    arrived = [event for event in case.arrived if event["occurred_at"] <= as_of]
    engine = read_history(model_of(case.model), arrived, [as_of], publish_tiers=True)
    _expect_equal(engine, naive_replay(case.model, case.arrived, as_of, publish_tiers=True))


@SLOW
@given(full_cases(within_window=True), st.integers(0, 20))
def test_a_score_of_the_past_is_what_it_was_then(case: Case, place: int) -> None:
    """As far back as the window reaches; what was erased since is gone."""
    if any(event["type"] == "contact.erased" for event in case.arrived):
        return
    model, as_of = model_of(case.model), case.happened[place % len(case.happened)]["occurred_at"]
    partition = StoredPartition([model], options_for())
    partition.take(records_of(case.arrived))
    expected = {row["contact_id"]: row for row in naive_replay(case.model, case.arrived, as_of).rows}
    for key, _, state in partition.states():
        fold = state.history.fold_as_of(model, as_of)
        row = expected.get(key.decode())
        if fold is None or row is None:
            continue  # what came later is in the base; nothing was known yet
        reading = read(model, fold, as_of)
        groups = {group.name: value for group, value in zip(model.groups, reading.groups, strict=True)}
        assert repr((reading.score, fold.is_scored)) == repr((row["score"], not row["unscored"]))
        assert repr(dict(sorted(groups.items()))) == repr(row["groups"])
