"""The map on the first page of the package names what is there, and all that is there."""

from __future__ import annotations

import re
import tomllib

import worker
from tests.support.doc_blocks import ROOT
from worker import scoring


def test_every_package_and_module_has_its_sentence_in_the_map() -> None:
    """If this fails, a newcomer looks for a package that is gone, or never finds the new one."""
    sentences = dict(re.findall(r"^- `(\w+)`: (\S.*\.)$", worker.__doc__ or "", re.MULTILINE))
    lines = [line for line in (worker.__doc__ or "").splitlines() if line.startswith("- ")]
    assert len(sentences) == len(lines), "one line each, with a full stop"
    packages = {path.name for path in (ROOT / "worker").iterdir() if path.is_dir() and path.name[0] not in "._"}
    modules = {path.stem for path in (ROOT / "worker").glob("*.py")} - {"__init__"}
    assert set(sentences) == packages | modules


def test_every_module_of_scoring_has_its_place_in_the_reading_order() -> None:
    """If this fails, whoever reads the core from its first page misses a module, or looks for one that is gone."""
    folder = ROOT / "worker" / "scoring"
    named = re.findall(r"`(\w+)`", scoring.__doc__ or "")
    packages = {path.parent.name for path in folder.glob("*/__init__.py")}
    assert sorted(named) == sorted(packages | ({path.stem for path in folder.glob("*.py")} - {"__init__"}))


def test_layers_for_contributors_are_those_that_are_held() -> None:
    """If this fails, a contributor follows arrows that the linter refuses."""
    tools = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]
    (layers,) = [one["layers"] for one in tools["contracts"] if one["type"] == "layers"]
    (line,) = re.findall(r"Imports point inward: `(.*?)`", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    assert [layer.split(", ") for layer in line.split(" -> ")] == [re.findall(r"\w+", layer) for layer in layers]
