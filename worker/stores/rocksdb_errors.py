"""What RocksDB's messages mean for whoever has to act; rocksdict has no exception classes for them."""

from __future__ import annotations

from pathlib import Path

from worker.errors import ConfigError, DependencyError, WorkerError

_DAMAGE = ("Corruption", "No such file", "Bad table magic", "checksum mismatch")
_FULL = ("No space left on device", "Disk quota exceeded", "File too large")
_READ_ONLY = ("Read-only file system", "Permission denied", "Operation not permitted")


def is_damage(exc: Exception) -> bool:
    """Whether the database is broken, so that it has to be set aside and restored."""
    return any(sign in str(exc) for sign in _DAMAGE)


def first_line(exc: Exception) -> str:
    """Return what to quote of *exc*."""
    return str(exc).splitlines()[0][:300] if str(exc) else type(exc).__name__


def disk_error(directory: Path, exc: Exception) -> WorkerError | None:
    """
    Return the error for a disk that takes no more, None when *exc* says something else.

    A full disk is a dependency that is away: it heals when somebody makes room, and a restart then goes on where the state
    stands. One that may not be written to needs an operator first.
    """
    text = str(exc)
    if any(sign in text for sign in _FULL):
        return DependencyError(
            what=f"state directory {directory}",
            problem=first_line(exc),
            fix="make room on that disk; nothing is lost, a restart goes on where the state stands",
        )
    if any(sign in text for sign in _READ_ONLY):
        return ConfigError(
            where=str(directory),
            problem=first_line(exc),
            fix="mount it writable and give this user the right to write there, or set LEADSCORE_STORE to another directory",
        )
    return None
