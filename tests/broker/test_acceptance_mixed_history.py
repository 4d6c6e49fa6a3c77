"""Two models, and all that can happen to a contact, in disorder, through a worker that is killed: as if a file had been replayed."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import orjson
import pytest

from tests.support.mixed_history import mixed_history
from tests.support.mixed_run import Replayed, replayed_mixed, run_mixed
from tests.support.striking import Strike

RATE = 4_000


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    """Three months of a small company, and their replay."""
    history = mixed_history(seed=11, contacts=420, days=90)
    return asyncio.run(replayed_mixed(history, tmp_path_factory.mktemp("replay")))


def test_the_mixed_history_has_something_of_everything(replayed: Replayed) -> None:
    """Otherwise the runs below could agree about nothing."""
    told = [orjson.loads(value) for values in replayed.told.values() for value in values]
    causes = Counter(one["cause"] for one in told)
    assert {"contact.erased", "contact.updated", "score.adjusted", "timer", "sales.rejected"} <= set(causes)
    assert sum("epoch" in one for one in told) > 3, "somebody became ready again after an erasure"
    counted = ("late", "duplicate", "without_effect", "adjustments_ignored", "attributes_dropped")
    assert min(replayed.counts[what] for what in counted) > 5
    assert len(told) > 200


@pytest.mark.timeout(180)
@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
def test_a_killed_worker_with_two_models_ends_where_a_replay_ends(
    brokers: str, tmp_path: Path, replayed: Replayed, guarantee: str
) -> None:
    """If this fails, what a model was tuned on is not what runs, or an erasure and a power cut together bring somebody back."""
    kill = Strike("worker", after=0.3, is_wiped=True, is_early=False)
    run = run_mixed(brokers, tmp_path, replayed, guarantee=guarantee, workers=("worker",), strikes=[kill], rate=RATE)
    assert asyncio.run(run)["kills"] == 1
