"""What a running worker shows to the outside: a page on loopback, and nothing of any contact in log, metrics or status."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.cluster import PARTITIONS, Cluster, running_cluster
from tests.support.feeding import send_now
from tests.support.kafka import Sent, read_all
from tests.support.mortal_worker import POISON, MortalWorker
from tests.support.simulated import MODEL, START_MS
from tests.support.worker_process import WorkerProcess
from worker.contracts.instants import MS_PER_MINUTE, format_instant
from worker.contracts.partitioner import partition_of
from worker.errors import RestartRequired

CANARY = f"canary{uuid.uuid4().hex[:12]}"
"""Part of every word that belongs to a contact, and of nothing else."""
PAGES = ("/livez", "/readyz", "/metrics", "/status", f"/contacts/{CANARY}", f"/{CANARY}")


def event(number: int, event_type: str, **fields: Any) -> dict[str, Any]:
    """Return an event full of canaries."""
    return {
        "id": f"{CANARY}-event-{number}",
        "contact_id": f"{CANARY}.{number % 50}@example.org",
        "type": event_type,
        "occurred_at": format_instant(START_MS + number * MS_PER_MINUTE),
        "source": f"{CANARY} gateway",
        "properties": {
            "email": f"{CANARY}@example.com",
            "phone": f"+49 {CANARY}",
            "form_id": f"{CANARY}-form",
            CANARY: [CANARY, {"name": CANARY}],
        },
        **fields,
    }


def record(one: Mapping[str, Any], *, partition: int | None = None, value: bytes | None = None) -> Sent:
    """Return *one* as a record; *partition* other than its own, or another *value*, where asked for."""
    key = str(one["contact_id"]).encode()
    home = partition_of(key, PARTITIONS) if partition is None else partition
    headers = ((f"{CANARY}-header", CANARY.encode()),)
    return Sent(home, key, json.dumps(one).encode() if value is None else value, headers)


def good_records() -> list[Sent]:
    """Events that are scored: some make a contact ready, some cool or erase it; one in ten lies in the wrong partition."""
    types = [
        *("form.submitted", "demo.requested", "email.unsubscribed", "page.viewed", "sales.recycled"),
        *("contact.updated", "score.adjusted"),
    ]
    events = [event(number, types[number % len(types)]) for number in range(500)]
    events += [event(number, "contact.erased") for number in range(500, 510)]
    for one in events:
        if one["type"] == "score.adjusted":
            one["properties"] |= {"points": 10, "reason": f"{CANARY} called", "author": CANARY, "group": CANARY}
    return [
        record(one, partition=number % PARTITIONS if number % 10 == 0 else None) for number, one in enumerate(events)
    ]


def bad_records() -> list[Sent]:
    """Records that are refused because of a canary, or beside one."""
    whole = event(900, "form.submitted")
    values = [
        json.dumps(whole | changed).encode()
        for changed in (
            {"occurred_at": CANARY},
            {"occurred_at": 10**400},
            {"machine": CANARY},
            {"properties": CANARY},
            {"source": [CANARY]},
            {"type": ""},
            {"id": CANARY * 20},
            {"contact_id": f"{CANARY}\x00"},
            {"contact_id": f"{CANARY}@other.example"},
            {"type": "score.adjusted", "properties": {"points": CANARY, "reason": CANARY}},
        )
    ]
    nan = json.dumps(whole).replace(f'"{CANARY}-form"', "NaN").encode()
    cut_off = json.dumps(whole).encode()[:-5]
    values += [nan, cut_off, CANARY.encode(), b'"' + CANARY.encode() + b'"', CANARY.encode() * 30_000]
    return [record(whole, value=value) for value in values]


def assert_says_nothing(where: str, text: str | bytes) -> None:
    """The canary is in nothing that operators, their tools and their log store get to see."""
    raw = text if isinstance(text, bytes) else text.encode()
    at = raw.lower().find(CANARY.encode())
    assert at < 0, f"{where} names a contact: ...{raw[max(0, at - 300) : at + 100]!r}"


def assert_logs_say_nothing(workers: Iterable[WorkerProcess]) -> None:
    for worker in workers:
        assert worker.log_text(), "there is a log to look into"
        assert_says_nothing(worker.log_file.name, worker.log_text())


def listening(pid: int) -> list[tuple[str, int]]:
    """Return the address and port of every TCP socket that *pid* or a child listens at, and of every bound UDP socket."""
    process = psutil.Process(pid)
    connections = [
        connection
        for one in (process, *process.children(recursive=True))
        for connection in one.net_connections(kind="inet")
        if connection.status in {psutil.CONN_LISTEN, psutil.CONN_NONE}
    ]
    return [
        (connection.laddr.ip, connection.laddr.port) for connection in connections if hasattr(connection.laddr, "ip")
    ]


async def _listens(brokers: str, directory: Path) -> None:
    async with running_cluster(brokers, directory, model=MODEL) as cluster:
        worker = cluster.start("worker")
        await cluster.wait_ready("worker", partitions=PARTITIONS)
        await send_now(brokers, cluster.source, good_records())
        await cluster.settled()
        found = listening(worker.pid)
        port = worker.events("worker_starts")[0]["web_port"]
        assert [one for _, one in found] == [port], f"one page server and nothing else: {found}"
        assert all(ipaddress.ip_address(address).is_loopback for address, _ in found), found
        await cluster.stop()


def test_a_running_worker_listens_on_loopback_alone(brokers: str, tmp_path: Path) -> None:
    """If this fails, whoever reaches the host reads what the worker serves."""
    asyncio.run(_listens(brokers, tmp_path))


async def _scores_in_silence(brokers: str, directory: Path) -> None:
    async with running_cluster(brokers, directory, model=MODEL) as cluster:
        worker = cluster.start("worker")
        await cluster.wait_ready("worker", partitions=PARTITIONS)
        bad = bad_records()
        await send_now(brokers, cluster.source, [*good_records(), *bad, *good_records()])
        await cluster.settled()
        for path in PAGES:
            assert_says_nothing(path, await cluster.page(worker, path))
        cluster.strike("worker", wipe=True)
        await cluster.wait_ready("worker", partitions=PARTITIONS)
        await cluster.settled()
        for path in PAGES:
            assert_says_nothing(path, await cluster.page(cluster.workers["worker"], path))
        stored = [path for path in (directory / "worker").rglob("*") if CANARY in path.name]
        assert not stored, "contacts are never names of files"
        await cluster.stop()
        assert_logs_say_nothing(cluster.lives)
        letters = await read_all(brokers, cluster.dead_letters)
        assert sum(map(len, letters.values())) == len(bad), "what was to be refused was refused"
        told = await read_all(brokers, cluster.qualifications)
        assert sum(map(len, told.values())) >= 10, "what was to be scored was scored"


@pytest.mark.timeout(180)
def test_logs_and_pages_name_no_contact_whatever_it_sends(brokers: str, tmp_path: Path) -> None:
    """If this fails, people's addresses lie in the log store for years, out of reach of any erasure."""
    asyncio.run(_scores_in_silence(brokers, tmp_path))


