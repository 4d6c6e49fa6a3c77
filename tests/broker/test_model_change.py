"""A model gets new versions while people are on their way: what they did stays, and sales hears only what it asked to hear."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.cluster import PARTITIONS, Cluster, running_cluster
from tests.support.mortal_worker import DIES_CARRYING, MortalWorker
from tests.support.stories import brief, compacted, happened, scores_of, shown_day, tell, told_by

_HEAD = """\
model: growth
version: {version}
lateness: 1d
groups:
  visits: {{decay: {{half_life: {half_life}}}}}
rules:
  - {{rule: form, when: {{type: form.submitted}}, points: 20, once_per: properties.form}}
"""
_VISIT = "  - {rule: visit, group: visits, when: {type: page.viewed}, points: 16}\n"
_CLICK = "  - {{rule: {name}, when: {{type: campaign.clicked}}, points: 7}}\n"
_QUALIFY = "qualify: {{when: {{score: {{at_least: {ready}}}}}, rearm: {{score: {{less_than: 30}}}}}}\n"


def _versions() -> dict[int, str]:
    """The second names a rule anew and lets visits fade faster; the third knows no visits, and is content with less."""
    click = _CLICK.format(name="old campaign")
    renamed = _CLICK.format(name="campaign")
    return {
        1: _HEAD.format(version=1, half_life="10d") + _VISIT + click + _QUALIFY.format(ready=50),
        2: _HEAD.format(version=2, half_life="5d") + _VISIT + renamed + _QUALIFY.format(ready=50),
        3: _HEAD.format(version=3, half_life="5d") + renamed + _QUALIFY.format(ready=40),
    }


FILLERS = 160
"""Contacts with one form each, so that carrying over takes several rounds in each partition."""
STORY = (
    *(happened("emma", "campaign.clicked", 0, f"click {n}") for n in range(5)),
    happened("emma", "form.submitted", 0, form="a"),
    happened("anna", "form.submitted", 0, form="a"),
    happened("anna", "page.viewed", 0),
    happened("bert", "form.submitted", 0, form="a"),
    happened("bert", "campaign.clicked", 0),
    happened("frank", "form.submitted", 1, form="a"),
    happened("frank", "form.submitted", 1, "second", form="b"),
    *(happened(f"filler-{n}", "form.submitted", 2, form="a") for n in range(FILLERS)),
    happened("anna", "page.viewed", 20),
    happened("dora", "form.submitted", 29, form="a"),
    happened("dora", "page.viewed", 29, "first"),
    happened("dora", "page.viewed", 29, "second"),
)
READY_AT_FIRST = [
    ("dora", "lead.sales_ready", 1, "page.viewed", 52.0, shown_day(29)),
    ("emma", "lead.sales_ready", 1, "form.submitted", 55.0, shown_day(0)),
]
UNTOUCHED = {f"filler-{n}": 20.0 for n in range(FILLERS)}
SCORES = {
    # anna at day 30: of the visit of day 0 three half-lives are over, of that of day 20 one
    1: {"anna": 20 + 2.0 + 8.0, "bert": 27.0, "emma": 55.0, "frank": 40.0},
    # six and two; what clicks had given went with the rule's old name
    2: {"anna": 20 + 0.25 + 4.0, "bert": 20.0, "emma": 20.0, "frank": 40.0},
    3: {"anna": 20.0, "bert": 27.0, "emma": 20.0, "frank": 40.0, "dora": 20.0},
}


async def _read(cluster: Cluster, directory: Path, version: int) -> dict[str, float]:
    """Return the scores as of day 30, without dora's under the versions that let her visits fade for an odd day."""
    scores = await scores_of(cluster, 30, directory)
    if version < 3:
        del scores["dora"]
    return scores


def _use(cluster: Cluster, version: int, **environ: str) -> None:
    file = cluster.directory / f"growth-{version}.yaml"
    file.write_text(_versions()[version], "utf-8")
    cluster.environ |= {"LEADSCORE_MODELS": str(file), **environ}


