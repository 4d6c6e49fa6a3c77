"""The list of rules that tests are known to guard: each entry must still name a place in the code."""

from __future__ import annotations

import pytest

from tests.mutants.run import ROOT, Mutant, load_mutants


@pytest.mark.parametrize("mutant", load_mutants(), ids=lambda mutant: mutant.rule)
def test_mutant_names_one_place_in_the_code(mutant: Mutant) -> None:
    """If this fails, a rule was written anew, and nobody knows any more whether a test guards it."""
    assert (ROOT / mutant.file).read_text("utf-8").count(mutant.find) == 1
