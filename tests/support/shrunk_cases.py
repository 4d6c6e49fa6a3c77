"""
Cases on which a law once failed, as small as the search could make them: every law is tried on each, before the search begins.

Add what a nightly run finds, with a line that says what was wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from hypothesis import example

from tests.support.generated_cases import Case

Test = TypeVar("Test", bound=Callable[..., Any])

SHRUNK: dict[str, Case] = {}
"""By what was wrong."""


def tried_on_shrunk_cases(test: Test) -> Test:
    """Have a test of one `Case` tried on all of `SHRUNK` first."""
    for case in SHRUNK.values():
        test = example(case)(test)
    return test
