"""What editors are told of cases files agrees with what is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

import worker.models
from worker.cases.json_schema import cases_schema
from worker.scoring.file.tree import plain, read_tree
from worker.scoring.model_file import CASES_SUFFIX

SHIPPED = Path(next(iter(worker.models.__path__)))
WORKED = Path(__file__).parents[2] / "models" / "worked"
FILES = sorted([*SHIPPED.glob(f"*{CASES_SUFFIX}"), *WORKED.glob(f"*{CASES_SUFFIX}")])


@pytest.fixture(scope="module")
def validator() -> Draft202012Validator:
    Draft202012Validator.check_schema(cases_schema())
    return Draft202012Validator(cases_schema())


@pytest.mark.parametrize("file", FILES, ids=[file.name for file in FILES])
def test_every_file_of_cases_is_valid(validator: Draft202012Validator, file: Path) -> None:
    root, findings = read_tree(file.read_text("utf-8"), file.name)
    assert root is not None
    assert not findings
    validator.validate(plain(root))


@pytest.mark.parametrize(
    ("event", "expect"),
    [
        ({"tipe": "a"}, {"score": 1}),
        ({"at": "day 3"}, {"score": 1}),
        ({"type": "a", "machine": "no"}, {"score": 1}),
        ({"adjust": {"reason": "a call"}}, {"score": 1}),
        ({"type": "a"}, {"score": "much"}),
        ({"type": "a"}, {"score": {"within": 1}}),
        ({"type": "a"}, {"status": "redy"}),
        ({"type": "a"}, {"told": "something"}),
        ({"type": "a"}, {"told": [{"sequence": 1}]}),
        ({"type": "a"}, {"told": [{"kind": "cooled", "sequence": 0}]}),
    ],
)
def test_what_the_reader_refuses_editors_refuse_too(
    validator: Draft202012Validator, event: dict[str, Any], expect: dict[str, Any]
) -> None:
    cases = {"cases": [{"case": "a", "events": [event], "expect": [expect]}]}
    assert list(validator.iter_errors(cases))
