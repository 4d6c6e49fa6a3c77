"""How many cores this process may use, which is often fewer than the machine has."""

from __future__ import annotations

import os
from pathlib import Path

_ROOT = Path("/")


def usable_cores(root: Path = _ROOT) -> int:
    """
    Return the whole cores that we may use, at least 1: those of the CPU affinity, or fewer where a cgroup limits the time.

    Args:
        root: Where `proc` and `sys` are; a test has its own.
    """
    limit = _cgroup_limit(root)
    allowed = _allowed()
    return max(1, allowed if limit is None else min(allowed, int(limit)))


def _allowed() -> int:
    if hasattr(os, "process_cpu_count"):  # from Python 3.13 on; knows PYTHON_CPU_COUNT too
        return os.process_cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cgroup_limit(root: Path) -> float | None:
    """Return the least number of cores that our cgroup or one above it gives; None: no limit."""
    limits = [_limit_v2(group) for group in _groups(root, "", root / "sys/fs/cgroup")]
    limits += [_limit_v1(group) for group in _groups(root, "cpu", root / "sys/fs/cgroup/cpu")]
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def _groups(root: Path, controller: str, mount: Path) -> list[Path]:
    """Return the directory of our cgroup and those above it; in a container that sees only its own, the mount itself."""
    try:
        lines = (root / "proc/self/cgroup").read_text("utf-8").splitlines()
    except OSError:
        return []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controller in controllers.split(","):
            group = mount / path.strip("/")
            return [group, *(one for one in group.parents if one == mount or mount in one.parents)]
    return []


def _limit_v2(group: Path) -> float | None:
    words = _words(group / "cpu.max")
    return None if len(words) != 2 else _cores(*words)


def _limit_v1(group: Path) -> float | None:
    quota, period = _words(group / "cpu.cfs_quota_us"), _words(group / "cpu.cfs_period_us")
    return None if len(quota) != 1 or len(period) != 1 else _cores(quota[0], period[0])


def _cores(quota: str, period: str) -> float | None:
    """Return *quota* by *period*, both microseconds; None where there is none (`max`, -1)."""
    if not quota.isdecimal() or not period.isdecimal() or int(period) == 0:
        return None
    return int(quota) / int(period)


def _words(file: Path) -> list[str]:
    try:
        return file.read_text("utf-8").split()
    except OSError:
        return []
