"""
Break one rule at a time in a copy of the tree, run the quick tests, and expect them to go red.

A mutant that survives is a rule that no test guards. A mutant that no longer applies guards nothing: both fail the run.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
MUTANTS = Path(__file__).with_name("mutants.yaml")
COPIED = ("worker", "tests", "schemas", "pyproject.toml", "README.md")
QUICK = (  # the likeliest to fail first
    "tests/unit/test_worked_numbers.py",
    "tests/unit/pipeline",
    "tests/unit/scoring",
    "--ignore=tests/unit/scoring/file",  # how models are read: slow, and no mutant is about it
    "--ignore=tests/unit/scoring/model",
    "tests/property/test_edges.py",
    "tests/property/test_arrival_order.py",
    "tests/property/test_books.py",
    "tests/property/test_restarts.py",
    "tests/property/test_second_reading.py",
    "tests/property/test_passing_time.py",
    "tests/property/test_busy_contacts.py",
)
LIMIT_SECONDS = 600

Fate = Literal["killed", "SURVIVED", "DOES NOT APPLY"]


@dataclass(frozen=True)
class Mutant:
    """One rule broken: *find*, which occurs once in *file*, becomes *replace*; *tests* are run instead of the quick ones."""

    rule: str
    file: str
    find: str
    replace: str
    tests: tuple[str, ...] = QUICK


def load_mutants(path: Path = MUTANTS) -> list[Mutant]:
    """Return the mutants listed in *path*. Raises TypeError when an entry misses a field or has one too many."""
    return [_mutant(entry) for entry in YAML(typ="safe", pure=True).load(path.read_text("utf-8"))]


def _mutant(entry: dict[str, Any]) -> Mutant:
    tests = tuple(entry.pop("tests", QUICK))
    return Mutant(**entry, tests=tests)


def copy_tree(target: Path) -> None:
    """Copy what the tests need into *target*, without caches: a stale one would hide the break."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        elif source.exists():
            shutil.copy(source, target / name)


def is_green(tree: Path, tests: Sequence[str] = QUICK) -> tuple[bool, str]:
    """Run *tests* in *tree* up to the first failure; also return the last words of a red run."""
    environ = os.environ | {
        "HYPOTHESIS_PROFILE": "mutants",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": str(tree),
        "PYTHONHASHSEED": "0",
    }
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "--tb=no", "-p", "no:cacheprovider"]
    command += ["-p", "tests.mutants.searching", *tests]
    done = subprocess.run(
        command, cwd=tree, env=environ, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False
    )
    if done.returncode not in {0, 1}:
        raise RuntimeError(
            f"pytest could not run (exit {done.returncode}):\n{done.stdout[-2000:]}{done.stderr[-2000:]}"
        )
    named = [line.partition(" - ")[0] for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return done.returncode == 0, named[-1].removeprefix("FAILED ").rpartition("::")[2] if named else ""


def try_mutant(mutant: Mutant, tree: Path) -> tuple[Fate, str]:
    """Break *tree*, test it, mend it; return the mutant's fate and the test that killed it."""
    path = tree / mutant.file
    whole = path.read_text("utf-8") if path.exists() else ""
    if whole.count(mutant.find) != 1:
        return "DOES NOT APPLY", f"found {whole.count(mutant.find)} times in {mutant.file}"
    path.write_text(whole.replace(mutant.find, mutant.replace), "utf-8")
    try:
        green, by = is_green(tree, mutant.tests)
    except subprocess.TimeoutExpired:
        green, by = False, f"ran for more than {LIMIT_SECONDS} s"
    finally:
        path.write_text(whole, "utf-8")
    return ("SURVIVED", "") if green else ("killed", by)


def main(arguments: Sequence[str]) -> int:
    """Try every mutant whose rule contains the words given; exit 1 on one that survives or does not apply."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("words", nargs="*", help="only mutants whose rule contains one of these")
    words = parser.parse_args(arguments).words
    mutants = [one for one in load_mutants() if not words or any(word in one.rule for word in words)]
    with tempfile.TemporaryDirectory(prefix="mutants-") as name:
        tree = Path(name)
        copy_tree(tree)
        for tests in dict.fromkeys(one.tests for one in mutants):
            green, by = is_green(tree, tests)
            if not green:
                print(f"the tests are red without any mutant: {by}")
                return 1
        width = max(len(one.rule) for one in mutants)
        failed = 0
        for mutant in mutants:
            fate, by = try_mutant(mutant, tree)
            failed += fate != "killed"
            print(f"{mutant.rule:<{width}}  {fate:<14}  {by}", flush=True)
    print(f"{len(mutants)} mutants, {len(mutants) - failed} killed, {failed} not")
    return 1 if failed else 0
