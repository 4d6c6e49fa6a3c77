"""A store that does not answer: everything waits, nothing is done twice, nothing is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.kafka import wait_until
from tests.support.stream_fakes import Desk, progress, records
from worker.errors import StoreUnavailable
from worker.pipeline import PARTITION_KEY
from worker.stream import carry_over, store_access
from worker.stream.lease import Lease
from worker.stream.reporting import report_lag
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


def test_timers_with_nothing_to_fire_notice_that_the_store_is_back() -> None:
    async def scenario() -> None:
        desk = Desk(is_held=False, events=1000, has_timers=True)
        timers = Timers(desk.store, desk.access, lambda: [desk.one], is_wall=True)
        desk.one.take(records(10), 0, progress(10))
        desk.fold_all()
        await timers.fire_due(desk.one)
        await desk.one.settle()
        away = Away(desk, "due_before")
        firing = asyncio.create_task(timers.fire_due(desk.one))
        await _asked(away, 3)
        assert desk.access.is_away
        away.is_away = False
        rounds = len(desk.delivery.rounds)
        await firing
        assert len(desk.delivery.rounds) == rounds
        assert not desk.access.is_away

    _run(scenario)


class _OldContacts:
    """The scoring of a partition whose contacts were written under an earlier version of a model."""

    stopped_at = None

    def __init__(self, carried: list[bytes]) -> None:
        self.carried = carried
        self.carries_over_from: bytes | None = b""
        self.pending = 0

    def carry_over(self, keys: Sequence[bytes], get_many: Any, *, is_last: bool) -> None:
        self.carried += keys
        self.carries_over_from = None if is_last else keys[-1]

    def drain(self, position: int | None) -> None:
        """Nothing is ever written."""


@pytest.mark.parametrize("answers", [0, 1, 3, 5, 8])
def test_contacts_are_carried_over_each_once_though_the_store_goes_away_in_the_scan(
    monkeypatch: pytest.MonkeyPatch, answers: int
) -> None:
    """If this fails, a model change ends in a restart, or skips contacts, when Redis is away for a moment."""
    monkeypatch.setattr(carry_over, "_CARRIED_A_ROUND", 3)

    async def scenario() -> None:
        desk = Desk(is_held=False)
        keys = [b"contact-%d" % number for number in range(8)]
        desk.store.write(0, dict.fromkeys([PARTITION_KEY, *keys], b"x"), [], [], None, 1)
        real, left = desk.store.iterate, answers

        def iterate(partition: int) -> Iterator[tuple[bytes, bytes]]:
            nonlocal left
            for row in real(partition):
                left -= 1
                if left == -1:
                    raise StoreUnavailable(what="store", problem="no answer")
                yield row

        monkeypatch.setattr(desk.store, "iterate", iterate)
        carried: list[bytes] = []
        desk.one.scoring = _OldContacts(carried)  # type: ignore[assignment]
        await carry_over.carry_over(desk.one, desk.store, desk.access)
        assert carried == keys
        assert (left < 0, desk.access.is_away, desk.deaths) == (True, False, [])

    _run(scenario)


def test_of_all_that_wait_for_the_store_one_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a server that hangs blocks the event loop for its timeout once a partition, and the loop guard ends the worker."""
    for name in ("_FIRST_WAIT_S", "_LONGEST_WAIT_S"):
        monkeypatch.setattr(store_access, name, 0.2)  # far longer than all others take to find that it is away

    async def scenario() -> None:
        desk = Desk(is_held=False, events=1000, has_timers=True)
        desk.one.take(records(10), 0, progress(10))
        desk.fold_all()
        await desk.one.settle()
        away = Away(desk, "due_before")
        timers = Timers(desk.store, desk.access, lambda: [desk.one] * 20, is_wall=True)
        firing = asyncio.gather(
            *(timers.fire_due(desk.one) for _ in range(20)),
            *(desk.access.call(lambda: desk.store.due_before(0, 0, 0)) for _ in range(20)),
        )
        while away.asked < 3:
            before = away.asked
            await asyncio.sleep(0)
            assert away.asked <= before + 1
        away.is_away = False
        await firing

    _run(scenario)


def test_metrics_do_not_ask_a_store_that_is_away() -> None:
    """Each call may block the event loop for the store's timeout, and these come every second."""

    async def scenario() -> None:
        desk = Desk()
        size = Away(desk, "size_bytes")
        app: Any = SimpleNamespace(
            observer=SimpleNamespace(
                **dict.fromkeys(["group_silence", "lag", "store_away", "stopped", "store_size"], lambda *_: None)
            ),
            lease=Lease(1.0),
            access=desk.access,
            contacts=desk.store,
            assignment=SimpleNamespace(owned={0: desk.one}, restore=None),
        )
        waiting = asyncio.create_task(desk.access.wait(StoreUnavailable(what="store", problem="no answer")))
        await asyncio.sleep(0)
        reporting = asyncio.create_task(report_lag(app))
        await asyncio.sleep(0)
        assert size.asked == 0
        desk.access.answered()
        reporting.cancel()
        await asyncio.gather(waiting, reporting, return_exceptions=True)
        reporting = asyncio.create_task(report_lag(app))
        await asyncio.sleep(0)
        assert size.asked == 1
        reporting.cancel()

    _run(scenario)
