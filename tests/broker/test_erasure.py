"""A contact asks to be forgotten: what is left afterwards, through crashes and on a lost disk, is that there was an erasure."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from pathlib import Path

import orjson
import pytest

from tests.support.cluster import PARTITIONS, Cluster, running_cluster
from tests.support.feeding import send_now
from tests.support.kafka import Sent, read_all
from tests.support.stories import (
    Told,
    brief,
    compacted,
    day,
    happened,
    scores_by_contact,
    scores_of,
    shown_day,
    tell,
    told_by,
)
from tests.support.worker_process import ERASURE_KEY
from worker.contracts.partitioner import partition_of

MODEL = """\
model: vault
version: 1
lateness: 3d
groups:
  fit: {cap: 40}
rules:
  - {rule: form, when: {type: form.submitted}, points: 60, once_per: properties.form}
  - {rule: decides, group: fit, when: {attributes.seniority: {starts_with: c-level}}, points: 45}
qualify:
  when: {score: {at_least: 100}}
  rearm: {score: {less_than: 50}}
  require: [attributes.email]
  include: [attributes.email]
"""
JANE = "jane-of-canary-street"
CANARIES = (JANE.encode(), b"c-level of canaries", b"jane@canary.example", b"canary form")
"""All that is personal about her, and occurs nowhere else."""
GRAVE = b"\x01" + hashlib.blake2b(JANE.encode(), key=ERASURE_KEY.encode(), digest_size=16).digest()
ERASED_DAY = 5
LARA = "lara-of-another-street"
NEIGHBOUR = next(
    name for n in range(100) if partition_of((name := f"neighbour-{n}").encode(), 4) == partition_of(JANE.encode(), 4)
)
"""Somebody else in her partition."""


def _updated(number: float) -> bytes:
    return happened(JANE, "contact.updated", number, seniority="c-level of canaries", email="jane@canary.example")


def _form(number: float, name: str = "canary form") -> bytes:
    return happened(JANE, "form.submitted", number, f"{name}@{number}", form=name)


BEFORE = (_updated(1), _form(2), happened(NEIGHBOUR, "form.submitted", 2, form="other"))
READY = (JANE, "lead.sales_ready", 1, "form.submitted", None, 100.0, shown_day(2))
COOLED = (JANE, "lead.cooled", 1, "contact.erased", None, None, shown_day(ERASED_DAY))
READY_AGAIN = (JANE, "lead.sales_ready", 1, "form.submitted", day(ERASED_DAY), 100.0, shown_day(7))


async def _distinct(cluster: Cluster) -> Sequence[tuple[object, ...]]:
    """Return what sales was told, repeats left out; they are equal to the byte."""
    first: dict[str, Told] = {}
    for one in await told_by(cluster):
        assert first.setdefault(one["id"], one) == one
    return brief(list(first.values()), "cause", "epoch", "score", "at")


async def _only_the_grave_is_left(cluster: Cluster) -> None:
    """Compaction leaves a keyed hash and an instant of her; nothing that the outside reads knows her any more."""
    rows = await compacted(cluster.brokers, cluster.settings.changelog_topic)
    left = [(row.key, canary) for row in rows for canary in CANARIES if canary in row.key + row.value]
    assert left == []
    (grave,) = [row for row in rows if row.key[0] == 1]
    assert (grave.partition, grave.key) == (partition_of(JANE.encode(), PARTITIONS), GRAVE)
    assert day(ERASED_DAY).to_bytes(8, "big") in grave.value
    assert len(grave.value) < 60, "no room for more"
    assert {row.key.decode() for row in rows if row.key[0] > 1} == {NEIGHBOUR}
    scores = await compacted(cluster.brokers, cluster.scores)
    assert scores_by_contact(scores, "vault") == {NEIGHBOUR: 60.0}
    (last,) = [
        records[-1].value
        for records in (await read_all(cluster.brokers, cluster.scores)).values()
        if records and records[-1].key == JANE.encode()
    ]
    assert last is None, "whoever reads scores hears of it"


async def _erased(brokers: str, directory: Path, guarantee: str, step: str) -> None:
    model = directory / "vault.yaml"
    model.write_text(MODEL, "utf-8")
    async with running_cluster(brokers, directory, model=str(model), guarantee=guarantee) as cluster:
        cluster.is_mortal = True
        cluster.start("worker")
        await cluster.wait_ready("worker", partitions=PARTITIONS)
        await tell(cluster, *BEFORE)
        assert await _distinct(cluster) == [READY]

        victim = cluster.doom("worker", step)
        erasing = asyncio.create_task(tell(cluster, happened(JANE, "contact.erased", ERASED_DAY)))
        assert await victim.wait_ended() == -9, "it died with the erasure in its hands"
        cluster.strike("worker", wipe=False)
        await erasing
        assert await _distinct(cluster) == [READY, COOLED]
        await _says_nothing_else(cluster)
        await _only_the_grave_is_left(cluster)

        await tell(cluster, _form(4, "canary form of before"), _updated(ERASED_DAY))
        if guarantee == "at_least_once":
            await _a_worker_that_was_cut_off_writes_her_row(cluster)
        cluster.strike("worker", wipe=True)
        await cluster.wait_ready("worker", partitions=PARTITIONS)
        await tell(cluster, _form(4.5, "another canary form"), _updated(3))
        assert await _distinct(cluster) == [READY, COOLED]
        await _only_the_grave_is_left(cluster)
        assert await scores_of(cluster, 5, directory / "none") == {NEIGHBOUR: 60.0}

        await tell(cluster, _updated(6), _form(7))
        assert await _distinct(cluster) == [READY, COOLED, READY_AGAIN], "a stranger who became ready"
        assert await scores_of(cluster, 7, directory / "again") == {JANE: 100.0, NEIGHBOUR: 60.0}
        ids = {one["id"] for one in await told_by(cluster)}
        assert len(ids) == 3, "the first of a new life is no repeat of the first of the old one"
        if guarantee == "exactly_once":
            await _erased_in_part(cluster, directory / "in part")
        await cluster.stop()


async def _erased_in_part(cluster: Cluster, directory: Path) -> None:
    """An erasure that comes late takes what is older, and leaves what is newer and in the window."""
    await tell(
        cluster,
        happened(LARA, "contact.updated", 10, seniority="c-level of canaries", email="jane@canary.example"),
        happened(LARA, "form.submitted", 11, form="canary form"),
        happened(LARA, "form.submitted", 13, form="newer form"),
        happened(LARA, "contact.erased", 12),
    )
    told = brief([one for one in await told_by(cluster) if one["contact_id"] == LARA], "score", "at")
    assert told == [
        (LARA, "lead.sales_ready", 1, 100.0, shown_day(11)),
        (LARA, "lead.cooled", 1, None, shown_day(13)),  # not before the newest that was known
    ]
    rows = await compacted(cluster.brokers, cluster.settings.changelog_topic)
    (kept,) = [row for row in rows if row.key == LARA.encode()]
    assert not any(canary in kept.value for canary in CANARIES)
    assert LARA not in scores_by_contact(await compacted(cluster.brokers, cluster.scores), "vault"), (
        "the score that was published was made of what is to be forgotten"
    )
    assert (await scores_of(cluster, 13, directory))[LARA] == 60.0
    await tell(cluster, happened(LARA, "form.submitted", 14, form="canary form"))
    assert scores_by_contact(await compacted(cluster.brokers, cluster.scores), "vault")[LARA] == 120.0


async def _a_worker_that_was_cut_off_writes_her_row(cluster: Cluster) -> None:
    """Without transactions nothing keeps it from that, behind the tombstone."""
    topic = cluster.settings.changelog_topic
    rows = [row for each in (await read_all(cluster.brokers, topic)).values() for row in each]
    row = next(row for row in reversed(rows) if row.key == JANE.encode() and row.value is not None)
    await send_now(cluster.brokers, topic, [Sent(row.partition, row.key, row.value)])


async def _says_nothing_else(cluster: Cluster) -> None:
    """The last word to sales names the lead and no more."""
    values = [
        record.value for each in (await read_all(cluster.brokers, cluster.qualifications)).values() for record in each
    ]
    for value in values:
        told = orjson.loads(value)
        if told["cause"] == "contact.erased":
            allowed = {"id", "kind", "schema", "contact_id", "model", "version", "digest", "sequence", "cause", "at"}
            assert told.keys() == allowed
            assert not any(canary in value for canary in CANARIES[1:])


async def _with_each_guarantee(brokers: str, directory: Path) -> None:
    """Side by side, since they wait most of the time; each dies at the step of its round that is the hardest to mend."""
    steps = {"exactly_once": "committed", "at_least_once": "published"}
    for guarantee in steps:
        (directory / guarantee).mkdir()
    await asyncio.gather(*(_erased(brokers, directory / one, one, step) for one, step in steps.items()))


@pytest.mark.timeout(180)
def test_an_erased_contact_stays_forgotten(brokers: str, tmp_path: Path) -> None:
    """If this fails, somebody who asked to be forgotten is called again, and a court will ask how."""
    asyncio.run(_with_each_guarantee(brokers, tmp_path))
