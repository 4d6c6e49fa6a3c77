"""The list of scenarios says where each one is, and each scenario is in the list."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
README = ROOT / "tests" / "faults" / "README.md"
_ID = re.compile(r"[A-Z]\d\d")
LAST = {"C": 7, "Z": 4, "G": 5, "B": 9, "D": 4, "N": 4, "T": 4, "Q": 8, "S": 4, "V": 1}
"""The last number of each kind of fault."""


def listed() -> dict[str, list[str]]:
    """Return the tests of each scenario in the list."""
    found: dict[str, list[str]] = {}
    for line in README.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if len(cells) > 1 and _ID.fullmatch(cells[1]):
            found.setdefault(cells[1], []).extend(re.findall(r"`(tests/[^`]+)`", line) or [""])
    return found


def test_each_listed_test_exists() -> None:
    for name, places in listed().items():
        assert all(places), f"{name} has no test; say so below the table, not in it"
        for place in places:
            file, _, function = place.partition("::")
            assert re.search(rf"^def {function}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE), place


def test_the_catalogue_is_whole() -> None:
    """If this fails, a fault is forgotten: a number is missing, and nobody says why."""
    text = README.read_text("utf-8")
    below = text[text.rindex("\n| ") :].partition("\n\n")[2]
    missing = {f"{letter}{number:02}" for letter, last in LAST.items() for number in range(1, last + 1)} - set(listed())
    assert missing == set(re.findall(r"^([A-Z]\d\d):", below, re.MULTILINE))


def test_each_scenario_is_listed() -> None:
    found = {
        name.upper()
        for file in (ROOT / "tests" / "faults").glob("test_*.py")
        for name in re.findall(
            r"(?<=[_ ])([a-z]\d\d)(?=_)",
            "\n".join(re.findall(r"^def (test_\w+)", file.read_text("utf-8"), re.MULTILINE)),
        )
    }
    assert found
    assert found <= set(listed())
