"""Globs against the definition of a glob, and against patterns made to be slow."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from worker.scoring.glob import glob_test


def defined(pattern: str, text: str) -> bool:
    """The definition: a star takes nothing, or one character and stands for more."""
    if not pattern:
        return not text
    if pattern[0] == "*":
        return defined(pattern[1:], text) or (bool(text) and defined(pattern, text[1:]))
    return bool(text) and pattern[0] in ("?", text[0]) and defined(pattern[1:], text[1:])


@given(st.text("ab?*", max_size=8), st.text("ab\n", max_size=9))
@example("*a?b*", "aab")
@example("a*a", "a")
@example("*?b?*b", "abab")
@example("**", "")
def test_glob_matches_as_defined(pattern: str, text: str) -> None:
    assert glob_test(pattern)(text) is defined(pattern, text)


@given(st.text(max_size=20), st.text(max_size=20))
def test_glob_finds_any_text_between_stars(part: str, around: str) -> None:
    if not set(part) & set("*?"):
        assert glob_test(f"*{part}*")(around + part + around)


@pytest.mark.timeout(10)
@pytest.mark.parametrize("pattern", ["*a" * 400 + "*b", "*" + "a?" * 300 + "b*", "*?a?" * 200 + "b", "?" * 500 + "*b"])
def test_glob_takes_no_longer_on_a_pattern_made_to_be_slow(pattern: str) -> None:
    """If this hangs, one event holds up its partition."""
    assert not glob_test(pattern)("a" * 200_000)
