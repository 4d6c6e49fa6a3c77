"""What lint holds to be out of reach is: no contact comes above what it computes from rules, limits, fading and caps."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings

from tests.support.full_engine import StoredPartition, model_of, options_for, records_of, rows_of
from tests.support.generated_cases import Case, full_cases
from worker.scoring.file.review.reach import reading_bounds

Json = dict[str, Any]
CENT = 1e-6


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(full_cases())
def test_no_score_and_no_group_leaves_the_bounds_that_lint_computes(case: Case) -> None:
    """If this fails, lint says of a model that works that it never tells sales."""
    model = model_of(case.model)
    low, high = reading_bounds(model)
    given_by_rules = [event for event in case.arrived if event["type"] != "score.adjusted"]
    for many in range(1, len(given_by_rules) + 1):
        partition = StoredPartition([model], options_for())
        partition.take(records_of(given_by_rules[:many]))
        newest = max(event["occurred_at"] for event in given_by_rules[:many])
        for row in rows_of(partition.contacts(), model, newest):
            if row["unscored"]:
                continue
            assert low.score - CENT <= row["score"] <= high.score + CENT
            for group in model.groups:
                assert low.groups[group.index] - CENT <= row["groups"][group.name] <= high.groups[group.index] + CENT
