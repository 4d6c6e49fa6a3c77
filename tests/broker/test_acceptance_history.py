"""A recorded history through Kafka into two workers that are killed again and again: as if a file had been replayed in peace."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.support.comparing import Expected, replayed
from tests.support.faults.crash_points import STEPS
from tests.support.history_run import WORKERS, Scenario, run_history
from tests.support.recorded import LOANS, recorded_lines
from tests.support.striking import draw_strikes

EVENTS = 20_000
KILLS = 6
RATE = 1500


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> Expected:
    """The first events of the recording, and their replay."""
    return asyncio.run(replayed(recorded_lines(EVENTS), str(LOANS), tmp_path_factory.mktemp("replay")))


@pytest.mark.timeout(240)
@pytest.mark.parametrize(("guarantee", "seed"), [("exactly_once", 15), ("at_least_once", 15)])
def test_workers_killed_six_times_end_where_a_replay_ends(
    brokers: str, tmp_path: Path, expected: Expected, guarantee: str, seed: int
) -> None:
    """If this fails, sales calls the wrong people, or the right ones twice, after every power cut."""
    strikes = draw_strikes(seed, WORKERS, KILLS, "every other", STEPS[guarantee])
    scenario = Scenario(expected, guarantee, strikes, RATE, seed)
    figures = asyncio.run(run_history(brokers, tmp_path, scenario))
    print(json.dumps(figures.as_document()))
    assert figures.transitions > 100
    assert figures.rows_checked > 500
    assert figures.inside, "no kill fell into a round that told something"
    if "published" in figures.inside:
        assert figures.repeated > 0, "what was told before the changelog knew of it is told again"
