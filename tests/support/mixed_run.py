"""A mixed history through Kafka into workers that are killed, and everything they wrote beside a replay, model by model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

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
from tests.support.mixed_history import MODELS, History
from tests.support.striking import Strike, carry_out
from worker.operations.dump import dump_scores
from worker.replay import replay_lines
from worker.scoring.model_file import load_models


class Replayed(NamedTuple):
    """A history, and what a replay makes of it."""

    history: History
    parts: list[Expected]  # one a model
    told: dict[str, Counter[bytes]]  # whole transitions by model, without where their events lay
    counts: Counter[str]  # what happened to events, over all models


async def replayed_mixed(history: History, directory: Path) -> Replayed:
    """Replay *history* by the command line, and once more in memory for the whole transitions."""
    parts = await replayed_together(history.lines, MODELS, directory, end_ms=history.end_ms)
    whole = replay_lines(load_models(MODELS), history.lines, history.end_ms)
    told = {name: without_coordinates(values) for name, values in whole.transitions.items()}
    counts: Counter[str] = Counter()
    for (what, _), n in whole.counts.items():
        counts[what] += n
    return Replayed(history, parts, told, counts)


async def run_mixed(
    brokers: str,
    directory: Path,
    replayed: Replayed,
    *,
    guarantee: str,
    workers: Sequence[str],
    strikes: Sequence[Strike],
    rate: float,
) -> dict[str, object]:
    """
    Send the history and its end to *workers*, carry out *strikes*, and compare what was written with the replay.

    Raises:
        AssertionError: Something differs.
    """
    history = replayed.history
    async with running_cluster(brokers, directory, model=",".join(MODELS), guarantee=guarantee) as cluster:
        cluster.is_mortal = True
        for name in workers:
            cluster.start(name)
        for name in workers:
            await cluster.wait_ready(name, partitions=PARTITIONS // len(workers))
        lateness_ms = max(part.model.lateness_ms for part in replayed.parts)
        records = sent_records(history.lines) + end_marks(history.end_ms + lateness_ms)
        feed = Feed(brokers, cluster.source, records, rate=rate)
        async with feed.running():
            landed = await carry_out(strikes, cluster, feed)
        await cluster.settled()
        repeated = await _compare(cluster, replayed, directory / "dump", is_exact=guarantee == "exactly_once")
        await cluster.stop()
    return {
        "guarantee": guarantee,
        "events": len(history.lines),
        "kills": len(landed),
        "inside": [one.step for one in landed if one.step],
        "repeated": repeated,
    }


async def _compare(cluster: Cluster, replayed: Replayed, folder: Path, *, is_exact: bool) -> int:
    """Compare, and return how many transitions were told again."""
    await dump_scores(cluster.settings, folder, replayed.history.end_ms)
    qualifications = await read_all(cluster.brokers, cluster.qualifications)
    scores = await read_all(cluster.brokers, cluster.scores)
    repeated = 0
    for part in replayed.parts:
        name = part.model.name
        dumped = (folder / name / "scores.csv").read_bytes()
        assert dumped == part.scores, f"{name}:\n{listed(differing_rows(part.scores, dumped))}"
        told = of_model(qualifications, name)
        found = compare_told(part, told)
        assert (found.lost, found.doubled, found.unequal, found.misplaced) == ([], [], [], []), name
        # Repeats are equal to the byte, which was just seen, so one of each is enough.
        whole = without_coordinates({record.value for records in told.values() for record in records})
        assert whole == replayed.told[name], f"{name}: reasons, attributes, or what was told before"
        if is_exact:
            assert as_file(told) == part.transitions
        rows = check_rows(part, scores, sample=0, seed=1)
        assert rows.checked > 100
        assert not rows.wrong, f"{len(rows.wrong)} rows of {name}:\n{listed(rows.wrong)}"
        repeated += found.repeated
    _assert_erased_rows_are_gone(replayed, scores)
    return repeated


def _assert_erased_rows_are_gone(replayed: Replayed, scores: Records) -> None:
    """Whom no model knows any more has a tombstone for a last row."""
    known = {line.split(b",", 1)[0] for part in replayed.parts for line in part.scores.splitlines()[1:]}
    last = {record.key: record.value for records in scores.values() for record in records}
    assert {key for key, value in last.items() if value is not None} <= known
    assert any(value is None for value in last.values())
