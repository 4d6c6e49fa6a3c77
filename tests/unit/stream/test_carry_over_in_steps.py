"""A model change over a store that keeps no order: its keys are gathered step by step, and everything else has its turns."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from tests.support.stream_fakes import Desk
from worker.errors import StoreUnavailable
from worker.stores.memory import MemoryStore
from worker.stream import carry_over, store_access

KEYS = [b"contact-%d" % number for number in range(8)]


class _Unordered(MemoryStore):
    """Finds no key in five steps of six; the step numbered *away_at* finds no server."""

    def __init__(self, away_at: int) -> None:
        super().__init__()
        self.steps_left = away_at
        self.asked_from: list[bytes] = []

    def iterate(self, partition: int) -> Iterator[tuple[bytes, bytes]]:
        raise AssertionError("all keys at once")

    def keys_in_steps(self, partition: int, first: bytes) -> Iterator[list[bytes]]:
        self.asked_from.append(first)
        for key in KEYS:
            for found in ([], [], [], [], [], [key]):
                self.steps_left -= 1
                if self.steps_left == -1:
                    raise StoreUnavailable(what="store", problem="no answer")
                if not found or key >= first:
                    yield found


class _OldContacts:
    """The scoring of a partition whose contacts were written under an earlier version of a model."""

    stopped_at = None

    def __init__(self) -> None:
        self.carried: list[list[bytes]] = []
        self.carries_over_from: bytes | None = b""
        self.pending = 0

    def carry_over(self, keys: Sequence[bytes], get_many: Any, *, is_last: bool) -> None:
        self.carried.append(list(keys))
        self.carries_over_from = None if is_last else keys[-1]

    def drain(self, position: int | None) -> None:
        """Nothing is ever written."""


async def _carried(store: _Unordered) -> tuple[list[list[bytes]], int]:
    desk = Desk(is_held=False)
    old, turns = _OldContacts(), 0
    desk.one.scoring = old  # type: ignore[assignment]

    async def take_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside = asyncio.create_task(take_turns())
    await carry_over.carry_over(desk.one, store, desk.access)
    beside.cancel()
    assert (desk.access.is_away, desk.deaths) == (False, [])
    return old.carried, turns


@pytest.mark.parametrize("away_at", [1_000, 0, 3, 17, 23, 40, 47])
def test_contacts_are_carried_over_each_once_in_rounds_however_few_a_step_finds(
    monkeypatch: pytest.MonkeyPatch, away_at: int
) -> None:
    """If this fails, a model change skips contacts, or makes a round of each step."""
    monkeypatch.setattr(carry_over, "_CARRIED_A_ROUND", 3)
    monkeypatch.setattr(store_access, "_FIRST_WAIT_S", 0.001)
    store = _Unordered(away_at)
    carried, turns = asyncio.run(_carried(store))
    assert carried == [KEYS[:3], KEYS[3:6], KEYS[6:]]
    assert len(store.asked_from) == (1 if away_at == 1_000 else 2)
    assert turns >= 6 * len(KEYS), "one between any two steps"
