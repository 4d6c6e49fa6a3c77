"""What a deployment asks to hear: nothing of the time before it began, and changes of tier as they happen."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.cluster import PARTITIONS, running_cluster
from tests.support.small import DAY, SECOND
from tests.support.stories import Told, brief, happened, shown_day, tell, told_by

MODEL = """\
model: fading
version: 1
lateness: 1d
rules:
  - {rule: demo, when: {type: demo.requested}, points: 64, decay: {half_life: 10d}}
tiers: {cold: 0, warm: 16, hot: 32}
qualify: {when: {score: {at_least: 64}}, rearm: {score: {less_than: 32}}}
"""
SINCE = 10
A_SECOND = SECOND / DAY
"""In days. After each half-life the points are exactly at the next threshold, and reach it still; one second later they do not."""

STORY = (
    happened("old", "demo.requested", 1),
    happened("edge", "demo.requested", SINCE - 0.5),
    happened("on time", "demo.requested", SINCE),
    happened("new", "demo.requested", 12),
    happened("old", "demo.requested", 35),
)
UNTIL = 36


def _by_timer(contact: str, kind: str, sequence: int, number: float, score: float, tier: str) -> tuple[object, ...]:
    return contact, kind, sequence, "timer", shown_day(number + A_SECOND), score, tier


def _by_demo(contact: str, kind: str, sequence: int, number: float, score: float = 64.0) -> tuple[object, ...]:
    return contact, kind, sequence, "demo.requested", shown_day(number), score, "hot"


def _fades(contact: str, number: float, tier_changes: int) -> list[tuple[object, ...]]:
    """Return what is told of a fading contact that asked for a demo on that day, and was told hot by that many changes."""
    return [
        _by_timer(contact, "lead.tier_changed", tier_changes + 1, number + 10, 31.9, "warm"),
        _by_timer(contact, "lead.tier_changed", tier_changes + 2, number + 20, 15.9, "cold"),
    ]


def _cools(contact: str, sequence: int, number: float) -> tuple[object, ...]:
    return _by_timer(contact, "lead.cooled", sequence, number + 10, 31.9, "warm")


EXPECTED = {
    # Ready and hot before the deployment wanted to hear: neither that is told, nor the end of it. Its tiers are, by their own time.
    "old": [
        *_fades("old", 1, 1),
        # of the first 64 points 64 * 2**-3.4 = 6.06 are left on day 35
        _by_demo("old", "lead.sales_ready", 2, 35, 70.0),
        _by_demo("old", "lead.tier_changed", 4, 35, 70.0),
    ],
    # Its end falls into the time that is told, its beginning does not.
    "edge": _fades("edge", SINCE - 0.5, 1),
    "on time": [
        _by_demo("on time", "lead.sales_ready", 1, SINCE),
        _by_demo("on time", "lead.tier_changed", 1, SINCE),
        _cools("on time", 1, SINCE),
        *_fades("on time", SINCE, 1),
    ],
    "new": [
        _by_demo("new", "lead.sales_ready", 1, 12),
        _by_demo("new", "lead.tier_changed", 1, 12),
        _cools("new", 1, 12),
        *_fades("new", 12, 1),
    ],
}


def _said_of(told: list[Told], contact: str) -> list[tuple[object, ...]]:
    return brief([one for one in told if one["contact_id"] == contact], "cause", "at", "score", "tier")


async def _told(brokers: str, directory: Path) -> None:
    model = directory / "fading.yaml"
    model.write_text(MODEL, "utf-8")
    options = {"LEADSCORE_EMIT_SINCE": shown_day(SINCE), "LEADSCORE_PUBLISH_TIERS": "true"}
    async with running_cluster(brokers, directory, model=str(model), **options) as cluster:
        cluster.start("worker")
        await cluster.wait_ready("worker", partitions=PARTITIONS)
        await tell(cluster, *STORY[:2], until=15)
        cluster.strike("worker", wipe=True)  # what was kept back is remembered
        await cluster.wait_ready("worker", partitions=PARTITIONS)
        await tell(cluster, *STORY[2:], until=UNTIL + 1)
        told = await told_by(cluster)
        for contact, expected in EXPECTED.items():
            assert sorted(_said_of(told, contact), key=str) == sorted(expected, key=str), contact
            numbers = [one["sequence"] for one in told if one["contact_id"] == contact and "tier_" in one["kind"]]
            assert numbers == sorted(numbers), "changes of tier are told in their order"
        assert {one["contact_id"] for one in told} == set(EXPECTED)
        (ready, tier) = [one for one in told if one["contact_id"] == "new" and one["at"] == shown_day(12)]
        assert (ready["previous_score"], ready["previous_tier"]) == (0, "cold")
        assert (tier["previous_score"], tier["previous_tier"]) == (64.0, "hot"), "of the one before, of any kind"
        await cluster.stop()


@pytest.mark.timeout(120)
def test_a_deployment_hears_of_its_own_time_only_and_of_tiers_if_it_asks(brokers: str, tmp_path: Path) -> None:
    """If this fails, a replayed year floods sales with old leads, or a lead ends that had never begun for them."""
    asyncio.run(_told(brokers, tmp_path))
