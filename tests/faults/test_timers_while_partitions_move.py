"""Nothing but time passes, and partitions move all the while: every lead cools at its own instant, once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path

import orjson
import pytest

from tests.support.cluster import PARTITIONS, running_cluster
from tests.support.comparing import compare_told, differing_rows, listed, replayed
from tests.support.feeding import Feed, send_now
from tests.support.history_run import end_marks, sent_records
from tests.support.kafka import Sent, read_all
from tests.support.simulated import MODEL, START_MS
from worker.contracts.instants import MS_PER_DAY, MS_PER_HOUR, format_instant
from worker.scoring.model_file import load_model

CONTACTS = 6000
DAYS_OF_EVENTS = 30
QUIET_DAYS = 125  # the last of the model's steps, at 120 days, comes for everybody
MOVES = 4
MARKS_A_SECOND = 50


def demo_requests() -> list[bytes]:
    """One event a contact, spread over a month; each makes its contact ready, and idleness cools all of them."""
    step_ms = DAYS_OF_EVENTS * MS_PER_DAY // CONTACTS
    return [
        orjson.dumps(
            {
                "id": f"demo-{number}",
                "contact_id": f"contact-{number}",
                "type": "demo.requested",
                "occurred_at": format_instant(START_MS + number * step_ms),
            }
        )
        for number in range(CONTACTS)
    ]


async def _moves_while_time_passes(brokers: str, directory: Path, guarantee: str) -> dict[str, object]:
    lines, lateness_ms = demo_requests(), load_model(MODEL).lateness_ms
    end_ms = START_MS + (DAYS_OF_EVENTS + QUIET_DAYS) * MS_PER_DAY
    expected = await replayed(lines, MODEL, directory / "replay", end_ms=end_ms)
    began_ms = START_MS + DAYS_OF_EVENTS * MS_PER_DAY
    marks: list[Sent] = []
    for at_ms in range(began_ms, end_ms + 1, 12 * MS_PER_HOUR):
        marks += end_marks(at_ms + lateness_ms)
    async with running_cluster(brokers, directory, model=MODEL, guarantee=guarantee) as cluster:
        cluster.start("stays", is_static=False)
        await cluster.wait_ready("stays", partitions=PARTITIONS)
        await send_now(brokers, cluster.source, sent_records(lines))
        feed = Feed(brokers, cluster.source, marks, rate=MARKS_A_SECOND)
        async with feed.running():
            for move in range(1, MOVES + 1):
                feed.gate = len(marks) * move // (MOVES + 1)
                cluster.start("comes and goes", is_static=False)
                await cluster.wait_ready("comes and goes", partitions=PARTITIONS // 2)
                await feed.reached(feed.gate)
                await cluster.leave("comes and goes")
            feed.gate = len(marks)
        await cluster.settled()
        await cluster.command("contact", "dump", "--as-of", "END", "--out", str(directory / "dump"))
        scores = (directory / "dump" / "scores.csv").read_bytes()
        assert scores == expected.scores, listed(differing_rows(expected.scores, scores))
        told = compare_told(expected, await read_all(brokers, cluster.qualifications))
        assert (told.lost, told.doubled, told.unequal) == ([], [], [])
        assert told.records - told.repeated == 2 * CONTACTS, "each was ready once and cooled once"
        if guarantee == "exactly_once":
            assert told.repeated == 0
        rebalances, restarts = cluster.count_logged("partitions_assigned"), cluster.restarts
        await cluster.stop()
    return {
        "guarantee": guarantee,
        "contacts": CONTACTS,
        "transitions": told.records,
        "repeated": told.repeated,
        "rebalances": rebalances,
        "restarts": restarts,
    }


@pytest.mark.faults
@pytest.mark.timeout(300)
@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
def test_each_lead_cools_once_when_partitions_move_while_timers_fire(
    brokers: str, tmp_path: Path, report: Callable[[Mapping[str, object]], None], guarantee: str
) -> None:
    """If this fails, leads stay ready for ever after a deployment, and nobody is told."""
    report(asyncio.run(_moves_while_time_passes(brokers, tmp_path, guarantee)))
