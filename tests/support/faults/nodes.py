"""What befalls the brokers and the way to them, as faults of a plan: wrong answers, brokers that go, leaders that move."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from tests.support.faults.plan import Fault
from tests.support.kafka import wait_until
from tests.support.protocol_errors import Mishap, ProtocolErrors
from worker.clock import monotonic

if TYPE_CHECKING:
    from tests.support.faults.run import FaultRun
    from tests.support.three_nodes import ThreeNodes
    from worker.demo.broker import EmbeddedBroker

_DONE_WITHIN_S = 45.0


def answer_wrongly(errors: ProtocolErrors, mishap: Mishap, *others: Mishap) -> Fault:
    """Let requests meet *mishap*, and *others* that lead to such requests, until all have happened."""

    async def act(run: FaultRun) -> None:
        began = monotonic()
        errors.push(mishap, *others)
        await wait_until(lambda: errors.all_done, within_s=_DONE_WITHIN_S, what=f"{_name(mishap)} {mishap.times} times")
        await caught_up(run)
        add_figure(run, "stalls_s", monotonic() - began)

    return Fault(_name(mishap), act)


def add_figure(run: FaultRun, name: str, value: float) -> None:
    """Add a figure to the list *name*."""
    measured = run.figures.more.setdefault(name, [])
    assert isinstance(measured, list)
    measured.append(round(value, 2))


def _name(mishap: Mishap) -> str:
    late = f" {mishap.seconds:g} s" if mishap.seconds else ""
    return f"{mishap.api} {'/'.join(mishap.codes) or mishap.action}{late}"


async def caught_up(run: FaultRun, *, within_s: float = 90.0) -> float:
    """Wait until everything that is sent and acknowledged now is applied; return how long that took, in seconds."""
    wanted, began = dict(run.feed.ends), monotonic()

    def is_applied() -> bool:
        run.cluster.check()
        return all(run.watch.applied[number] >= end for number, end in wanted.items())

    await wait_until(is_applied, within_s=within_s, what=f"{wanted} applied")
    return monotonic() - began


def healed(errors: ProtocolErrors) -> Callable[[], Awaitable[None]]:
    """Return what ends all mishaps, for `mend_with`."""

    async def heal() -> None:
        errors.heal()

    return heal


# ---- one broker


def broker_away(broker: EmbeddedBroker, seconds: float, *, is_killed: bool = False) -> Fault:
    """Stop or kill the broker and start it again after *seconds*, which are the fault."""

    async def act(run: FaultRun) -> None:
        await asyncio.to_thread(broker.kill if is_killed else broker.stop)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(broker.start)
        add_figure(run, "broker_back_s", await caught_up(run))

    return Fault(f"broker {'SIGKILL' if is_killed else 'SIGTERM'} {seconds:g} s", act)


def broker_frozen(broker: EmbeddedBroker, seconds: float) -> Fault:
    """Let the broker stand still for *seconds*."""

    async def act(run: FaultRun) -> None:
        await asyncio.to_thread(broker.freeze)
        await asyncio.sleep(seconds)
        await asyncio.to_thread(broker.thaw)
        add_figure(run, "broker_back_s", await caught_up(run))

    return Fault(f"broker SIGSTOP {seconds:g} s", act)


# ---- one of three


def chase_leader(nodes: ThreeNodes, partition: int, *, is_killed: bool) -> Fault:
    """Take away the leader of a source partition, wait until the cluster has others, and start it again."""

    async def act(run: FaultRun) -> None:
        leader = await nodes.leader_of(run.cluster.source, partition)
        await asyncio.to_thread(nodes.kill if is_killed else nodes.stop, leader)
        await nodes.wait_led(run.cluster.source, not_by=leader)
        add_figure(run, "leader_gone_s", await caught_up(run))
        await asyncio.to_thread(nodes.start, leader)
        await _all_in_sync(nodes, run)

    return Fault(f"leader {'SIGKILL' if is_killed else 'SIGTERM'}", act)


def move_leaders(nodes: ThreeNodes) -> Fault:
    """Freeze the leader of the changelog until others lead, in the middle of whatever is under way, and let it go on at once."""

    async def act(run: FaultRun) -> None:
        log = run.cluster.settings.changelog_topic
        leader = await nodes.leader_of(log, 0)
        await asyncio.to_thread(nodes.freeze, leader)
        try:
            await nodes.wait_led(log, not_by=leader)
        finally:
            await asyncio.to_thread(nodes.thaw, leader)
        add_figure(run, "moved_s", await caught_up(run))
        await _all_in_sync(nodes, run)

    return Fault("changelog leader SIGSTOP until others lead", act)


async def _all_in_sync(nodes: ThreeNodes, run: FaultRun) -> None:
    """Wait until the next broker may go without taking the last copy of anything along."""
    topics = [run.cluster.source, run.cluster.settings.changelog_topic, "__consumer_offsets"]
    if run.figures.guarantee == "exactly_once":
        topics.append("__transaction_state")
    for topic in topics:
        await nodes.wait_in_sync(topic)
