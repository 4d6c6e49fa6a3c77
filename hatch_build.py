"""
The wheel with the hot modules compiled by mypyc, where COMPILE_LEADSCORE=1 asks for it; without that a pure one for every platform.

Which modules is said in pyproject.toml, below `tool.hatch.build.targets.wheel.hooks.custom`. They are ordinary, typed Python: nothing in
them is written for the compiler, and the same tests run over both forms. Needs the dependency group `compile`; a C compiler is taken
from CC, from the PATH, or from the wheel `ziglang`.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

SWITCH = "COMPILE_LEADSCORE"
_LIBRARY = "leadscore"
"""The compiled modules call each other directly: they are one library, `leadscore__mypyc`, and a stub a module."""


class CompiledModules(BuildHookInterface[Any]):
    """Adds extension modules to the wheel; each takes precedence over the Python file beside it."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Compile if asked to; *version* is `standard`, or `editable`, which stays pure: what is edited must be what runs."""
        if os.environ.get(SWITCH) != "1" or version == "editable":
            return
        self._made = tempfile.TemporaryDirectory(prefix="leadscore-compiled-")
        for built in compile_modules(Path(self.root), self.config["modules"], Path(self._made.name)):
            build_data["force_include"][str(built)] = str(built.relative_to(self._made.name))
        build_data["pure_python"] = False
        build_data["infer_tag"] = True

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was made on the way."""
        if hasattr(self, "_made"):
            self._made.cleanup()


def compile_modules(root: Path, modules: list[str], target: Path) -> list[Path]:
    """
    Compile *modules*, paths below *root*, into *target*, and return the files made there.

    Raises:
        SystemExit: mypyc refuses a module; it has printed why.
        ModuleNotFoundError: the dependency group `compile` is not installed.
    """
    from mypyc.build import mypycify
    from setuptools import Distribution
    from setuptools.command.build_ext import build_ext

    _choose_compiler()
    before = Path.cwd()
    os.chdir(root)  # mypy names modules by their paths from here
    try:
        extensions = mypycify(
            ["--python-executable", sys.executable, *modules],
            opt_level="3",
            multi_file=True,
            group_name=_LIBRARY,
            target_dir=str(target / "c"),
        )
        command = build_ext(Distribution({"name": _LIBRARY, "ext_modules": extensions}))
        command.build_lib, command.build_temp = str(target / "lib"), str(target / "temp")
        command.parallel = os.cpu_count() or 1
        command.ensure_finalized()
        command.run()
    finally:
        os.chdir(before)
    made = []
    for built in sorted((target / "lib").rglob("*.*")):
        place = target / built.relative_to(target / "lib")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(built, place)
        made.append(place)
    return made


def _choose_compiler() -> None:
    if "CC" not in os.environ and shutil.which("cc") is None:
        os.environ["CC"] = f"{sys.executable} -m ziglang cc"
        os.environ["LDSHARED"] = f"{sys.executable} -m ziglang cc -shared"
