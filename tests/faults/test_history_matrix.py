"""
The whole recorded history, in each guarantee: in peace, killed on the same disk, and killed with the disk wiped each time.

LEADSCORE_TEST_SEED draws another schedule of kills; the figures of a run name the seed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.support.comparing import Expected, replayed
from tests.support.faults.crash_points import STEPS
from tests.support.history_run import WORKERS, Scenario, run_history
from tests.support.recorded import LOANS, recorded_lines
from tests.support.striking import Wipes, draw_strikes

KILLS = 6
RATE = 6000
SEED = int(os.environ.get("LEADSCORE_TEST_SEED", "1"))


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Expected:
    """All events of the recording, and their replay."""
    return asyncio.run(replayed(recorded_lines(), str(LOANS), tmp_path_factory.mktemp("replay")))


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
@pytest.mark.parametrize(
    ("kills", "wipes"),
    [(0, "never"), (KILLS, "never"), (KILLS, "always")],
    ids=["no kill", "killed, same disk", "killed, wiped disk"],
)
def test_a_history_ends_where_its_replay_ends(
    brokers: str,
    tmp_path: Path,
    expected: Expected,
    report: Callable[[Mapping[str, object]], None],
    guarantee: str,
    kills: int,
    wipes: Wipes,
) -> None:
    """If this fails, sales calls the wrong people, or the right ones twice, after a power cut."""
    strikes = draw_strikes(SEED, WORKERS, kills, wipes, STEPS[guarantee])
    rate = RATE if kills else 0.0
    scenario = Scenario(expected, guarantee, strikes, rate, SEED, within_s=300.0)
    figures = asyncio.run(run_history(brokers, tmp_path, scenario))
    report(figures.as_document())
    assert figures.transitions > 1000
