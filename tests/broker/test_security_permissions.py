"""A user of Kafka that may do what `leadscore topics acls` lists and nothing else: all works; with one line less, nothing is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from tests.support.cluster import PARTITIONS, Cluster
from tests.support.comparing import as_file, differing_rows, listed, replayed
from tests.support.feeding import send_now
from tests.support.history_run import end_marks, sent_records
from tests.support.kafka import Sent, create_topics, fresh, read_all
from tests.support.secure_kafka import SecureBroker, secured_cluster
from tests.support.simulated import MODEL, simulated_lines
from worker.kafka.acls import Grant, grants

pytestmark = pytest.mark.timeout(300)

GUARANTEES = pytest.mark.parametrize(
    "guarantee", ["exactly_once", pytest.param("at_least_once", marks=pytest.mark.faults)]
)


def elsewhere(record: Sent) -> Sent:
    """Return *record* where a producer with another partitioner would put it."""
    return record._replace(partition=(record.partition + 1) % PARTITIONS)


async def _everything_works(broker: SecureBroker, directory: Path, guarantee: str) -> None:
    lines = simulated_lines(600, days=30, contacts=150, seed=21)
    expected = await replayed(lines, MODEL, directory / "replay")
    good = [elsewhere(one) if number % 7 == 0 else one for number, one in enumerate(sent_records(lines))]
    bad = [Sent(number % PARTITIONS, b"c", b"no event") for number in range(8)]
    marks = end_marks(expected.end_ms + expected.model.lateness_ms)
    async with secured_cluster(broker, directory, guarantee=guarantee) as cluster:
        cluster.start("one")
        cluster.start("two")
        await cluster.wait_ready("one")
        await cluster.wait_ready("two")
        await send_now(broker.bootstrap_servers, cluster.source, [*good[:300], *bad])
        await cluster.settled()
        cluster.strike("one", wipe=True)
        await cluster.wait_ready("one")
        await send_now(broker.bootstrap_servers, cluster.source, [*good[300:], *marks])
        await cluster.settled()
        told = await read_all(broker.bootstrap_servers, cluster.qualifications)
        assert as_file(told) == expected.transitions
        letters = await read_all(broker.bootstrap_servers, cluster.dead_letters)
        assert sum(map(len, letters.values())) == len(bad)
        assert any((await read_all(broker.bootstrap_servers, cluster.scores)).values())
        await cluster.stop()
        await broker.allow(grants(cluster.settings, "contact dump"))
        await cluster.command("contact", "dump", "--out", str(directory / "dump"))
        scores = (directory / "dump" / "scores.csv").read_bytes()
        assert scores == expected.scores, listed(differing_rows(expected.scores, scores))


@GUARANTEES
def test_a_worker_needs_no_more_than_what_is_listed(secure: SecureBroker, tmp_path: Path, guarantee: str) -> None:
    """If this fails, whoever follows the list has a worker that stops at its first dead letter, forward or restore."""
    asyncio.run(_everything_works(secure, tmp_path, guarantee))


async def _nothing_else(broker: SecureBroker, directory: Path) -> None:
    foreign = fresh("foreign")
    await create_topics(broker.bootstrap_servers, {foreign: PARTITIONS})
    async with secured_cluster(broker, directory) as cluster:
        for changed, named in (
            ({"LEADSCORE_SCORES_TOPIC": foreign}, foreign),
            ({"LEADSCORE_SCORES_TOPIC": f"{foreign}-new", "LEADSCORE_CREATE_TOPICS": "true"}, f"{foreign}-new"),
            ({"LEADSCORE_APP_ID": f"{cluster.name}-other"}, f"{cluster.name}-other-contacts-changelog"),
        ):
            kept = dict(cluster.environ)
            cluster.environ |= changed
            worker = cluster.start("stranger", is_supervised=False)
            assert await worker.wait_ended(within_s=40) == 78, worker.log_text()
            (end,) = worker.events("worker_ends")
            assert end["code"] == "config.invalid"
            assert named in end["reason"]
            assert "leadscore topics acls" in end["reason"]
            cluster.environ = kept
        worker = cluster.start("worker")
        await cluster.wait_ready("worker")
        await cluster.stop()


def test_topics_of_others_stay_closed_and_none_is_made(secure: SecureBroker, tmp_path: Path) -> None:
    asyncio.run(_nothing_else(secure, tmp_path))


# ---- one line of the list less


async def _one_less(broker: SecureBroker, directory: Path, guarantee: str) -> None:
    lines = simulated_lines(120, days=30, contacts=60, seed=22)
    async with secured_cluster(broker, directory, guarantee=guarantee) as cluster:
        await send_now(broker.bootstrap_servers, cluster.source, sent_records(lines))
        listed_ones = grants(cluster.settings, "run")
        unnamed = []
        for one in listed_ones:
            await broker.forbid([one])
            worker = cluster.start(f"without-{len(cluster.lives)}", is_supervised=False)
            code = await worker.wait_ended(within_s=60)
            (end,) = worker.events("worker_ends")
            print(f"{one.resource:<17}{one.operation:<16}{code:<4}{end['reason'][:150]}")
            assert code == 78, (one, worker.log_text()[-3000:])
            if one.name.rstrip("-") not in end["reason"] or one.operation not in end["reason"]:
                unnamed.append((one, end["reason"]))
            await broker.allow([one])
        assert not unnamed
        assert not any((await cluster.committed()).values()), "nothing was passed over"
        cluster.start("worker")
        await cluster.wait_ready("worker")
        await cluster.settled()
        assert any((await cluster.committed()).values())
        await cluster.stop()


@pytest.mark.faults
@GUARANTEES
def test_without_any_one_permission_a_worker_says_which_and_reads_nothing(
    secure: SecureBroker, tmp_path: Path, guarantee: str
) -> None:
    """If this fails, a forgotten line of the list is found out at the first bad record, in the middle of a night."""
    asyncio.run(_one_less(secure, tmp_path, guarantee))


# ---- taken away while it runs


def taken(cluster: Cluster) -> dict[str, Grant]:
    """Return by a short name what may be taken from a running worker."""
    names = {
        cluster.source: "source",
        cluster.dead_letters: "dead letters",
        cluster.qualifications: "qualifications",
        cluster.settings.changelog_topic: "changelog",
        cluster.name: "group",
        f"{cluster.name}-": "transactions",
    }
    return {
        f"{names[one.name]} {one.operation}": one
        for one in grants(cluster.settings, "run")
        if one.name in names and one.operation != "DescribeConfigs"
    }


async def _taken_away(broker: SecureBroker, directory: Path, guarantee: str, what: str) -> None:
    lines = simulated_lines(400, days=30, contacts=100, seed=23)
    expected = await replayed(lines, MODEL, directory / "replay")
    bad = [Sent(number % PARTITIONS, b"c", b"no event") for number in range(8)]
    marks = end_marks(expected.end_ms + expected.model.lateness_ms)
    records = [elsewhere(one) if number % 7 == 0 else one for number, one in enumerate(sent_records(lines))]
    async with secured_cluster(broker, directory, guarantee=guarantee) as cluster:
        worker = cluster.start("worker", is_supervised=False)
        await worker.wait_ready()
        await send_now(broker.bootstrap_servers, cluster.source, records[:200])
        await cluster.settled()
        lost = taken(cluster)[what]
        await broker.forbid([lost])
        await send_now(broker.bootstrap_servers, cluster.source, [*records[200:], *bad, *marks])
        code = await worker.wait_ended(within_s=100)
        (end,) = worker.events("worker_ends")
        print(f"{guarantee}: {what:<24}{code:<4}{end['reason'][:150]}")
        assert code == 78, worker.log_text()[-3000:]
        assert lost.name.rstrip("-") in end["reason"]
        await broker.allow([lost])
        cluster.start("worker")
        await cluster.wait_ready("worker")
        await cluster.settled()
        told = await read_all(broker.bootstrap_servers, cluster.qualifications)
        lines_told = Counter(as_file(told).splitlines())
        assert set(lines_told) == set(expected.transitions.splitlines())
        letters = await read_all(broker.bootstrap_servers, cluster.dead_letters)
        offsets = Counter(
            (number, dict(one.headers)["__connect.errors.offset"]) for number, its in letters.items() for one in its
        )
        assert len(offsets) == len(bad)
        if guarantee == "exactly_once":
            assert max(lines_told.values()) == max(offsets.values()) == 1
        await broker.allow(grants(cluster.settings, "contact dump"))
        await cluster.command("contact", "dump", "--out", str(directory / "dump"))
        scores = (directory / "dump" / "scores.csv").read_bytes()
        assert scores == expected.scores, listed(differing_rows(expected.scores, scores))
        await cluster.stop()


@pytest.mark.parametrize(
    ("guarantee", "what"),
    [
        pytest.param("exactly_once", "dead letters Write", marks=pytest.mark.faults),
        pytest.param("exactly_once", "source Read", marks=pytest.mark.faults),
        pytest.param("exactly_once", "source Write", marks=pytest.mark.faults),
        pytest.param("exactly_once", "qualifications Write", marks=pytest.mark.faults),
        pytest.param("exactly_once", "changelog Write", marks=pytest.mark.faults),
        pytest.param("exactly_once", "group Read", marks=pytest.mark.faults),
        pytest.param("exactly_once", "transactions Write", marks=pytest.mark.faults),
        pytest.param("at_least_once", "dead letters Write", marks=pytest.mark.faults),
        pytest.param("at_least_once", "source Read", marks=pytest.mark.faults),
        pytest.param("at_least_once", "qualifications Write", marks=pytest.mark.faults),
        pytest.param("at_least_once", "changelog Write", marks=pytest.mark.faults),
        pytest.param("at_least_once", "group Read", marks=pytest.mark.faults),
    ],
)
def test_a_permission_taken_from_a_running_worker_stops_it_and_loses_nothing(
    secure: SecureBroker, tmp_path: Path, guarantee: str, what: str
) -> None:
    """If this fails, a change of permissions eats leads, or a worker that may do nothing looks healthy."""
    asyncio.run(_taken_away(secure, tmp_path, guarantee, what))
