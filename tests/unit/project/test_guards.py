"""The tools that guard the house do so: each is shown a breach, and must see it."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
PACKAGES = ("cli", "demo", "web", "stream", "stores", "settings", "pipeline", "scoring", "contracts")
MODULES = ("metrics", "logs", "clock", "errors")
INNERMOST_FIRST = ("errors", "scoring", "pipeline", "stores", "stream", "cli")


def lint_imports(folder: Path, breaches: dict[str, str]) -> str:
    """Build an empty house in *folder*, write *breaches* into it, and return what import-linter says."""
    files = (
        {f"{name}/__init__.py": "" for name in PACKAGES} | {f"{name}.py": "" for name in MODULES} | {"__init__.py": ""}
    )
    for name, text in (files | breaches).items():
        file = folder / "worker" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    (folder / "pyproject.toml").write_text((ROOT / "pyproject.toml").read_text("utf-8"), "utf-8")
    command = [str(BIN / "lint-imports"), "--no-cache"]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    return ran.stdout


def test_house_in_order_is_passed(tmp_path: Path) -> None:
    assert "Contracts: 2 kept, 0 broken" in lint_imports(tmp_path, {})


def test_arrows_outward_are_seen(tmp_path: Path) -> None:
    """If this fails, the core can quietly come to depend on Kafka."""
    pairs = list(itertools.pairwise(INNERMOST_FIRST))
    breaches = {
        f"{inner}.py" if inner in MODULES else f"{inner}/breach.py": f"import worker.{outer}\n"
        for inner, outer in pairs
    }
    said = lint_imports(tmp_path, breaches)
    for inner, outer in pairs:
        assert f"worker.{inner} is not allowed to import worker.{outer}" in said


def test_package_without_a_place_in_the_house_is_seen(tmp_path: Path) -> None:
    assert "worker.utils" in lint_imports(tmp_path, {"utils.py": ""})


def test_impure_core_is_seen(tmp_path: Path) -> None:
    """If this fails, a score may depend on when, where or by whom it is computed."""
    outside = ("aiokafka", "asyncio", "faust", "logging", "os", "redis", "rocksdict", "time")
    breaches = {
        f"{package}/breach_{name}.py": f"import {name}\n"
        for package in ("scoring", "contracts", "pipeline")
        for name in outside
    }
    said = lint_imports(tmp_path, breaches)
    for package in ("scoring", "contracts", "pipeline"):
        for name in outside:
            assert f"worker.{package} is not allowed to import {name}" in said


CLOCKS = (
    "import time\n\ntime.time()\n",
    "import time\n\ntime.time_ns()\n",
    "import time\n\ntime.monotonic()\n",
    "from time import perf_counter\n\nperf_counter()\n",
    "import datetime\n\ndatetime.datetime.now(tz=datetime.UTC)\n",
    "from datetime import datetime\n\ndatetime.utcnow()\n",
    "from datetime import date\n\ndate.today()\n",
)


def ruff(text: str, name: str) -> str:
    """Return what ruff says of *text* as if it were the file *name*."""
    command = [str(BIN / "ruff"), "check", "--no-cache", "--output-format=concise", "--stdin-filename", name, "-"]
    ran = subprocess.run(command, cwd=ROOT, input=text, capture_output=True, text=True, timeout=60, check=False)
    return ran.stdout


@pytest.mark.parametrize("text", CLOCKS)
@pytest.mark.parametrize("name", ["worker/scoring/decay.py", "worker/stream/timers.py", "tests/property/test_order.py"])
def test_clock_is_read_nowhere_else(text: str, name: str) -> None:
    assert "TID251" in ruff(text, name)


@pytest.mark.parametrize("text", CLOCKS)
def test_clock_is_read_in_its_module(text: str) -> None:
    assert "TID251" not in ruff(text, "worker/clock.py")
