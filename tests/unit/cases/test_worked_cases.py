"""
Every case that lies beside a model holds, and holds under the slow second reading alike.

The numbers in these files were worked out by hand; the comments there say how.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from ruamel.yaml import YAML

import worker.models
from tests.support.naive import naive_replay
from worker.cases.case import Case
from worker.cases.file import parse_cases
from worker.cases.judging import judge
from worker.cases.report import Suite, suite_lines
from worker.contracts.instants import parse_instant
from worker.scoring.model import Model
from worker.scoring.model_file import CASES_SUFFIX, load_model

SHIPPED = Path(next(iter(worker.models.__path__)))
WORKED = Path(__file__).parents[2] / "models" / "worked"
FILES = sorted([*SHIPPED.glob(f"*{CASES_SUFFIX}"), *WORKED.glob(f"*{CASES_SUFFIX}")])


class Beside(NamedTuple):
    """A case, and the model that it is about."""

    file: Path
    model_file: Path
    model: Model
    case: Case


def every_case() -> Iterator[Beside]:
    for file in FILES:
        model_file = file.with_name(file.name.replace(CASES_SUFFIX, ".yaml"))
        model = load_model(model_file)
        for case in parse_cases(file.read_text("utf-8"), model, file.name):
            yield Beside(file, model_file, model, case)


CASES = list(every_case())
each_case = pytest.mark.parametrize("beside", CASES, ids=[f"{one.model.name}: {one.case.name}" for one in CASES])


def test_every_shipped_model_comes_with_cases() -> None:
    models = {file.name for file in SHIPPED.glob("*.yaml") if not file.name.endswith(CASES_SUFFIX)}
    assert {file.name.replace(CASES_SUFFIX, ".yaml") for file in SHIPPED.glob(f"*{CASES_SUFFIX}")} == models


@each_case
def test_a_case_beside_a_model_holds(beside: Beside) -> None:
    verdict = judge(beside.model, beside.case)
    assert not verdict.failures, "\n".join(suite_lines(Suite(beside.model, beside.file.name, [verdict])))


@each_case
def test_the_second_reading_comes_to_the_same(beside: Beside) -> None:
    """If only this fails, one of the two does not do what was worked out by hand."""
    told: dict[str, Any] = YAML(typ="safe", pure=True).load(beside.model_file.read_text("utf-8"))
    for expected in beside.case.expectations:
        events = [json.loads(one.payload) for one in beside.case.events if one.at_ms <= expected.at_ms]
        read = naive_replay(told, events, expected.at_ms)
        rows = [row for row in read.rows if row["contact_id"] == "contact"]
        _check_row(expected, rows[0] if rows else None)
        if expected.told is not None and not any(one.kind == "lead.tier_changed" for one in expected.told):
            for wanted in expected.told:
                assert any(_is_told(wanted, one) for one in read.transitions), wanted


def _check_row(expected: Any, row: dict[str, Any] | None) -> None:
    if row is None:
        assert expected.score is None or expected.score.value == 0
        return
    if expected.score is not None:
        shown = row["shown"] if expected.score.within is None else row["score"]
        assert shown == pytest.approx(expected.score.value, abs=expected.score.within or 1e-9)
    if expected.tier is not None:
        assert row["tier"] == expected.tier
    if expected.unscored is not None:
        assert row["unscored"] is expected.unscored
    if expected.status is not None and expected.status != "held":
        assert row["latch"] == expected.status


def _is_told(wanted: Any, told: dict[str, Any]) -> bool:
    at = told["at"] if isinstance(told["at"], int) else parse_instant(told["at"])
    return (
        told["kind"] == wanted.kind
        and wanted.sequence in (None, told["sequence"])
        and wanted.cause in (None, told["cause"])
        and wanted.at_ms in (None, at)
    )
