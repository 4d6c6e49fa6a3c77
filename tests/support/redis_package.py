"""A Redis server to run tests with: named, installed, or taken out of Debian's packages without installing them."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import NamedTuple

NAMED = "LEADSCORE_TEST_REDIS_SERVER"
"""A variable with the path of the server's program: to test with another version, or with Valkey."""

_PACKAGES = ("redis-server", "redis-tools")


class NoRedisError(Exception):
    """There is no server to be had; the text says what was tried."""


class Program(NamedTuple):
    """A program and where its libraries lie, beside those of the system."""

    path: Path
    libraries: Path | None

    @property
    def environ(self) -> dict[str, str]:
        """The environment to start it in."""
        variables = {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"}
        return variables | ({"LD_LIBRARY_PATH": str(self.libraries)} if self.libraries else {})


@cache
def redis_program() -> Program:
    """
    Return the server's program: the one that is named, the one on the PATH, or Debian's.

    Raises:
        NoRedisError: none of these is there.
    """
    named = os.environ.get(NAMED) or shutil.which("redis-server") or shutil.which("valkey-server")
    if named:
        return Program(Path(named), None)
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise NoRedisError(f"{NAMED} is not set, no redis-server is on the PATH, and this is no Debian; install Redis")
    root = _cache() / f"redis-of-debian-{platform.machine()}"
    if not root.exists():
        _unpack_debian(root)
    libraries = next((root / "usr/lib").glob("*/libjemalloc.so.2"), root / "usr/lib/none").parent
    program = Program(root / "usr/bin/redis-server", libraries)
    tried = subprocess.run(
        [program.path, "--version"], env=program.environ, capture_output=True, text=True, check=False
    )
    if tried.returncode:
        raise NoRedisError(f"Debian's redis-server does not run here: {tried.stderr.strip()}; install Redis")
    return program


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lead-scoring-worker"


def _unpack_debian(root: Path) -> None:
    """Fetch the packages (1.5 MB) and unpack them into *root*, which is there as a whole or not at all."""
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent) as scratch:
        fetched = Path(scratch) / "fetched"
        fetched.mkdir()
        try:
            _fetch(fetched, [])
        except (
            subprocess.CalledProcessError
        ):  # no package lists yet, or old ones: fetch lists of our own, which needs no root
            _fetch(fetched, _own_lists(Path(scratch)))
        unpacked = Path(scratch) / "root"
        for package in fetched.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, unpacked], check=True, capture_output=True)
        try:
            unpacked.rename(root)
        except OSError:
            if not root.exists():  # or another run was quicker
                raise


def _fetch(folder: Path, options: list[str]) -> None:
    depends = _run(folder, "apt-cache", *options, "depends", *_PACKAGES)
    needed = {line.split()[1] for line in depends.splitlines() if line.startswith("  Depends: ")}
    missing = {name for name in needed - set(_PACKAGES) if name[0] != "<" and not _is_installed(name)}
    _run(folder, "apt-get", *options, "-o", "APT::Sandbox::User=root", "download", *_PACKAGES, *sorted(missing))


def _own_lists(scratch: Path) -> list[str]:
    options: list[str] = []
    for name in ("State/lists/partial", "Cache/archives/partial"):
        (scratch / name).mkdir(parents=True, exist_ok=True)
    for key, value in {
        "Dir::State": scratch / "State",
        "Dir::State::status": "/var/lib/dpkg/status",
        "Dir::Cache": scratch / "Cache",
    }.items():
        options += ["-o", f"{key}={value}"]
    try:
        _run(scratch, "apt-get", *options, "-o", "APT::Sandbox::User=root", "update")
    except subprocess.CalledProcessError as failure:
        raise NoRedisError(f"Debian's package lists cannot be fetched: {failure.stderr.strip()[-300:]}") from failure
    return options


def _is_installed(package: str) -> bool:
    found = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Status}", package], capture_output=True, text=True, check=False
    )
    return found.stdout.endswith("ok installed")


def _run(folder: Path, *command: str) -> str:
    return subprocess.run(
        command, cwd=folder, env=os.environ | {"LC_ALL": "C"}, capture_output=True, text=True, check=True
    ).stdout
