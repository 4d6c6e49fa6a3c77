"""Explanations of every model that can be written: each line accounts for its points, and what is printed adds up."""

from __future__ import annotations

import re

from hypothesis import HealthCheck, given, settings

from tests.support.full_engine import StoredPartition, model_of, options_for, records_of
from tests.support.generated_cases import Case, full_cases
from worker.cases.wording import explanation_lines
from worker.scoring.explain import Explanation, explain, names_of_lines
from worker.scoring.model import Model
from worker.scoring.next_steps import outlook
from worker.scoring.reading import read

SLOW = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
CENT = 1e-6


def _explained(case: Case) -> tuple[Model, list[Explanation]]:
    model = model_of(case.model)
    partition = StoredPartition([model], options_for())
    partition.take(records_of(case.arrived))
    found = []
    for _, _, state in partition.states():
        if state.history.newest_ms is not None:
            found += [explain(model, state.history.head_at(model, look), look) for look in case.looks]
    return model, found


@SLOW
@given(full_cases())
def test_what_a_line_was_given_less_what_became_of_it_is_what_it_adds(case: Case) -> None:
    """If this fails, "40 given, 10 faded, 12 taken" is not 18."""
    model, explained = _explained(case)
    known = set(names_of_lines(model))
    for one in explained:
        for line in one.lines:
            assert line.name in known
            if line.kind in ("rule", "pool"):
                assert line.awarded is not None
                accounted = line.awarded - line.faded - line.taken - line.faded_or_taken - line.capped
                scale = max(1.0, abs(line.awarded), abs(line.faded_or_taken), abs(line.taken))
                assert abs(accounted - line.points) <= CENT * scale


@SLOW
@given(full_cases())
def test_printed_lines_add_up_as_printed(case: Case) -> None:
    """A sales person adds up what stands there."""
    model, explained = _explained(case)
    for one in explained:
        group = total = 0.0
        for row in explanation_lines(model, one)[1:]:
            cells = re.split(r"  +", row.strip())
            if row.startswith("    "):
                continue  # what the rules of a pool gave
            units = round(float(cells[1]) * 10 ** max(2, model.precision))
            if cells[0] == "= score":
                assert units == total + group  # what is left in `group` are the bounds of the score
            elif row.startswith("= "):
                assert units == group
                total, group = total + units, 0.0
            else:
                group += units


@SLOW
@given(full_cases(max_events=8))
def test_looking_ahead_tells_only_what_the_engine_would_do(case: Case) -> None:
    """What is said to make a lead ready raises it to a reading that `when` holds for; a lead told to cool does so then."""
    model = model_of(case.model)
    partition = StoredPartition([model], options_for())
    partition.take(records_of(case.arrived))
    for _, _, state in partition.states():
        if state.history.newest_ms is None:
            continue
        look = case.looks[0]
        fold = state.history.head_at(model, look)
        before = read(model, fold, look)
        ahead = outlook(model, fold, state.latch, look)
        assert read(model, fold, look) == before
        assert not (ahead.missing and any(gain.makes_ready for gain in ahead.gains))
        assert ahead.cools_ms is None or (state.latch.is_ready and ahead.cools_ms > look)
        for gain in ahead.gains:
            assert gain.makes_ready or gain.points > 0
