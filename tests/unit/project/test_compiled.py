"""The modules that mypyc may compile: listed once, there, all in one form, and each to be imported before any other."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from worker.pipeline import IS_COMPILED

ROOT = Path(__file__).parents[3]
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
FILES: list[str] = _PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["hooks"]["custom"]["modules"]
MODULES = [file.removesuffix(".py").replace("/", ".") for file in FILES]


def test_each_listed_module_is_there_once() -> None:
    assert len(set(FILES)) == len(FILES)
    assert [file for file in FILES if not (ROOT / file).is_file()] == []


def test_all_of_them_run_in_one_form() -> None:
    """If this fails, half of the core is compiled: what is edited is not what runs."""
    suffixes = {Path(importlib.import_module(name).__file__ or "").suffix for name in MODULES}
    assert len(suffixes) == 1, suffixes
    assert (suffixes != {".py"}) == IS_COMPILED


@pytest.mark.parametrize("name", MODULES)
def test_each_can_be_imported_first(name: str) -> None:
    """A compiled NamedTuple asks for the types of its fields at once: one that is imported for type checkers only is not there yet."""
    done = subprocess.run(
        [sys.executable, "-c", f"import {name}"], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
