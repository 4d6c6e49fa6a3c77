"""Every code of a finding is explained, and each example shows what it says."""

from __future__ import annotations

import pytest

from worker.scoring.file.explanations import EXPLANATIONS
from worker.scoring.file.findings import LEVELS, FindingCode
from worker.scoring.lint import lint_model, review_model

WITH_MODELS = [code for code in EXPLANATIONS if code != "model.unreadable"]  # its example is a command


def test_every_code_is_explained() -> None:
    assert set(EXPLANATIONS) == set(LEVELS)


@pytest.mark.parametrize("code", EXPLANATIONS)
def test_explanation_is_a_paragraph_of_whole_sentences(code: FindingCode) -> None:
    why = EXPLANATIONS[code].why
    assert why.endswith(".")
    assert "\n" not in why
    assert 80 <= len(why) <= 400


@pytest.mark.parametrize("code", WITH_MODELS)
def test_example_before_yields_the_code(code: FindingCode) -> None:
    """If this fails, an explanation shows a mistake that is none."""
    one = EXPLANATIONS[code]
    assert code in {found.code for found in review_model(one.whole(one.before), "m.yaml")}


@pytest.mark.parametrize("code", WITH_MODELS)
def test_example_after_loads_and_does_not_yield_the_code(code: FindingCode) -> None:
    """If this fails, a marketer mends a model as advised and it is still wrong."""
    one = EXPLANATIONS[code]
    text = one.whole(one.after)
    assert lint_model(text, "m.yaml") == []
    assert code not in {found.code for found in review_model(text, "m.yaml")}


@pytest.mark.parametrize("code", EXPLANATIONS)
def test_example_is_shown_short(code: FindingCode) -> None:
    one = EXPLANATIONS[code]
    for example in (one.before, one.after):
        shown = one.shown(example)
        assert "{n}" not in shown
        assert len(shown.splitlines()) <= 12
