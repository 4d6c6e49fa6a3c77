"""`leadscore run` as operators run it, with the real scoring: it publishes, dead-letters, forwards, and says nothing it should not."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests.support.kafka import Sent, fresh, produce_all, read_all, wait_until
from tests.support.worker_process import WorkerProcess
from worker.clock import now_ms
from worker.contracts.partitioner import partition_of

CANARY = "canary-7f3a"


def _event(contact: str, number: int, kind: str) -> bytes:
    return json.dumps(
        {
            "id": f"{contact}-{number}",
            "contact_id": contact,
            "type": kind,
            "occurred_at": f"2026-03-01T10:{number:02d}:00Z",
            "properties": {"email": f"{contact}@example.com"},
        }
    ).encode()


async def _scores(brokers: str, tmp_path: Path, guarantee: str) -> None:
    name = fresh("run")
    environ = {
        "LEADSCORE_BROKERS": brokers,
        "LEADSCORE_APP_ID": name,
        "LEADSCORE_INPUT_TOPIC": f"{name}-in",
        "LEADSCORE_QUALIFICATIONS_TOPIC": f"{name}-q",
        "LEADSCORE_SCORES_TOPIC": f"{name}-s",
        "LEADSCORE_CREATE_TOPICS": "true",
        "LEADSCORE_REPLICATION": "1",
        "LEADSCORE_GUARANTEE": guarantee,
        "LEADSCORE_TIME": "stream",  # by the clock these events are old, and would cool at once
    }
    contacts = [f"{CANARY}-{number}" for number in range(30)]
    worker = WorkerProcess(tmp_path, "w", environ, is_counting=False)
    try:
        await worker.wait_ready()
        records = []
        for place, contact in enumerate(contacts):
            key = contact.encode()
            right = partition_of(key, 4)
            for number in range(3):
                # Every third contact's records lie where another partitioner put them.
                lies = (right + 1) % 4 if place % 3 == 0 else right
                records.append(Sent(lies, key, _event(contact, number, "demo.requested")))
        records.append(Sent(2, CANARY.encode(), b"no event, but " + CANARY.encode()))
        await produce_all(brokers, f"{name}-in", records)

        async def told() -> bool:
            return sum(map(len, (await read_all(brokers, f"{name}-q")).values())) >= len(contacts)

        await wait_until(told, within_s=30, every_s=0.2)
        listening = [one for one in psutil.Process(worker.pid).net_connections() if one.status == psutil.CONN_LISTEN]
        assert {one.laddr.ip for one in listening} == {"127.0.0.1"}
        assert await worker.stop() == 0
        transitions = [
            json.loads(row.value) for rows in (await read_all(brokers, f"{name}-q")).values() for row in rows
        ]
        assert Counter(one["contact_id"] for one in transitions) == Counter(contacts)
        assert {one["kind"] for one in transitions} == {"lead.sales_ready"}
        for partition, rows in (await read_all(brokers, f"{name}-q")).items():
            assert all(partition_of(row.key, 4) == partition for row in rows), (
                "a contact is told about in one partition"
            )
        dead = [row for rows in (await read_all(brokers, f"{name}-in-dlq")).values() for row in rows]
        assert [(row.partition, row.value) for row in dead] == [(2, b"no event, but " + CANARY.encode())]
        scores = {row.key for rows in (await read_all(brokers, f"{name}-s")).values() for row in rows}
        assert scores == {contact.encode() for contact in contacts}
        assert CANARY not in worker.log_text(), "contact data must not reach the log"
    finally:
        worker.kill()


@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
def test_a_worker_scores_tells_forwards_and_dead_letters(brokers: str, tmp_path: Path, guarantee: str) -> None:
    asyncio.run(_scores(brokers, tmp_path, guarantee))


async def _erased_now(brokers: str, tmp_path: Path) -> None:
    name = fresh("run")
    environ = {
        "LEADSCORE_BROKERS": brokers,
        "LEADSCORE_APP_ID": name,
        "LEADSCORE_INPUT_TOPIC": f"{name}-in",
        "LEADSCORE_QUALIFICATIONS_TOPIC": f"{name}-q",
        "LEADSCORE_CREATE_TOPICS": "true",
        "LEADSCORE_REPLICATION": "1",
    }
    key, present_ms = CANARY.encode(), now_ms()
    events = [
        json.loads(_event(CANARY, number, kind)) | {"occurred_at": present_ms + number}
        for number, kind in enumerate(("demo.requested", "contact.erased", "demo.requested"))
    ]
    worker = WorkerProcess(tmp_path, "w", environ, is_counting=False)
    try:
        await worker.wait_ready()
        sent = [Sent(partition_of(key, 4), key, json.dumps(one).encode()) for one in events]
        await produce_all(brokers, f"{name}-in", sent)

        async def told() -> list[tuple[str, str]]:
            rows = [row for each in (await read_all(brokers, f"{name}-q")).values() for row in each]
            return [(one["kind"], one["cause"]) for one in map(json.loads, [row.value for row in rows])]

        async def all_told() -> bool:
            return len(await told()) >= 3

        await wait_until(all_told, within_s=30, what="three transitions", every_s=0.3)
        assert await told() == [
            ("lead.sales_ready", "demo.requested"),
            ("lead.cooled", "contact.erased"),
            ("lead.sales_ready", "demo.requested"),
        ]
        assert await worker.stop() == 0
        assert CANARY not in worker.log_text()
    finally:
        worker.kill()


def test_a_worker_by_the_wall_clock_erases_a_contact_and_begins_anew(brokers: str, tmp_path: Path) -> None:
    asyncio.run(_erased_now(brokers, tmp_path))
