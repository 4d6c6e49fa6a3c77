"""Records are gone that were still needed: workers say what is wrong and stop, and go on when an operator has decided."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import TopicPartition
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.records_to_delete import RecordsToDelete

from tests.faults.conftest import Report
from tests.support.cluster import PARTITIONS, Cluster, running_cluster
from tests.support.faults.choices import GUARANTEES, SEED
from tests.support.faults.load import Load, draw_load
from tests.support.faults.points import write_model
from tests.support.faults.recount import lines_of
from tests.support.faults.run import SESSION
from tests.support.feeding import send_now
from tests.support.kafka import admin_of, create_topics, wait_until
from tests.support.protocol_errors import Mishap, ProtocolErrors
from tests.support.worker_process import WorkerProcess
from worker.contracts.instants import MAX_INSTANT_MS
from worker.errors import RestartRequired, StateError
from worker.operations.dump import decode_changelog
from worker.scoring.model_file import load_model

pytestmark = pytest.mark.faults

_SET_FOR_THE_TOPIC = 1
"""Where Kafka says that a topic's configuration comes from."""


@asynccontextmanager
async def _scored(
    brokers: str, directory: Path, guarantee: str, load: Load, upto: int, hooks: Mapping[str, str] | None = None
) -> AsyncIterator[Cluster]:
    """Yield an application of one worker, stopped in good order after it has scored the first *upto* records."""
    model = str(write_model(directory / "model"))
    async with running_cluster(
        brokers, directory, model=model, guarantee=guarantee, LEADSCORE_SESSION_TIMEOUT=SESSION
    ) as cluster:
        cluster.is_mortal = hooks is not None
        await send_now(brokers, cluster.source, load.records[:upto])
        cluster.start("only", hooks=hooks)
        await cluster.wait_ready("only", partitions=PARTITIONS)
        await cluster.settled()
        await cluster.leave("only")
        yield cluster


async def _delete_records(brokers: str, topic: str, before: Mapping[int, int]) -> None:
    async with admin_of(brokers) as admin:
        await admin.delete_records({TopicPartition(topic, n): RecordsToDelete(offset) for n, offset in before.items()})


async def _cut_short(brokers: str, changelog: str, before: Mapping[int, int]) -> None:
    """Do to a compacted topic what only somebody does who has changed its policy."""
    resource = ConfigResource(ConfigResourceType.TOPIC, changelog)
    async with admin_of(brokers) as admin:
        (answer,) = await admin.describe_configs([resource])
    entries = answer.resources[0][4]
    kept = {name: value for name, value, _, source, *_ in entries if source == _SET_FOR_THE_TOPIC}
    for policy in ("compact,delete", "compact"):
        configs = kept | {"cleanup.policy": policy}  # whatever is not named would be reset
        async with admin_of(brokers) as admin:
            await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, changelog, configs)])
        if policy != "compact":
            await _delete_records(brokers, changelog, before)


async def _started(cluster: Cluster, hooks: Mapping[str, str] | None = None) -> WorkerProcess:
    """Return a worker that reads, and may end as it likes."""
    worker = cluster.start("only", is_supervised=False, hooks=hooks)
    await worker.wait_ready()
    return worker


async def _refusal(cluster: Cluster, worker: WorkerProcess, *words: str) -> str:
    """Return why *worker*, started again once if it asks for that, ends for good: it must say *words*, and commit nothing."""
    before = await cluster.committed()
    if await worker.wait_ended(within_s=60.0) == RestartRequired.exit_code:
        worker = cluster.start("only", is_supervised=False)
    assert await worker.wait_ended(within_s=60.0) == StateError.exit_code, worker.log_text()[-2000:]
    reason = str(worker.events("worker_ends")[-1]["reason"])
    assert all(word in reason for word in words), reason
    assert await cluster.committed() == before
    return reason


async def _wrong_counts(cluster: Cluster, load: Load) -> list[str]:
    """Return a line for each contact whose stored count is not what the load's sums say."""
    model = load_model(cluster.environ["LEADSCORE_MODELS"])
    contacts = dict(decode_changelog(await cluster.stored(), (model,), cluster.settings.changelog_topic))
    found = lines_of(contacts, model, MAX_INSTANT_MS)
    return [
        f"{contact}: {line and line.groups} instead of {tally}"
        for contact, tally in load.tallies().items()
        if (line := found.get(contact.encode())) is None or round(line.groups["count"]) != tally.events
    ]


@pytest.mark.parametrize("is_running", [True, False], ids=["running", "stopped"])
@GUARANTEES
def test_b07_records_deleted_before_they_were_read_end_the_worker_loudly(
    brokers: str, tmp_path: Path, report: Report, guarantee: str, is_running: bool
) -> None:
    """If this fails, events that retention overtook are missing from scores and nobody is told."""
    load = draw_load(SEED, 3_000)

    errors = ProtocolErrors(tmp_path / "errors.json")
    # In one partition alone: what happens to others at the same time must not be what gives it away.
    later = [record for record in load.records[1_000:] if record.partition == 0]

    async def scenario() -> str:
        async with _scored(brokers, tmp_path, guarantee, load, 1_000, hooks=errors.environ) as cluster:
            worker = await _started(cluster, errors.environ) if is_running else None
            if is_running:
                errors.push(Mishap("Fetch", "hold", seconds=3.0, topic=cluster.source))
                await wait_until(lambda: errors.all_done, within_s=30, what="a fetch under way")
            places = await send_now(brokers, cluster.source, later)
            await _delete_records(brokers, cluster.source, {0: places[-10].offset})
            worker = worker or cluster.start("only", is_supervised=False)
            return await _refusal(cluster, worker, "records were deleted before they were read", "fix: ")

    said = asyncio.run(scenario())
    report({"scenario": "B07", "guarantee": guarantee, "running": is_running, "said": said})


