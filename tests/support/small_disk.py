"""A disk of a few megabytes, to be filled: a tmpfs of its own, where this user may mount one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.needs import missing


@contextmanager
def small_disk(directory: Path, megabytes: int) -> Iterator[Path]:
    """Yield *directory* with a file system of its own; skips the test where nothing may be mounted."""
    directory.mkdir()
    if not _mount("-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(directory)):
        missing("a disk of its own needs the right to mount a tmpfs")
    try:
        yield directory
    finally:
        subprocess.run(["umount", "--lazy", str(directory)], check=False, capture_output=True)


def make_read_only(directory: Path, *, is_read_only: bool = True) -> None:
    """Mount the small disk at *directory* anew, to be read only, or to be written again; open files do not keep it from that."""
    # Only this mount point: the file system itself cannot be made read-only while a file is open for writing.
    assert _mount("-o", f"remount,bind,{'ro' if is_read_only else 'rw'}", str(directory))


def fill_up(directory: Path) -> Path:
    """Write a file into *directory* that leaves no room, and return it."""
    ballast = directory / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 4096):
            try:
                while file.write(bytes(size)) == size:
                    pass
            except OSError:
                continue
        os.fsync(file.fileno())
    return ballast


def _mount(*arguments: str) -> bool:
    try:
        return subprocess.run(["mount", *arguments], check=False, capture_output=True).returncode == 0
    except FileNotFoundError:
        return False
