"""A model that changes in nothing but its version, or in the order of its rules, is the same model to every contact."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.full_engine import StoredPartition, model_of, options_for, records_of, rows_of
from tests.support.generated_cases import Case, full_cases

Json = dict[str, Any]
SLOW = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@SLOW
@given(full_cases(), st.integers(0, 20))
def test_a_new_version_of_the_same_content_changes_no_fold(case: Case, place: int) -> None:
    """If this fails, whoever raises a version loses points that nobody took."""
    records = records_of(case.arrived)
    older, newer = model_of(case.model), model_of(case.model | {"version": 2})
    place = min(place, len(records))
    changed, kept = StoredPartition([older], options_for()), StoredPartition([older], options_for())
    for partition in (changed, kept):
        partition.take(records[:place])
    changed.change_models([newer])
    for partition in (changed, kept):
        partition.take(records[place:])
    assert changed.folds() == kept.folds()
    for look in case.looks:
        rows = [[_scored(row) for row in rows_of(one.contacts(), one.models[0], look)] for one in (changed, kept)]
        assert repr(rows[0]) == repr(rows[1])


@SLOW
@given(full_cases(), st.integers(0, 20))
def test_rules_in_another_order_keep_what_they_gave(case: Case, place: int) -> None:
    """What was given belongs to a rule by its name, wherever it stands in the file."""
    records = records_of(case.arrived)
    older = model_of(case.model)
    newer = model_of(case.model | {"version": 2, "rules": case.model["rules"][::-1]})
    place = min(place, len(records))
    changed, kept = StoredPartition([older], options_for()), StoredPartition([older], options_for())
    for partition in (changed, kept):
        partition.take(records[:place])
    changed.change_models([newer])
    for partition in (changed, kept):
        partition.take(records[place:])
    for look in case.looks:
        before, after = (rows_of(one.contacts(), one.models[0], look) for one in (kept, changed))
        for row, same in zip(before, after, strict=True):
            assert same["unscored"] == row["unscored"]
            assert same["groups"] == pytest.approx(row["groups"], abs=1e-6)


def _scored(row: Json) -> Json:
    return {name: row[name] for name in ("contact_id", "unscored", "score", "shown", "tier", "groups")}