@GUARANTEES
def test_b08_a_changelog_cut_short_behind_the_state_is_no_news(
    brokers: str, tmp_path: Path, report: Report, guarantee: str
) -> None:
    """If this fails, a worker that has everything refuses to work."""
    load = draw_load(SEED, 2_000)

    async def scenario() -> None:
        async with _scored(brokers, tmp_path, guarantee, load, 1_000) as cluster:
            log = cluster.settings.changelog_topic
            kept = await cluster.stored()
            # Up to the last row, which is followed by the end of its transaction.
            behind = {one.partition: end - 2 for one, end in (await cluster.ends(log)).items()}
            await _cut_short(brokers, log, behind)
            await send_now(brokers, cluster.source, load.records[1_000:])
            cluster.start("only")
            await cluster.wait_ready("only", partitions=PARTITIONS)
            await wait_until(lambda: _is_committed(cluster), within_s=60, what="everything committed", every_s=0.5)
            await cluster.leave("only")
            values = kept | await cluster.stored()
            model = load_model(cluster.environ["LEADSCORE_MODELS"])
            found = lines_of(dict(decode_changelog(values, (model,), log)), model, MAX_INSTANT_MS)
            counts = {contact: round(found[contact.encode()].groups["count"]) for contact in load.tallies()}
            assert counts == {contact: tally.events for contact, tally in load.tallies().items()}

    asyncio.run(scenario())
    report({"scenario": "B08", "guarantee": guarantee, "cut": "behind the state", "lost": 0, "doubled": 0})


async def _is_committed(cluster: Cluster) -> bool:
    ends = await cluster.ends(cluster.source)
    return await cluster.committed() == {one.partition: end for one, end in ends.items()}


@pytest.mark.parametrize("when", ["before", "during"])
@GUARANTEES
def test_b08_a_changelog_cut_short_before_it_is_restored_is_refused(
    brokers: str, tmp_path: Path, report: Report, guarantee: str, when: str
) -> None:
    """If this fails, contacts whose rows are gone begin anew at no points, and sales hears of them twice."""
    load = draw_load(SEED, 2_000)
    errors = ProtocolErrors(tmp_path / "errors.json")

    async def scenario() -> str:
        async with _scored(brokers, tmp_path, guarantee, load, 2_000, hooks=errors.environ) as cluster:
            log = cluster.settings.changelog_topic
            halves = {one.partition: end // 2 for one, end in (await cluster.ends(log)).items()}
            if when == "before":
                await _cut_short(brokers, log, halves)
            else:
                held = Mishap("Fetch", "hold", seconds=4.0, topic=log)
                errors.push(held)
            worker = cluster.start("only", wipe=True, is_supervised=False, hooks=errors.environ)
            if when == "during":
                await wait_until(lambda: errors.all_done, within_s=60, what="a restore under way")
                await _cut_short(brokers, log, halves)
            return await _refusal(cluster, worker, log, "deleted before they were read")

    said = asyncio.run(scenario())
    report({"scenario": "B08", "guarantee": guarantee, "cut": f"{when} the restore", "said": said})


@pytest.mark.parametrize("is_running", [True, False], ids=["running", "stopped"])
@GUARANTEES
def test_b09_a_source_made_anew_is_refused_until_its_epoch_is_raised_and_then_counted(
    brokers: str, tmp_path: Path, report: Report, guarantee: str, is_running: bool
) -> None:
    """If this fails, the new topic's events pass for old ones and count for nothing."""
    load = draw_load(SEED, 3_000)

    async def scenario() -> str:
        async with _scored(brokers, tmp_path, guarantee, load, 2_000) as cluster:
            worker = await _started(cluster) if is_running else None
            async with admin_of(brokers) as admin:
                await admin.delete_topics([cluster.source])
            await wait_until(lambda: _is_gone(brokers, cluster.source), within_s=30, what="the topic deleted")
            await create_topics(brokers, {cluster.source: PARTITIONS})
            worker = worker or cluster.start("only", is_supervised=False)
            said = await _refusal(cluster, worker, "made anew", "leadscore topics epoch --raise")
            await cluster.command("topics", "epoch", "--raise", "--yes")
            await send_now(brokers, cluster.source, load.records[2_000:])
            cluster.start("only")
            await cluster.wait_ready("only", partitions=PARTITIONS)
            await wait_until(lambda: _is_committed(cluster), within_s=60, what="everything committed", every_s=0.5)
            await cluster.leave("only")
            assert not await _wrong_counts(cluster, load)
            return said

    said = asyncio.run(scenario())
    report({"scenario": "B09", "guarantee": guarantee, "running": is_running, "lost": 0, "doubled": 0, "said": said})


async def _is_gone(brokers: str, topic: str) -> bool:
    async with admin_of(brokers) as admin:
        return topic not in await admin.list_topics()