async def _refuses_another_erasure_key(cluster: Cluster) -> None:
    """End by an erasure key that would find no gravestone again."""
    worker = cluster.start("worker", is_supervised=False)
    await worker.wait_ready()
    await send_now(cluster.brokers, cluster.source, good_records())
    await cluster.settled()
    assert await worker.stop() == 0
    cluster.environ["LEADSCORE_ERASURE_KEY"] = CANARY * 3
    another = cluster.start("worker", is_supervised=False)
    assert await another.wait_ended(within_s=60) == 78
    assert "another LEADSCORE_ERASURE_KEY" in another.events("worker_ends")[0]["reason"]
    assert_logs_say_nothing([worker, another])


async def _crashes_at_foreign_state(cluster: Cluster) -> None:
    """End by a changelog row that no worker has written."""
    junk = record(event(1, "form.submitted"))._replace(headers=())
    await send_now(cluster.brokers, cluster.settings.changelog_topic, [junk])
    worker = cluster.start("worker", is_supervised=False)
    await send_now(cluster.brokers, cluster.source, good_records())
    assert await worker.wait_ended(within_s=60) in {70, 78}
    assert_logs_say_nothing([worker])


async def _crashes_by_a_bug(cluster: Cluster) -> None:
    """End by an error that nobody foresaw and whose text quotes the record."""
    await send_now(cluster.brokers, cluster.source, good_records())
    worker = MortalWorker(cluster.directory / "mortal", "mortal", {**cluster.environ, POISON: f"{CANARY}-event-400"})
    cluster.lives.append(worker)
    assert await worker.wait_ended(within_s=60) == RestartRequired.exit_code
    (end,) = worker.events("worker_ends")
    assert "LookupError in fold mortal_worker.py" in end["reason"]
    assert_logs_say_nothing([worker])


@pytest.mark.timeout(180)
@pytest.mark.parametrize("crash", [_refuses_another_erasure_key, _crashes_at_foreign_state, _crashes_by_a_bug])
def test_the_last_words_of_a_worker_name_no_contact(brokers: str, tmp_path: Path, crash: Any) -> None:
    """If this fails, the one log line that everybody copies into tickets has somebody's address in it."""

    async def scenario() -> None:
        async with running_cluster(brokers, tmp_path, model=MODEL) as cluster:
            await crash(cluster)

    asyncio.run(scenario())
