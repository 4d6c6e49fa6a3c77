"""
Faults, and when they strike: drawn from a seed, carried out at moments that the traffic sets, never after a sleep.

A fault is a Fault: a name for the figures, and an async callable that is given the run. What it breaks for longer than its call
it mends by what it hands to `run.mend_with`, which is called when everything is healed.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import psutil

from tests.support.kafka import wait_until
from tests.support.mortal_worker import MortalWorker

if TYPE_CHECKING:
    from tests.support.faults.run import FaultRun

_MORE = 20  # records
_INSIDE_WITHIN_S = 60.0

Act = Callable[["FaultRun"], Awaitable[None]]


class Fault(NamedTuple):
    """Something that goes wrong."""

    name: str
    act: Act


class Strike(NamedTuple):
    """A fault and its moment: after this part (0 to 1) of its own share of the traffic."""

    after: float
    fault: Fault


def draw_plan(seed: int, faults: Sequence[Fault], *, count: int | None = None) -> list[Strike]:
    """Return each of *faults* once in their order, or *count* drawn from them, at moments drawn from *seed*."""
    chance = random.Random(seed)
    chosen = list(faults) if count is None else [chance.choice(faults) for _ in range(count)]
    return [Strike(chance.uniform(0.05, 0.6), fault) for fault in chosen]


async def carry_out(run: FaultRun, strikes: Sequence[Strike]) -> None:
    """
    Carry out *strikes* while traffic flows, each in its own share of it; the last share comes after them.

    The traffic goes on while a fault lasts, up to the end of the share, so that whoever comes back finds a backlog.
    """
    feed = run.feed
    begin, share = feed.sent, (len(feed.records) - feed.sent) // (len(strikes) + 1)
    for number, (after, fault) in enumerate(strikes, start=1):
        feed.gate = begin + number * share
        await feed.reached(feed.gate - share + int(after * share))
        run.figures.faults.append(fault.name)
        await fault.act(run)
    feed.gate, feed.rate = len(feed.records), 0.0


# ---- what befalls workers


def kill(name: str, *, wipe: bool = False) -> Fault:
    """SIGKILL, and a new life at once, on an empty state if *wipe*."""

    async def act(run: FaultRun) -> None:
        await run.cluster.wait_ready(name)
        run.note_out(name)
        run.cluster.workers[name].kill()
        run.cluster.start_again(name, wipe=wipe)

    return Fault(f"kill -9 {name}{', wiped' if wipe else ''}", act)


def kill_early(name: str) -> Fault:
    """SIGKILL although it may not have finished to start, and a new life at once."""

    async def act(run: FaultRun) -> None:
        run.cluster.workers[name].kill()
        run.cluster.start_again(name)

    return Fault(f"kill -9 {name} while it starts", act)


def terminate(name: str) -> Fault:
    """SIGTERM under load, exit 0 in time, and a new life."""

    async def act(run: FaultRun) -> None:
        await run.cluster.wait_ready(name)
        worker = run.cluster.take_out(name)
        assert await worker.stop() == 0, worker.log_text()[-2000:]
        run.cluster.start_again(name)

    return Fault(f"SIGTERM {name}", act)


def terminate_early(name: str) -> Fault:
    """SIGTERM although it may not have finished to start, or to join; exit 0 in time all the same, and a new life."""

    async def act(run: FaultRun) -> None:
        worker = run.cluster.take_out(name)
        await worker.wait_for("worker_starts")
        assert await worker.stop() == 0, worker.log_text()[-2000:]
        run.cluster.start_again(name)

    return Fault(f"SIGTERM {name} while it starts", act)


def freeze(name: str, seconds: float) -> Fault:
    """SIGSTOP for *seconds*, then SIGCONT: the duration is the fault, so this one time it is waited for by the clock."""

    async def act(run: FaultRun) -> None:
        await run.cluster.wait_ready(name)
        run.note_out(name)
        await run.freeze(name, seconds)

    return Fault(f"SIGSTOP {name} {seconds:g} s", act)


def die_at(name: str, step: str, *, wipe: bool = False) -> Fault:
    """The worker kills itself at *step* of a round that tells sales something; it must be mortal. A new life at once."""

    async def act(run: FaultRun) -> None:
        await _inside(run, name, step, signal.SIGKILL, lambda victim: victim.exit_code == -signal.SIGKILL)
        run.note_out(name)
        run.cluster.start_again(name, wipe=wipe)

    return Fault(f"dies at {step}{', wiped' if wipe else ''}", act)


def freeze_at(name: str, step: str, seconds: float) -> Fault:
    """The worker, which must be mortal, stops at *step* of a round that tells sales something, and goes on after *seconds*."""

    async def act(run: FaultRun) -> None:
        await _inside(run, name, step, signal.SIGSTOP, _is_stopped)
        run.note_out(name)
        await run.freeze(name, seconds)

    return Fault(f"SIGSTOP {name} at {step} {seconds:g} s", act)


def _is_stopped(victim: MortalWorker) -> bool:
    return victim.exit_code is None and psutil.Process(victim.pid).status() == psutil.STATUS_STOPPED


async def _inside(
    run: FaultRun, name: str, step: str, number: signal.Signals, is_there: Callable[[MortalWorker], bool]
) -> None:
    """Have the worker *name* send itself *number* at *step*; traffic flows until it has, beyond its share if need be."""
    await run.cluster.wait_ready(name)
    victim: MortalWorker | None = None

    def has_happened() -> bool:
        nonlocal victim
        current = run.cluster.workers[name]
        if current is not victim:  # the first look, or it was started again for a reason of its own
            victim = run.cluster.doom(name, step, number)
        if run.feed.sent >= run.feed.gate:
            run.feed.gate = min(run.feed.gate + _MORE, len(run.feed.records))
        return is_there(victim)

    await wait_until(has_happened, within_s=_INSIDE_WITHIN_S, what=f"{number.name} of {name} at {step}")
