"""Partitions come, get what a poll brought, and go."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.counting_pipeline import counting_pipeline
from tests.support.stream_fakes import Desk
from worker.kafka.decompression import BatchTooLarge
from worker.settings import load_settings
from worker.stream import assignment as assignments
from worker.stream.assignment import Assignment
from worker.stream.faust_private import Polled
from worker.stream.restore import Restore


@pytest.mark.parametrize(("first", "last", "is_stopped"), [(10, 14, True), (5, 9, False)])
def test_a_batch_that_is_too_large_stops_its_partition_unless_that_is_past_it(
    first: int, last: int, *, is_stopped: bool
) -> None:
    """A poll that a rebalance cuts short leaves its finding behind; if this fails, it stops a partition that has passed over it since."""

    async def scenario() -> None:
        desk = Desk(is_held=False)
        desk.poll(10)
        desk.fold_all()
        await desk.one.settle()
        unused: Any = None
        settings = load_settings({"LEADSCORE_BROKERS": "localhost:1"})
        assignment = Assignment(settings, unused, unused, unused, unused)
        assignment.owned[0] = desk.one
        assignment.take(Polled({}, {}, {}, [BatchTooLarge(1, 0, first, last)]))
        assert (desk.one.stopped is not None) is is_stopped

    asyncio.run(scenario())


def test_partitions_taken_away_while_they_are_restored_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a store that others share is taken for ours when the partition comes back."""

    async def scenario() -> None:
        desk = Desk()
        stopping = asyncio.Event()

        class Consumer:
            async def start(self) -> None: ...

            async def beginning_offsets(self, places: list[Any]) -> dict[Any, int]:
                return dict.fromkeys(places, 0)

            async def stop(self) -> None:
                stopping.set()
                await asyncio.Event().wait()

        async def one(*_: object) -> int:
            return 1

        async def ends(_: object, places: list[Any]) -> dict[Any, int]:
            return dict.fromkeys(places, 0)

        async def restored(*_: object) -> None: ...

        monkeypatch.setattr(assignments, "partition_count", one)
        monkeypatch.setattr(assignments, "high_watermarks", ends)
        monkeypatch.setattr(Restore, "run", restored)
        closed: list[int] = []
        monkeypatch.setattr(desk.store, "close", closed.append)
        quiet: Any = type("Quiet", (), {"restore_complete": lambda *_: None})()
        make: Any = Consumer
        settings = load_settings({"LEADSCORE_BROKERS": "localhost:1"})
        assignment = Assignment(settings, counting_pipeline("out"), desk.surroundings, make, quiet)
        preparing = asyncio.create_task(assignment.prepare([3]))
        await stopping.wait()
        await assignment.give_up(1.0)
        assert not await preparing
        assert (closed, assignment.owned) == ([3], {})

    asyncio.run(scenario())
