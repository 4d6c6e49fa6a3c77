"""Two models, and all that can happen to a contact, in disorder, through a worker that is killed: as if a file had been replayed."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import orjson
import pytest

from tests.support.cluster import PARTITIONS, Cluster, running_cluster
from tests.support.comparing import (
    Expected,
    Records,
    as_file,
    check_rows,
    compare_told,
    differing_rows,
    listed,
    of_model,
    replayed_together,
    without_coordinates,
)
from tests.support.feeding import Feed
from tests.support.history_run import end_marks, sent_records
from tests.support.kafka import read_all
from tests.support.mixed_history import MODELS, History, mixed_history
from worker.replay import replay_lines
from worker.scoring.model_file import load_models
from worker.stream.dump import dump_scores


class Replayed(NamedTuple):
    """A history, and what a replay makes of it."""

    history: History
    parts: list[Expected]  # one a model
    told: dict[str, Counter[bytes]]  # whole transitions by model, without where their events lay
    counts: Counter[str]  # what happened to events, over both models


@pytest.fixture(scope="module")
def replayed(tmp_path_factory: pytest.TempPathFactory) -> Replayed:
    """The history replayed by the command line, and read whole in memory."""
    history = mixed_history(seed=11, contacts=420, days=90)
    directory = tmp_path_factory.mktemp("replay")
    parts = asyncio.run(replayed_together(history.lines, MODELS, directory, end_ms=history.end_ms))
    whole = replay_lines(load_models(MODELS), history.lines, history.end_ms)
    told = {name: without_coordinates(values) for name, values in whole.transitions.items()}
    counts: Counter[str] = Counter()
    for (what, _), n in whole.counts.items():
        counts[what] += n
    return Replayed(history, parts, told, counts)


async def _run(brokers: str, directory: Path, guarantee: str, replayed: Replayed) -> None:
    history = replayed.history
    async with running_cluster(brokers, directory, model=",".join(MODELS), guarantee=guarantee) as cluster:
        cluster.start("worker")
        await cluster.wait_ready("worker", partitions=PARTITIONS)
        lateness_ms = max(part.model.lateness_ms for part in replayed.parts)
        records = sent_records(history.lines) + end_marks(history.end_ms + lateness_ms)
        feed = Feed(brokers, cluster.source, records, rate=4_000)
        async with feed.running():
            await feed.reached(len(records) // 2)
            cluster.strike("worker", wipe=True)
            await feed.reached(len(records))
        await cluster.settled()
        await _compare(cluster, replayed, directory / "dump", repeats=guarantee != "exactly_once")
        await cluster.stop()


async def _compare(cluster: Cluster, replayed: Replayed, folder: Path, *, repeats: bool) -> None:
    await dump_scores(cluster.settings, folder, replayed.history.end_ms)
    qualifications = await read_all(cluster.brokers, cluster.qualifications)
    scores = await read_all(cluster.brokers, cluster.scores)
    for part in replayed.parts:
        name = part.model.name
        dumped = (folder / name / "scores.csv").read_bytes()
        assert dumped == part.scores, f"{name}:\n{listed(differing_rows(part.scores, dumped))}"
        told = of_model(qualifications, name)
        found = compare_told(part, told)
        assert (found.lost, found.doubled, found.unequal, found.misplaced) == ([], [], [], []), name
        whole = without_coordinates({record.value: None for records in told.values() for record in records})
        assert whole == replayed.told[name], "whole transitions: reasons, attributes, what was told before"
        if not repeats:
            assert as_file(told) == part.transitions
        rows = check_rows(part, scores, sample=0, seed=1)
        assert rows.checked > 100
        assert not rows.wrong, f"{len(rows.wrong)} rows of {name}:\n{listed(rows.wrong)}"
    _assert_erased_rows_are_gone(replayed, scores)


def _assert_erased_rows_are_gone(replayed: Replayed, scores: Records) -> None:
    """Whom no model knows any more has a tombstone for a last row."""
    known = {line.split(b",", 1)[0] for part in replayed.parts for line in part.scores.splitlines()[1:]}
    last = {record.key: record.value for records in scores.values() for record in records}
    assert {key for key, value in last.items() if value is not None} <= known
    assert any(value is None for value in last.values())


def test_the_mixed_history_has_something_of_everything(replayed: Replayed) -> None:
    """Otherwise the runs below could agree about nothing."""
    causes = Counter(orjson.loads(value)["cause"] for told in replayed.told.values() for value in told)
    assert {"contact.erased", "contact.updated", "timer", "sales.rejected", "demo.requested"} <= set(causes)
    epochs = [orjson.loads(value).get("epoch") for told in replayed.told.values() for value in told]
    assert sum(epoch is not None for epoch in epochs) > 3, "somebody became ready again after an erasure"
    assert min(replayed.counts[what] for what in ("late", "duplicate", "adjustments_ignored", "attributes_dropped")) > 5
    assert sum(map(Counter.total, replayed.told.values())) > 200
    print(json.dumps({"events": len(replayed.history.lines), "causes": causes, "counts": replayed.counts}))


@pytest.mark.timeout(180)
@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
def test_a_killed_worker_with_two_models_ends_where_a_replay_ends(
    brokers: str, tmp_path: Path, replayed: Replayed, guarantee: str
) -> None:
    """If this fails, what a model was tuned on is not what runs, or an erasure and a power cut together bring somebody back."""
    asyncio.run(_run(brokers, tmp_path, guarantee, replayed))
