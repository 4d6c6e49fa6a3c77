"""The Kafka Streams program: built by Maven when it and a JDK are there."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from worker.demo.java import find_java
from worker.errors import DependencyError

STORE = "scores"
"""Its state store; the changelog's name holds it."""

_ROOT = Path(__file__).parents[3]
_SOURCE = _ROOT / "tests" / "bench" / "kstreams"
_BUILT = _ROOT / "build" / "kstreams"
_BUILD_WITHIN_S = 600
_JVM = ("-Xmx1g", "-XX:+UseParallelGC")


@cache
def missing() -> str:
    """Build the program; return why it cannot be run here, or nothing when it can."""
    if shutil.which("mvn") is None or shutil.which("javac") is None:
        return "no Maven or no JDK on the PATH"
    try:
        find_java()
    except DependencyError as error:
        return str(error)
    try:
        built = subprocess.run(
            ["mvn", "--quiet", "--batch-mode", f"-Dbuilt={_BUILT}", "process-classes"],
            cwd=_SOURCE,
            capture_output=True,
            text=True,
            timeout=_BUILD_WITHIN_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"Maven did not build it within {_BUILD_WITHIN_S} s"
    if built.returncode:
        return f"Maven cannot build it: {(built.stdout + built.stderr).strip()[-500:]}"
    return ""


def command() -> Sequence[str]:
    """Return how it is started; it is told everything by its environment."""
    classes = f"{_BUILT / 'classes'}:{_BUILT / 'lib' / '*'}"
    quiet = "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"
    return [str(find_java()), *_JVM, quiet, "-cp", classes, "bench.LeadScoring"]
