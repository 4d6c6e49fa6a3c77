"""The locks: every file has a hash, nothing names an index, and they hold what pyproject.toml asks for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[3]
LOCKS = ("requirements.txt", "requirements-dev.txt", "requirements-build.txt")
SUPPORTED = ("3.11", "3.12", "3.13")


def pins(lock: str) -> dict[str, list[tuple[Version, Marker | None]]]:
    """Return the versions that *lock* pins, by package, each with the marker that it holds for."""
    found: dict[str, list[tuple[Version, Marker | None]]] = {}
    for line in re.findall(r"^([a-z].*?) *\\$", (ROOT / lock).read_text("utf-8"), re.MULTILINE):
        one = Requirement(line)
        found.setdefault(canonicalize_name(one.name), []).append(
            (Version(next(iter(one.specifier)).version), one.marker)
        )
    return found


def project() -> dict[str, Any]:
    """Return pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))


def asked_for(lock: str) -> list[Requirement]:
    """Return what pyproject.toml wants to have in *lock*."""
    whole = project()
    build = whole["dependency-groups"]["build"]
    if lock == "requirements-build.txt":
        return [Requirement(one) for one in build]
    wanted = list(whole["project"]["dependencies"])
    if lock == "requirements-dev.txt":
        dev = [one for one in whole["dependency-groups"]["dev"] if isinstance(one, str)]
        wanted += [*whole["project"]["optional-dependencies"]["demo"], *build, *dev]
    return [Requirement(one) for one in wanted]


@pytest.mark.parametrize("lock", LOCKS)
def test_lock_names_no_index_and_no_address(lock: str) -> None:
    """If this fails, everybody's installation depends on one developer's mirror."""
    assert not re.findall(r"://|^\s*--(?!hash=)|@ ", (ROOT / lock).read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize("lock", LOCKS)
def test_every_pin_is_exact_and_has_hashes(lock: str) -> None:
    entries = re.split(r"^(?=[a-z])", (ROOT / lock).read_text("utf-8"), flags=re.MULTILINE)[1:]
    assert entries
    for entry in entries:
        assert re.match(r"[a-z0-9-]+==\S+( ; .+)? \\\n    --hash=sha256:[0-9a-f]{64}", entry), entry[:80]


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("python", SUPPORTED)
@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_lock_holds_what_the_project_asks_for(lock: str, python: str, platform: str) -> None:
    where = {"python_version": python, "python_full_version": f"{python}.0", "sys_platform": platform}
    pinned = pins(lock)
    for wanted in asked_for(lock):
        versions = [
            version
            for version, marker in pinned.get(canonicalize_name(wanted.name), [])
            if marker is None or marker.evaluate(where)
        ]
        assert len(versions) == 1, wanted
        assert versions[0] in wanted.specifier, wanted


def test_development_runs_on_the_versions_that_are_shipped() -> None:
    shipped, tried = pins("requirements.txt"), pins("requirements-dev.txt")
    assert {name: tried.get(name) for name in shipped} == shipped


def test_faust_and_aiokafka_stay_on_the_minor_release_whose_private_names_we_use() -> None:
    asked = {one.name: str(one.specifier) for one in asked_for("requirements.txt")}
    assert asked["faust-streaming"] == "==0.15.*"
    assert asked["aiokafka"] == "==0.14.*"


def test_supported_versions_are_stated_once_and_meant() -> None:
    whole = project()["project"]
    assert whole["requires-python"] == ">=3.11,<3.14"
    stated = [line.rpartition(" ")[2] for line in whole["classifiers"] if re.search(r":: 3\.\d+$", line)]
    assert tuple(stated) == SUPPORTED
