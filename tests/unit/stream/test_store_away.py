"""A store that does not answer: everything waits, nothing is done twice, nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from tests.support.kafka import wait_until
from tests.support.stream_fakes import Desk, progress, records
from worker.errors import StoreUnavailable
from worker.stream import store_access
from worker.stream.timers import Timers


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_access, "_FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(store_access, "_LONGEST_WAIT_S", 0.002)


def _run(scenario: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        async with asyncio.timeout(10):
            await scenario()

    asyncio.run(limited())


class Away:
    """Makes a call of the store fail until told otherwise; *is_lost*: the call takes effect, and the answer does not come."""

    def __init__(self, desk: Desk, name: str, *, is_lost: bool = False) -> None:
        self._real: Callable[..., Any] = getattr(desk.store, name)
        self._is_lost = is_lost
        self.is_away = True
        self.asked = 0
        setattr(desk.store, name, self)

    def __call__(self, *arguments: Any) -> Any:
        self.asked += 1
        if self.is_away:
            raise StoreUnavailable(what="store", problem="no answer")
        return self._real(*arguments)


async def _asked(away: Away, times: int) -> None:
    await wait_until(lambda: away.asked >= times, within_s=3, every_s=0.002)


def test_a_round_that_is_durable_is_stored_as_soon_as_the_store_is_back() -> None:
    async def scenario() -> None:
        desk = Desk(is_held=False, events=10)
        away = Away(desk, "write")
        desk.poll(10)
        desk.fold_all()
        await _asked(away, 3)
        assert (desk.access.is_away, desk.one.committed, desk.observed) == (True, 0, [])
        away.is_away = False
        await desk.one.settle()
        assert (desk.access.is_away, desk.one.committed, desk.observed, desk.deaths) == (False, 10, [0], [])
        assert len(desk.delivery.rounds) == 1

    _run(scenario)


def test_records_wait_unfolded_while_the_store_cannot_be_read() -> None:
    async def scenario() -> None:
        desk = Desk(is_held=False, events=1000)
        desk.poll(10)
        real = desk.scoring.fold
        left = 3

        def fold(chunk: Sequence[Any], get_many: Any) -> None:
            nonlocal left
            left -= 1
            if left >= 0:
                raise StoreUnavailable(what="store", problem="no answer")
            real(chunk, get_many)

        desk.scoring.fold = fold  # type: ignore[assignment, method-assign]
        for _ in range(3):
            with pytest.raises(StoreUnavailable):
                desk.one.fold_next()
            assert (desk.one.next_offset, desk.one.can_fold) == (0, True)
        desk.fold_all()
        await desk.one.settle()
        assert (desk.one.next_offset, desk.one.committed) == (10, 10)

    _run(scenario)


def test_timers_wait_for_the_store_and_fire_once() -> None:
    async def scenario() -> None:
        desk = Desk(is_held=False, events=1000, has_timers=True)
        timers = Timers(desk.store, desk.access, lambda: [desk.one], is_wall=True)
        desk.one.take([record._replace(key=b"one") for record in records(10)], 0, progress(10))
        desk.fold_all()
        await desk.one.settle()
        away = Away(desk, "due_before")
        firing = asyncio.create_task(timers.fire_due(desk.one))
        await _asked(away, 3)
        assert not firing.done()
        away.is_away = False
        await firing
        await desk.one.settle()
        fired = [
            output.value
            for round_ in desk.delivery.rounds
            for output in round_.outputs
            if b"due" in (output.value or b"")
        ]
        assert fired == [b"one:10:due"]

    _run(scenario)
