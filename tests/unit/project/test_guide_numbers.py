"""The table of decays in the model guide: each of its numbers is what the engine shows, and what a pencil gives."""

from __future__ import annotations

import re
from decimal import ROUND_FLOOR, Decimal

import pytest

from tests.support.doc_blocks import ROOT
from worker.cases.file import parse_cases
from worker.cases.judging import judge
from worker.cases.report import Suite, suite_lines
from worker.scoring.model_file import parse_model

GUIDE = "worker/scoring/README.md"
FORMS = {
    "`none`": "decay: none",
    "`{half_life: 30d}`": "decay: {half_life: 30d}",
    "`{percent: {rate: 2%, every: 1d}}`": "decay: {percent: {rate: 2%, every: 1d}}",
    "`{linear: 90d}`": "decay: {linear: 90d}",
    "`{expire: 90d}`": "decay: {expire: 90d}",
    "`drain: {points: 1, every: 1d}` of a group": "drain: {points: 1, every: 1d}",
}
MODEL = """\
model: table
version: 1
groups: {{engagement: {{{form}}}}}
rules: [{{rule: any, when: {{type: page.viewed}}, points: 100}}]
"""
CASE = "cases: [{{case: table, events: [{{at: day 0, type: page.viewed}}], expect: [{expected}]}}]"


def left(form: str, days: int) -> float:
    """Return what a pencil gives."""
    if "half_life" in form:
        return float(100 * 0.5 ** (days / 30))
    if "percent" in form:
        return float(100 * 0.98**days)
    if "linear" in form:
        return 100 * (90 - days) / 90
    if "expire" in form:
        return 100.0 if days < 90 else 0.0
    return 100.0 - days if "drain" in form else 100.0


def rows() -> list[tuple[str, dict[int, str]]]:
    """Return the rows of the table: the form as it is written, and what is left by day."""
    lines = (ROOT / GUIDE).read_text("utf-8").splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith("| `decay` |"))
    days = [int(day) for day in re.findall(r"day (\d+)", lines[first])]
    found = []
    for line in lines[first + 2 :]:
        if not line.startswith("|"):
            break
        form, *numbers = [cell.strip() for cell in line.strip("|").split("|")]
        found.append((form, dict(zip(days, numbers, strict=False))))
    return found


ROWS = rows()


def test_the_table_has_every_form_of_decay() -> None:
    assert [form for form, _ in ROWS] == list(FORMS)
    assert all(len(numbers) == 4 for _, numbers in ROWS)


@pytest.mark.parametrize(("form", "numbers"), ROWS, ids=[form for form, _ in ROWS])
def test_what_the_table_says_is_left_is_what_the_engine_shows(form: str, numbers: dict[int, str]) -> None:
    """If this fails, a marketer has chosen a decay by numbers that are not so."""
    for day, number in numbers.items():
        exact = Decimal(repr(left(form, day) + 1e-9))
        assert Decimal(number) == exact.quantize(Decimal("0.1"), ROUND_FLOOR), (form, day)
    expected = ", ".join(f"{{at: day {day}, score: {number}}}" for day, number in numbers.items())
    model = parse_model(MODEL.format(form=FORMS[form]), form)
    verdicts = [judge(model, case) for case in parse_cases(CASE.format(expected=expected), model, form)]
    assert not any(verdict.failures for verdict in verdicts), "\n".join(suite_lines(Suite(model, form, verdicts)))
