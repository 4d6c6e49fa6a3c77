from __future__ import annotations

from pathlib import Path

import pytest

from worker.demo import java
from worker.demo.java import find_java, java_version
from worker.errors import DependencyError


def stand_in(directory: Path, answer: str, code: int = 0) -> Path:
    program = directory / "bin" / "java"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho '{answer}' >&2\nexit {code}\n", "utf-8")
    program.chmod(0o755)
    return program


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('openjdk version "25" 2025-09-16', 25),
        ('java version "1.8.0_292"', 8),
        ('openjdk version "26-ea" 2026-03-17', 26),
        ("No Java runtime present", None),
    ],
)
def test_version_is_read_from_what_java_says(tmp_path: Path, answer: str, expected: int | None) -> None:
    assert java_version(stand_in(tmp_path, answer)) == expected


def test_java_that_fails_is_none_whatever_it_prints(tmp_path: Path) -> None:
    """The one in macOS prints a hint and fails; the demo must then take the packaged one."""
    assert java_version(stand_in(tmp_path, 'version "17"', code=1)) is None
    assert java_version(tmp_path / "nothing") is None


def test_java_home_goes_before_the_path(tmp_path: Path) -> None:
    home = stand_in(tmp_path / "home", 'version "21.0.1"')
    on_path = stand_in(tmp_path / "path", 'version "17.0.1"')
    environ = {"JAVA_HOME": str(tmp_path / "home"), "PATH": f"{on_path.parent}:/bin"}
    assert find_java(environ) == home
    assert find_java({"PATH": environ["PATH"]}) == on_path


def test_java_that_is_too_old_is_passed_over(tmp_path: Path) -> None:
    stand_in(tmp_path / "home", 'version "11.0.2"')
    on_path = stand_in(tmp_path / "path", 'version "17.0.1"')
    assert find_java({"JAVA_HOME": str(tmp_path / "home"), "PATH": f"{on_path.parent}:/bin"}) == on_path


def test_refusal_names_each_java_that_was_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = stand_in(tmp_path / "home", 'version "11.0.2"')
    monkeypatch.setattr(java, "_candidates", lambda _: iter([old, tmp_path / "gone"]))
    with pytest.raises(DependencyError, match=r"is Java 11.*gone \(does not run"):
        find_java({})
