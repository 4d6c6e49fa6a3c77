"""The broker goes away, is killed, or freezes: workers wait for it, and each record counts once."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.counting_run import counting_run
from worker.demo.broker import EmbeddedBroker

pytestmark = pytest.mark.faults


async def _away(broker: EmbeddedBroker, how: str) -> None:
    if how == "freeze":
        broker.freeze()
        await asyncio.sleep(9.0)  # longer than the session
        broker.thaw()
        return
    await asyncio.to_thread(broker.stop if how == "stop" else broker.kill)
    await asyncio.sleep(5.0)
    await asyncio.to_thread(broker.start)


async def _survives(tmp_path: Path, guarantee: str, how: str) -> None:
    with EmbeddedBroker() as broker:
        async with counting_run(broker.bootstrap_servers, tmp_path, guarantee, session_ms=6000) as run:
            worker = run.start("w")
            await worker.wait_ready()
            traffic = asyncio.create_task(run.send(9000, rate=600))
            await asyncio.sleep(3.0)
            await _away(broker, how)
            await traffic
            if (
                worker.exit_code is not None
            ):  # fenced while the broker was away: allowed, the supervisor starts it again
                assert worker.exit_code == 70
                run.start("w")
            await run.assert_exact(within_s=90)


@pytest.mark.parametrize("how", ["stop", "kill", "freeze"])
@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
def test_counts_are_exact_when_the_broker_is_away_for_a_while(tmp_path: Path, guarantee: str, how: str) -> None:
    asyncio.run(_survives(tmp_path, guarantee, how))