async def _carried_over(brokers: str, directory: Path, guarantee: str) -> None:
    first = directory / "growth-1.yaml"
    first.write_text(_versions()[1], "utf-8")
    async with running_cluster(brokers, directory, model=str(first), guarantee=guarantee) as cluster:
        cluster.is_mortal = True
        cluster.start("worker")
        await cluster.wait_ready("worker", partitions=PARTITIONS)
        await tell(cluster, *STORY, until=31)
        assert brief(await told_by(cluster), "cause", "score", "at") == READY_AT_FIRST
        assert await _read(cluster, directory / "1", 1) == SCORES[1] | UNTOUCHED
        await cluster.leave("worker")

        _use(cluster, 2)
        assert await _read(cluster, directory / "before", 2) == SCORES[2] | UNTOUCHED, "a dump needs no worker"
        await _dies_while_carrying(cluster)
        await _refuses_the_first_version(cluster)
        _use(cluster, 2)
        second = cluster.start("worker")
        await cluster.wait_ready("worker", partitions=PARTITIONS)
        begun = {one["partition"]: one["resumed"] for one in second.events("carry_over_begun")}
        assert 0 < len(begun) < PARTITIONS, "some were done before the kill"
        assert list(begun.values()).count(True) == 1, "one goes on where it was"
        assert sum(one["contacts"] for one in second.events("carry_over_ended")) < FILLERS
        await tell(cluster)
        assert await _read(cluster, directory / "2", 2) == SCORES[2] | UNTOUCHED
        assert brief(await told_by(cluster), "cause", "score", "at") == READY_AT_FIRST, "sales hears nothing of it"
        await _goes_on(cluster)
        await cluster.leave("worker")
        await _hears(cluster, directory)


async def _dies_while_carrying(cluster: Cluster) -> None:
    """Kill a worker before its seventh round of 16 contacts: some partitions are done, one is half done."""
    environ = cluster.environ | {"LEADSCORE_INSTANCE_ID": "worker", DIES_CARRYING: "7"}
    worker = MortalWorker(cluster.directory / "worker", "worker", environ)
    cluster.lives.append(worker)
    assert await worker.wait_ended(within_s=60) == -9
    assert not worker.events("partitions_ready")


async def _refuses_the_first_version(cluster: Cluster) -> None:
    """Once a single contact is written under the second version, the first does not start again."""
    _use(cluster, 1)
    worker = cluster.start("worker", is_supervised=False)
    assert await worker.wait_ended(within_s=60) == 78
    (end,) = worker.events("worker_ends")
    assert "state was written by version 2 of model growth, version 1 is loaded" in end["reason"]
    assert "give the old content a version above 2" in end["reason"]


async def _goes_on(cluster: Cluster) -> None:
    """What was known is known: a form counts once still, an event too; the rule's new name begins at nothing."""
    await tell(
        cluster,
        happened("bert", "form.submitted", 30, form="a"),
        happened("dora", "page.viewed", 29, "second"),
        happened("bert", "campaign.clicked", 30),
    )
    rows = {row.key: row for row in await compacted(cluster.brokers, cluster.settings.changelog_topic)}
    assert b"\x00model:growth:1" not in rows, "nothing is written under the first version any more"
    assert b"\x00model:growth:2" in rows


async def _hears(cluster: Cluster, directory: Path) -> None:
    """The third version starts on an empty disk, and sales has asked to hear whom it makes ready, and whom no longer."""
    _use(cluster, 3, LEADSCORE_PUBLISH_MODEL_CHANGES="true")
    third = cluster.start("worker", wipe=True)
    await cluster.wait_ready("worker", partitions=PARTITIONS)
    assert [one["resumed"] for one in third.events("carry_over_begun")] == [False] * PARTITIONS
    await tell(cluster)
    assert await _read(cluster, directory / "3", 3) == SCORES[3] | UNTOUCHED
    told = await told_by(cluster)
    assert brief(told, "cause", "version", "score", "previous_score", "at") == [
        ("dora", "lead.sales_ready", 1, "page.viewed", 1, 52.0, 0.0, shown_day(29)),
        ("dora", "lead.cooled", 1, "model.changed", 3, 20.0, 52.0, shown_day(30)),
        ("emma", "lead.sales_ready", 1, "form.submitted", 1, 55.0, 0.0, shown_day(0)),
        ("frank", "lead.sales_ready", 1, "model.changed", 3, 40.0, 0.0, shown_day(30)),
    ]
    assert not any("event" in one for one in told if one["cause"] == "model.changed")
    await cluster.stop()


@pytest.mark.timeout(180)
@pytest.mark.parametrize("guarantee", ["exactly_once", pytest.param("at_least_once", marks=pytest.mark.faults)])
def test_states_are_carried_over_to_new_versions_of_a_model(brokers: str, tmp_path: Path, guarantee: str) -> None:
    """If this fails, a better model costs everybody's history, or calls sales about people who did nothing new."""
    asyncio.run(_carried_over(brokers, tmp_path, guarantee))
