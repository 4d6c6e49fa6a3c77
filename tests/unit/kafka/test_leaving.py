"""A consumer that is to leave its group ends its part in rebalances, whatever it is doing for one."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from worker.kafka.aiokafka_private import end_coordination


def test_a_cancellation_that_is_swallowed_is_repeated() -> None:
    """aiokafka swallows it while it ends its heartbeats before a join; the join would then be waited for."""
    steps: list[str] = []

    async def heartbeat() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            steps.append("heartbeats ended")

    async def coordination() -> None:
        await asyncio.create_task(heartbeat())
        steps.append("joins")
        await asyncio.Event().wait()

    async def scenario() -> None:
        task = asyncio.create_task(coordination())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        consumer: Any = SimpleNamespace(
            _coordinator=SimpleNamespace(_coordination_task=task, _performed_join_prepare=False)
        )
        async with asyncio.timeout(5):
            await end_coordination(consumer)
        assert task.cancelled()

    asyncio.run(scenario())
    assert steps == ["heartbeats ended", "joins"]
