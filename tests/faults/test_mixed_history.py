"""
Everything that can happen to contacts, under two models, while two workers are killed again and again.

LEADSCORE_TEST_SEED draws another history and another schedule of kills; the figures of a run name the seed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.support.faults.crash_points import STEPS
from tests.support.history_run import WORKERS
from tests.support.mixed_history import mixed_history
from tests.support.mixed_run import Replayed, replayed_mixed, run_mixed
from tests.support.striking import draw_strikes

KILLS = 6
RATE = 1_200
SEED = int(os.environ.get("LEADSCORE_TEST_SEED", "1"))


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    """Half a year of a company, and its replay."""
    history = mixed_history(seed=SEED, contacts=900, days=120)
    return asyncio.run(replayed_mixed(history, tmp_path_factory.mktemp("replay")))


@pytest.mark.faults
@pytest.mark.timeout(600)
@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
def test_workers_with_two_models_end_where_a_replay_ends(
    brokers: str,
    tmp_path: Path,
    replayed: Replayed,
    report: Callable[[Mapping[str, object]], None],
    guarantee: str,
) -> None:
    """If this fails, an erasure, an answer of sales or a correction is lost or doubled by a power cut."""
    strikes = draw_strikes(SEED, WORKERS, KILLS, "every other", STEPS[guarantee])
    run = run_mixed(brokers, tmp_path, replayed, guarantee=guarantee, workers=WORKERS, strikes=strikes, rate=RATE)
    report(asyncio.run(run) | {"seed": SEED})
