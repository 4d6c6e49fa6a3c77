"""Cores are counted as a container or a systemd unit gives them, not as the machine has them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from worker.processes.cores import usable_cores


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the process be allowed on eight cores."""
    if hasattr(os, "process_cpu_count"):
        monkeypatch.setattr(os, "process_cpu_count", lambda: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 64)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return root


CASES = {
    "no cgroup at all": ({}, 8),
    "no limit": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "max 100000\n"}, 8),
    "a container with two and a half": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "250000 100000\n"}, 2),
    "half a core": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "50000 100000\n"}, 1),
    "more than there are": ({"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "9900000 100000\n"}, 8),
    "a systemd unit below a limited slice": (
        {
            "proc/self/cgroup": "0::/kafka.slice/leadscore.service\n",
            "sys/fs/cgroup/kafka.slice/cpu.max": "300000 100000\n",
            "sys/fs/cgroup/kafka.slice/leadscore.service/cpu.max": "max 100000\n",
        },
        3,
    ),
    "cgroup version 1": (
        {
            "proc/self/cgroup": "4:memory:/docker/ab\n3:cpu,cpuacct:/docker/ab\n",
            "sys/fs/cgroup/cpu/docker/ab/cpu.cfs_quota_us": "400000\n",
            "sys/fs/cgroup/cpu/docker/ab/cpu.cfs_period_us": "100000\n",
        },
        4,
    ),
    "version 1 without a limit": (
        {
            "proc/self/cgroup": "3:cpu,cpuacct:/\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
        },
        8,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_least_of_affinity_and_limits_counts(case: str, tmp_path: Path) -> None:
    """If this fails, sixty-four processes share the two cores of a container."""
    files, cores = CASES[case]
    assert usable_cores(write(tmp_path, files)) == cores
