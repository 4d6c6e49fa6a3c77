"""Keeps a second process out of a state directory, and tells it who is inside."""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import stat
from pathlib import Path
from typing import Any

from worker.clock import now_ms
from worker.contracts.instants import format_instant
from worker.errors import ConfigError
from worker.logs import log_event

_log = logging.getLogger(__name__)

LOCK_NAME = "leadscore.lock"


class DirectoryLock:
    """
    An advisory lock on a directory, which the kernel releases when the process ends, however it ends.

    It is held for the directory as a whole and not by partition: of two workers with one directory the second is
    refused at its start, every time, instead of at some later rebalance.
    """

    def __init__(self, directory: Path, app_id: str) -> None:
        self._path = directory / LOCK_NAME
        self._app_id = app_id
        self._descriptor: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether we hold it."""
        return self._descriptor is not None

    def acquire(self) -> None:
        """
        Take the lock and write down who we are; taking it twice changes nothing.

        Raises:
            ConfigError: another process holds it (the text says which), or the directory cannot be locked.
        """
        if self.is_held:
            return
        try:
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as exc:
            raise self._unusable(exc) from exc
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, self._card(), 0)
        except BlockingIOError as exc:
            holder = _holder(descriptor)
            os.close(descriptor)
            raise self._in_use(holder) from exc
        except OSError as exc:
            os.close(descriptor)
            raise self._unusable(exc) from exc
        self._descriptor = descriptor

    def release(self) -> None:
        """Give the lock back; the file stays, since removing it would let two processes lock two files of one name."""
        if self._descriptor is not None:
            os.ftruncate(self._descriptor, 0)
            os.close(self._descriptor)
            self._descriptor = None

    def _card(self) -> bytes:
        card = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "app_id": self._app_id,
            "since": format_instant(now_ms()),
        }
        return json.dumps(card, sort_keys=True).encode()

    def _in_use(self, holder: dict[str, Any]) -> ConfigError:
        who = ", ".join(f"{name} {holder[name]}" for name in ("pid", "host", "app_id", "since") if name in holder)
        return ConfigError(
            where=str(self._path.parent),
            problem=f"another process uses this state directory ({who or 'it did not say who it is'})",
            fix="stop that process, or give each worker its own directory with LEADSCORE_STORE",
        )

    def _unusable(self, exc: OSError) -> ConfigError:
        return ConfigError(
            where=str(self._path.parent),
            problem=f"the state directory cannot be locked: {exc.strerror}",
            fix="use a directory on a local disk that this user may write to",
        )


def keep_to_ourselves(directory: Path) -> None:
    """
    Take away what others may do in *directory*, and say so in the log: it holds what is known of contacts.

    Where this user may not change it (a volume with modes of its own) the log says that others may look inside.
    """
    mode = stat.S_IMODE(directory.stat().st_mode)
    if not mode & 0o077:
        return
    try:
        directory.chmod(mode & 0o700)
    except OSError as exc:
        log_event(
            _log, logging.WARNING, "state_directory_open", path=str(directory), mode=f"{mode:04o}", reason=exc.strerror
        )
    else:
        log_event(_log, logging.WARNING, "state_directory_closed", path=str(directory), mode_before=f"{mode:04o}")


def _holder(descriptor: int) -> dict[str, Any]:
    """Return the card of the process inside; empty when it cannot be read, which must not hide the refusal."""
    try:
        card = json.loads(os.pread(descriptor, 4096, 0))
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}
