"""The Makefile: what texts tell people to type exists, and no file by a target's name can switch it off."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
TEXTS = ("README.md", "CONTRIBUTING.md", "tests/README.md", ".ci/run")


def targets() -> set[str]:
    """Return the targets that a person may ask for."""
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def test_no_target_can_be_switched_off_by_a_file_of_its_name() -> None:
    """If this fails, `make build` does nothing once there is a folder build/."""
    text = (ROOT / "Makefile").read_text("utf-8").replace("\\\n", " ")
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony is not None
    assert set(phony[1].split()) == targets()


def test_targets_that_people_were_promised_exist() -> None:
    promised = {"demo", "test", "check", "docs", "bench", "faults", "mutants", "lock", "clean", "build"}
    assert promised <= targets()


@pytest.mark.parametrize("name", [name for name in TEXTS if (ROOT / name).exists()])
def test_text_names_targets_that_exist(name: str) -> None:
    commands = re.findall(r"(?:`|^|\$ )make ([a-z][a-z -]*)", (ROOT / name).read_text("utf-8"), re.MULTILINE)
    named = {target for command in commands for target in command.split()}
    assert named
    assert named <= targets()
