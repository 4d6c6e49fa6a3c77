"""Clocks that are wrong, and jump while the worker runs: scores are made of event time, and timers stay sane."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.faults.conftest import Report
from tests.support.faults.choices import GUARANTEES, SEED, STORES, StoreNamed
from tests.support.faults.load import draw_load
from tests.support.faults.plan import Fault, carry_out, draw_plan, kill
from tests.support.faults.run import FaultRun, run_faults
from tests.support.mortal_worker import CLOCK_OFF_BY

pytestmark = pytest.mark.faults
_DAYS_S, _HOUR_S = 2 * 86_400, 3_600


def clock_off(home: Path, seconds: int) -> Fault:
    """The wall clock of the worker that lives in *home* is off by *seconds* from now on."""

    async def act(_: FaultRun) -> None:
        new = home / "clock.new"
        new.write_text(str(seconds), "utf-8")
        new.replace(home / CLOCK_OFF_BY)

    return Fault(f"clock of {home.name} {seconds:+} s", act)


@GUARANTEES
@STORES
@pytest.mark.parametrize("time", ["wall", "stream"])
def test_t01_a_clock_that_is_wrong_and_jumps_changes_no_score(
    brokers: str, tmp_path: Path, report: Report, store_named: StoreNamed, guarantee: str, store: str, time: str
) -> None:
    """If this fails, a virtual machine that wakes up with last month's clock changes whom sales calls."""
    east, west = tmp_path / "east", tmp_path / "west"

    async def story(run: FaultRun) -> None:
        faults = [
            clock_off(east, _DAYS_S),
            clock_off(west, -_HOUR_S),
            kill("east"),
            clock_off(east, -_HOUR_S),
            clock_off(west, _DAYS_S),
        ]
        await carry_out(run, draw_plan(SEED, faults))

    run = run_faults(
        brokers,
        tmp_path,
        "T01",
        story,
        load=draw_load(SEED, 8_000),
        guarantee=guarantee,
        store=store_named(store),
        is_mortal=True,
        LEADSCORE_TIME=time,
    )
    report(asyncio.run(run).as_document())
