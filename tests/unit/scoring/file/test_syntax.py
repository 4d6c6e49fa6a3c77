"""A slip of the pen in YAML is reported in the line in which it was made, with what to write instead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.scoring.lint import lint_model

GOOD = """\
model: m
version: 1
rules:
  - rule: a
    when: {type: page.viewed, properties.path: {starts_with: /pricing}}
    points: 15
    limit: {times: 1, within: 7d}
  # a note
  - rule: b
    when: {type: form.submitted}
    points: 20
tiers: {cold: 0, warm: 25}
qualify:
  when: {score: {at_least: 100}}
  rearm: {score: {less_than: 80}}
"""

# What is written instead of what, the line at fault, and a part of the advice.
SLIPS: dict[str, tuple[str, str, int, str]] = {
    "no colon": ("points: 15", "points 15", 6, 'write "points: 15"'),
    "no colon in the last line of a rule": ("points: 20", "points 20", 11, 'write "points: 20"'),
    "no colon in the first line of a rule": ("- rule: a", "- rule a", 4, 'write "rule: a"'),
    "no colon in the first line": ("model: m", "model m", 1, 'write "model: m"'),
    "no colon at the top": ("version: 1", "version 1", 2, 'write "version: 1"'),
    "no colon before a list": ("rules:", "rules", 3, 'write "rules:"'),
    "no colon before a mapping": ("qualify:", "qualify", 13, 'write "qualify:"'),
    "no colon before a bracket": ("when: {type: page", "when {type: page", 5, 'write "when: {type: page.viewed, '),
    "no colon before a bracket at the top": ("tiers: {", "tiers {", 12, 'write "tiers: {cold: 0'),
    "no colon in the last line": ("rearm: {", "rearm {", 15, 'write "rearm: {score'),
    "no colon in brackets": ("times: 1", "times 1", 7, 'write "times: 1"'),
    "no space after the colon": ("points: 15", "points:15", 6, 'write "points: 15"'),
    "no space after the colon in brackets": ("{type: form", "{type:form", 10, 'write "type: form.submitted"'),
    "equals instead of a colon": ("points: 15", "points = 15", 6, 'write "points: 15"'),
    "wide colon": ("points: 15", "points\uff1a15", 6, "type a colon (:)"),
    "brace not closed": ("/pricing}}", "/pricing}", 5, "write } where it ends"),
    "brace not closed before a list item": ("within: 7d}", "within: 7d", 7, "write } where it ends"),
    "brace not closed in the last line": ("less_than: 80}}", "less_than: 80}", 15, "write } where it ends"),
    "brace closed twice": ("/pricing}}", "/pricing}}}", 5, "remove the }"),
    "bracket not closed": ("{type: form.submitted}", "{type: [form.submitted}", 10, "write ] where it ends"),
    "comma missing": ("times: 1, within", "times: 1 within", 7, 'write ", within"'),
    "comma missing before a dotted name": ("viewed, properties", "viewed properties", 5, 'write ", properties.path"'),
    "comma twice": ("times: 1, within", "times: 1,, within", 7, "one of the two commas"),
    "comma missing at the end of a line": (
        "{times: 1, within: 7d}",
        "{\n      times: 1\n      within: 7d}",
        8,
        "a comma between",
    ),
    "tab before a key": ("    points: 15", "\tpoints: 15", 6, "spaces instead"),
    "tab after a colon": ("points: 15", "points:\t15", 6, "spaces instead"),
    "no-break space": ("    points: 15", "\u00a0   points: 15", 6, "type a space"),
    "one line too far right": ("    points: 15", "      points: 15", 6, "in one column"),
    "one line too far left": ("    points: 15", "   points: 15", 6, "in one column"),
    "one line at the very left": ("    points: 15", "points: 15", 6, "in one column"),
    "item too far left": ("  - rule: b", " - rule: b", 9, "items of a list in one column"),
    "item too far right": ("  - rule: b", "   - rule: b", 9, "items of a list in one column"),
    "no space after the dash": ("  - rule: b", "  -rule: b", 9, "`- ` before each item"),
    "quote not closed": ("rule: a", 'rule: "a', 4, "same quote again"),
    "curly quotes": ("rule: a", "rule: \u201ca: b\u201d", 4, "straight quote"),
    "bad escape": ("rule: a", 'rule: "a\\q"', 4, "single quotes"),
    "colon in a text": ("rule: a", "rule: a: b", 4, 'rule: "a: b"'),
    "text that begins with a percent sign": ("rule: a", "rule: %a", 4, '"%a" in quotes'),
    "text that begins with an at sign": ("rule: a", "rule: @a", 4, '"@a" in quotes'),
    "text that begins with a bar": ("rule: a", "rule: |a", 4, '"|a" in quotes'),
    "lone ampersand": ("rule: a", "rule: &", 4, '"&" in quotes'),
    "half a merge": ("    points: 15", "<<<<<<< ours\n    points: 15", 6, "one of the two versions"),
    "control character": ("rule: a", "rule: a\x07", 4, "remove it"),
}


def test_file_without_a_slip_is_clean() -> None:
    assert lint_model(GOOD, "m.yaml") == []


@pytest.mark.parametrize("slip", SLIPS)
def test_slip_is_reported_in_its_own_line_with_what_to_write(slip: str) -> None:
    """If this fails, a marketer stares at a line that is right."""
    right, wrong, line, advice = SLIPS[slip]
    assert right in GOOD
    (found,) = lint_model(GOOD.replace(right, wrong, 1), "m.yaml")
    assert found.line == line
    assert advice in found.fix
    assert "\n" not in str(found)


@given(st.text("{}[]:,-&*!?'\"|>%@` \n\tab1.\u00a0\uff1a\u2028\x85\r", max_size=60))
def test_any_text_of_marks_is_read_or_refused_in_a_line_that_it_has(text: str) -> None:
    for found in lint_model(text, "m.yaml"):
        assert 1 <= found.line <= len(text.splitlines()) + 1
        assert found.column >= 1
