"""What one of several processes has to itself: number, name in the group, port, state directory."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from worker.errors import ConfigError
from worker.settings import PREFIX

if TYPE_CHECKING:
    from worker.settings import Settings

SUPERVISOR = 0
"""The supervisor's number; processes are counted from 1."""
DIRECTORY = "process-"
"""What the name of a process's directory below the state directory begins with; its number follows."""
_ROCKSDB = "rocksdb://"
_LAST_PORT = 65_535


def numbers(processes: int) -> range:
    """
    Return the numbers of so many processes.

    >>> list(numbers(3))
    [1, 2, 3]
    """
    return range(1, processes + 1)


def state_directory(settings: Settings) -> Path | None:
    """Return the directory that all processes have their own below; None where state is not kept in one."""
    return Path(settings.store.removeprefix(_ROCKSDB)) if settings.store.startswith(_ROCKSDB) else None


def environ_of(number: int, settings: Settings, environ: Mapping[str, str]) -> dict[str, str]:
    """
    Return the environment of process *number*: *environ*, but for what would collide.

    Args:
        number: Of the process, from 1.
        settings: Those of all.
        environ: That they were read from.
    """
    own = {
        "PROCESSES": "1",
        "LOG_FORMAT": "json",  # for the supervisor, which writes in the format that was asked for
        "WEB_PORT": str(settings.web_port + number) if settings.web_port else "0",
    }
    if settings.instance_id:
        own["INSTANCE_ID"] = f"{settings.instance_id}-{number}"
    if (directory := state_directory(settings)) is not None:
        own["STORE"] = f"{_ROCKSDB}{directory / f'{DIRECTORY}{number}'}"
    return {**environ, **{PREFIX + name: value for name, value in own.items()}}


def require_ports(settings: Settings, processes: int) -> None:
    """
    Check that each process has a port, beside the supervisor's.

    Raises:
        ConfigError: there are not so many above the configured one.
    """
    if settings.web_port and settings.web_port + processes > _LAST_PORT:
        raise ConfigError(
            where=f"{PREFIX}WEB_PORT, {PREFIX}PROCESSES",
            problem=f"each process has the port {settings.web_port} plus its number, and {_LAST_PORT} is the last",
            fix=f"lower {PREFIX}WEB_PORT to at most {_LAST_PORT - processes}, or set it to 0 (any free ports)",
        )
