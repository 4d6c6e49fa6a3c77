"""The broker goes, or stands still: workers wait."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.conftest import Report
from tests.support.faults.choices import GUARANTEES, SEED
from tests.support.faults.load import draw_load
from tests.support.faults.nodes import broker_away, broker_frozen
from tests.support.faults.plan import carry_out, draw_plan
from tests.support.faults.run import FaultRun, run_faults
from tests.support.kafka import wait_until
from worker.demo.broker import EmbeddedBroker

pytestmark = pytest.mark.faults


@pytest.fixture
def broker() -> Iterator[EmbeddedBroker]:
    """A broker of one's own, to be hurt."""
    with EmbeddedBroker() as own:
        yield own


@pytest.mark.parametrize("is_killed", [False, True], ids=["SIGTERM", "SIGKILL"])
@GUARANTEES
def test_b02_workers_wait_for_a_broker_that_is_away(
    broker: EmbeddedBroker, tmp_path: Path, report: Report, guarantee: str, is_killed: bool
) -> None:
    """If this fails, an upgrade of Kafka ends the scoring, or changes a score."""

    async def story(run: FaultRun) -> None:
        run.cluster.is_steadfast = True
        await carry_out(
            run, draw_plan(SEED, [broker_away(broker, seconds, is_killed=is_killed) for seconds in (3, 25)])
        )

    figures = asyncio.run(
        run_faults(
            broker.bootstrap_servers,
            tmp_path,
            "B02",
            story,
            load=draw_load(SEED, 8_000),
            guarantee=guarantee,
            forgives=True,
            patience_s=120.0,
        )
    )
    report(figures.as_document())


@GUARANTEES
def test_b02_a_worker_that_starts_before_its_broker_waits_or_asks_to_be_started_again(
    broker: EmbeddedBroker, tmp_path: Path, report: Report, guarantee: str
) -> None:
    """If this fails, a data centre that comes up in the wrong order needs a person."""

    async def story(run: FaultRun) -> None:
        run.cluster.is_steadfast = True
        await asyncio.to_thread(broker.stop)
        run.start("east", "west")
        started = list(run.cluster.workers.values())
        await wait_until(lambda: all(one.log_text() for one in started), within_s=30, what="a word of each worker")
        await asyncio.sleep(10.0)  # the fault
        await asyncio.to_thread(broker.start)
        await run.wait_ready("east", "west")
        run.figures.faults.append("broker down at start")

    figures = asyncio.run(
        run_faults(
            broker.bootstrap_servers,
            tmp_path,
            "B02",
            story,
            load=draw_load(SEED, 3_000),
            guarantee=guarantee,
            workers=(),
            forgives=True,
            patience_s=120.0,
        )
    )
    report(figures.as_document())


@GUARANTEES
def test_b03_a_broker_that_stands_still_has_no_double_effect(
    broker: EmbeddedBroker, tmp_path: Path, report: Report, guarantee: str
) -> None:
    """If this fails, a pause of the broker's machine tells sales twice."""

    async def story(run: FaultRun) -> None:
        await carry_out(run, draw_plan(SEED, [broker_frozen(broker, seconds) for seconds in (3, 12)]))

    figures = asyncio.run(
        run_faults(
            broker.bootstrap_servers,
            tmp_path,
            "B03",
            story,
            load=draw_load(SEED, 8_000),
            guarantee=guarantee,
            forgives=True,
            patience_s=120.0,
        )
    )
    report(figures.as_document())
