"""No round begins while nobody knows whether we still are a member; and who ends when two processes have one name."""

from __future__ import annotations

import asyncio

import pytest

from tests.support.stream_fakes import HeldDelivery
from worker.errors import ConfigError, RestartRequired, StateError
from worker.pipeline import PARTITION_KEY, Round
from worker.stream.batches import Row
from worker.stream.identity import die_by_name, name_taken
from worker.stream.lease import Lease, LeasedDelivery

SESSION_S = 10.0


class _Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def _lease(*, answered: bool = True) -> tuple[Lease, _Clock]:
    clock = _Clock()
    lease = Lease(SESSION_S, clock)
    if answered:
        lease.renew(clock.now)
    return lease, clock


def _round() -> Round:
    return Round(5, {PARTITION_KEY: b"row"}, [], [], [])


@pytest.mark.parametrize(("silent_s", "is_stale"), [(0.0, False), (7.9, False), (8.1, True), (50.0, True)])
def test_a_lease_is_stale_when_most_of_a_session_has_passed_without_an_answer(silent_s: float, is_stale: bool) -> None:
    lease, clock = _lease()
    clock.now += silent_s
    assert lease.is_stale == is_stale
    assert lease.silent_s == pytest.approx(silent_s)


def test_a_lease_counts_from_the_question_not_from_the_answer() -> None:
    """A process that is frozen between the two would take an old answer for a new one."""
    lease, clock = _lease()
    clock.now += 20.0
    lease.renew(clock.now - 9.0)
    assert lease.is_stale


def test_nobody_is_silent_before_the_first_answer() -> None:
    lease, clock = _lease(answered=False)
    clock.now += 1000.0
    assert (lease.silent_s, lease.is_stale) == (0.0, False)


@pytest.mark.parametrize("step", ["deliver", "settle_restore"])
def test_nothing_is_written_until_the_group_answers_again(step: str) -> None:
    """If this fails, a process that stood still writes over what its heir has written."""

    async def scenario() -> None:
        lease, clock = _lease()
        inner = HeldDelivery(is_held=False)
        delivery = LeasedDelivery(inner, lease)
        settled: list[int] = []

        async def settle(partition: int, changelog_end: int, lost: object) -> int:  # noqa: ARG001
            settled.append(partition)
            return changelog_end

        inner.settle_restore = settle  # type: ignore[method-assign]
        clock.now += 15.0
        writing = asyncio.create_task(
            delivery.deliver(3, _round()) if step == "deliver" else delivery.settle_restore(3, 9, [Row(b"k", b"v")])
        )
        await asyncio.sleep(0.1)
        assert (inner.rounds, settled, writing.done()) == ([], [], False)
        lease.renew(clock.now)
        await asyncio.wait_for(writing, 5)
        assert len(inner.rounds) + len(settled) == 1

    asyncio.run(scenario())


def test_a_member_in_good_standing_does_not_wait() -> None:
    async def scenario() -> None:
        lease, _ = _lease()
        inner = HeldDelivery(is_held=False)
        assert await LeasedDelivery(inner, lease).deliver(0, _round()) == 0
        assert len(inner.rounds) == 1

    asyncio.run(scenario())


def test_everything_else_goes_to_the_delivery_itself() -> None:
    lease, _ = _lease()
    inner = HeldDelivery()
    delivery = LeasedDelivery(inner, lease)
    delivery.done(0, 7)
    assert inner.done_offsets == [7]
    assert delivery.committable() == {}
    assert delivery.merges_by_fence is False


def test_a_worker_whose_name_was_taken_ends_for_good_instead_of_taking_it_back() -> None:
    """If this fails, two processes with one name throw each other out of the group for ever."""
    ended: list[BaseException] = []
    die_by_name(ended.append, "pod-1", lambda: True)(RestartRequired(what="partition 0", problem="fenced"))
    (error,) = ended
    assert isinstance(error, ConfigError)
    assert error.exit_code == 78
    assert "LEADSCORE_INSTANCE_ID" in str(error)
    assert "pod-1" in str(error)


@pytest.mark.parametrize("name", ["pod-1", ""])
def test_a_worker_that_keeps_its_name_is_started_again(name: str) -> None:
    ended: list[BaseException] = []
    asked: list[str] = []
    error = RestartRequired(what="partition 0", problem="fenced")

    def ask() -> bool:
        asked.append(name)
        return name == ""  # a dynamic member is never asked for

    die_by_name(ended.append, name, ask)(error)
    assert ended == [error]
    assert asked == ([name] if name else [])


@pytest.mark.parametrize("error", [StateError(where="a", problem="b", fix="c"), name_taken("pod-1")])
def test_an_error_that_asks_for_no_restart_is_said_as_it_is(error: BaseException) -> None:
    ended: list[BaseException] = []
    die_by_name(ended.append, "pod-1", lambda: True)(error)
    assert ended == [error]
