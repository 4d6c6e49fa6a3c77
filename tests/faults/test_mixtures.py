"""
Whatever may befall workers, drawn from a seed, on load with every nuisance; seeds that once failed are run again for ever.

LEADSCORE_TEST_SEED draws another mixture. Write a seed that fails into `regressions.txt`: seed, guarantee, store, and what it found.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.faults.conftest import Report
from tests.support.faults.choices import SEED, StoreNamed
from tests.support.faults.crash_points import STEPS
from tests.support.faults.load import EVERYTHING, draw_load
from tests.support.faults.plan import (
    Fault,
    carry_out,
    die_at,
    draw_plan,
    freeze,
    freeze_at,
    kill,
    kill_early,
    terminate,
)
from tests.support.faults.run import SESSION_S, FaultRun, run_faults

pytestmark = pytest.mark.faults
_FAULTS = 6
_WORKERS = ("east", "west", "north")


def known_seeds() -> list[tuple[int, str, str]]:
    """Return seed, guarantee and store of each line of the file; what follows says what it found."""
    lines = (Path(__file__).parent / "regressions.txt").read_text("utf-8").splitlines()
    rows = [line.split(maxsplit=3) for line in lines if line.strip() and not line.startswith("#")]
    return [(int(seed), guarantee, store) for seed, guarantee, store, *_ in rows]


def all_faults(guarantee: str) -> list[Fault]:
    """Return whatever may be drawn."""
    faults = []
    for name in _WORKERS:
        faults += [kill(name), kill(name, wipe=True), kill_early(name), terminate(name)]
        faults += [freeze(name, times * SESSION_S) for times in (0.5, 1.5)]
        faults += [freeze_at(name, step, 1.5 * SESSION_S) for step in STEPS[guarantee]]
        faults += [die_at(name, step, wipe=wipe) for step in STEPS[guarantee] for wipe in (False, True)]
    return faults


@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("seed", "guarantee", "store"),
    [(SEED, guarantee, "rocksdb") for guarantee in STEPS] + known_seeds(),
)
def test_v01_a_mixture_of_faults_neither_loses_nor_doubles(
    brokers: str, tmp_path: Path, report: Report, store_named: StoreNamed, seed: int, guarantee: str, store: str
) -> None:
    """If this fails, two faults that are each survived are not survived together."""

    async def story(run: FaultRun) -> None:
        await carry_out(run, draw_plan(seed, all_faults(guarantee), count=_FAULTS))

    run = run_faults(
        brokers,
        tmp_path,
        "V01",
        story,
        load=draw_load(seed, 10_000, nuisances=EVERYTHING),
        guarantee=guarantee,
        store=store_named(store),
        workers=_WORKERS,
        is_mortal=True,
    )
    report(asyncio.run(run).as_document())
