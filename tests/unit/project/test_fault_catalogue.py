"""The list of scenarios says where each one is, and each scenario is in the list."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
README = ROOT / "tests" / "faults" / "README.md"
_ID = re.compile(r"[A-Z]\d\d")


def listed() -> dict[str, list[str]]:
    """Return the tests of each scenario in the list."""
    rows = [line.split("|") for line in README.read_text("utf-8").splitlines() if line.startswith("| ")]
    return {
        cells[1].strip(): re.findall(r"`(tests/[^`]+)`", line)
        for cells, line in ((cells, "|".join(cells)) for cells in rows)
        if _ID.fullmatch(cells[1].strip())
    }


def test_each_listed_test_exists() -> None:
    for name, places in listed().items():
        assert places, f"{name} has no test; say so below the table, not in it"
        for place in places:
            file, _, function = place.partition("::")
            assert re.search(rf"^def {function}\(", (ROOT / file).read_text("utf-8"), re.MULTILINE), place


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
