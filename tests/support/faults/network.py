"""What befalls the way to a broker or a Redis, as faults of a plan, and what a worker spends on it meanwhile."""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil

from tests.support.faults.nodes import add_figure, caught_up
from tests.support.faults.plan import Fault
from worker.clock import monotonic

if TYPE_CHECKING:
    from tests.support.faults.run import FaultRun
    from tests.support.proxy import TcpProxy

_BUSY_WINDOW_S = 15.0
"""A worker that was started anew meanwhile has spent a second on that; in a short window this would pass for a busy loop."""


def broken(proxy: TcpProxy, name: str, break_it: Callable[[], None], seconds: float) -> Fault:
    """
    Break the link by *break_it* for *seconds*, heal it, and wait until everything sent so far is applied.

    Adds `cut_core_share` (CPU of all workers during the fault, in parts of one core a worker; long faults only) and
    `healed_s` to the figures.
    """

    async def act(run: FaultRun) -> None:
        began, spent = monotonic(), cpu_s(run)
        break_it()
        await asyncio.sleep(seconds)
        share = (cpu_s(run) - spent) / (monotonic() - began) / max(1, len(run.cluster.workers))
        if seconds >= _BUSY_WINDOW_S:
            add_figure(run, "cut_core_share", share)
        proxy.heal()
        add_figure(run, "healed_s", await caught_up(run))

    return Fault(f"{name} {seconds:g} s", act)


def cpu_s(run: FaultRun) -> float:
    """Return the CPU seconds that workers have used so far, those of ended ones included."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = ended.ru_utime + ended.ru_stime
    for worker in run.cluster.lives:
        with suppress(psutil.Error):
            if worker.exit_code is None:
                times = psutil.Process(worker.pid).cpu_times()
                spent += times.user + times.system
    return spent
