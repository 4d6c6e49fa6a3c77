"""Processes' own pages on loopback, and what is made of them for who asks the supervisor."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.support.kafka import wait_until
from worker.processes.asking import Asking
from worker.processes.process import ChildProcess, Member
from worker.settings import Secret
from worker.web import ContactPage, Status, WebServer
from worker.web.contacts import Answer

pytestmark = pytest.mark.loopback

TOKEN = "a token of sixteen bytes or more"


@dataclass
class Worker:
    """One process's pages; *contacts* are those of its partitions."""

    contacts: set[bytes] = field(default_factory=set)
    web_bind: str = "127.0.0.1"
    web_port: int = 0
    is_ready: bool = True

    def exposition(self) -> bytes:
        return b"# HELP leadscore_rounds_total Rounds.\n# TYPE leadscore_rounds_total counter\nleadscore_rounds_total 4.0\n"

    def status(self) -> Status:
        return Status(
            version="1", app_id="a", topic="t", guarantee="exactly_once", is_live=True, is_ready=self.is_ready
        )

    def look_up(self, key: bytes) -> Answer:
        return Answer(200, {"score": 7}) if key in self.contacts else Answer(421, {"problem": "partition 3"})


@dataclass
class Process:
    """Takes signals."""

    pid: int = 1
    sent: list[signal.Signals] = field(default_factory=list)

    def signal(self, number: signal.Signals) -> None:
        self.sent.append(number)


@asynccontextmanager
async def asked(*workers: Worker) -> AsyncIterator[tuple[list[Member], Asking, str]]:
    """Yield the members, who asks them, and where the supervisor's own pages are."""
    servers = []
    for worker in workers:
        page = ContactPage(Secret(TOKEN), worker.look_up, lambda _: None, lambda: 0.0)
        servers.append(WebServer(worker, worker.status, worker, page))
        await servers[-1].start()
    members = [Member(number) for number in range(1, len(workers) + 1)]
    for member, server in zip(members, servers, strict=True):
        member.begins(cast("ChildProcess", Process()))
        member.hear({"event": "worker_starts", "web_port": server.port})
    own = Worker()
    try:
        async with Asking(members, "0.0.0.0") as asking:  # noqa: S104 - where a worker in a container listens
            server = WebServer(own, own.status, asking, asking)
            servers.append(server)
            await server.start()
            yield members, asking, f"http://127.0.0.1:{server.port}"
    finally:
        for server in servers:
            await server.stop()


def run(story: Callable[[], Awaitable[None]]) -> None:
    async def go() -> None:
        await story()

    asyncio.run(go())


def test_status_of_each_is_known_soon_and_what_answers_no_more_is_noticed() -> None:
    async def story() -> None:
        async with asked(Worker(), Worker(is_ready=False)) as (members, asking, _):
            looking = asyncio.create_task(asking.run())
            await wait_until(lambda: all(member.status for member in members), within_s=10)
            assert [cast("Any", member.status)["is_ready"] for member in members] == [True, False]
            members[0].web_port = 1  # nobody listens there
            await wait_until(lambda: members[0].unanswered > 0, within_s=10)
            assert members[1].unanswered == 0
            looking.cancel()

    run(story)


def test_one_that_is_frozen_is_killed_once_and_no_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """If this fails, a process that is frozen as a whole keeps its partitions for ever; heartbeats may go on without it."""
    monkeypatch.setattr("worker.processes.asking._EVERY_S", 0.0)

    async def story() -> None:
        async with asked(Worker(), Worker()) as (members, asking, _):
            process = cast("Process", members[0].process)
            members[0].web_port = 1
            looking = asyncio.create_task(asking.run())
            await wait_until(lambda: bool(process.sent), within_s=20)
            assert members[0].unanswered >= 25
            await wait_until(lambda: members[0].unanswered >= 40, within_s=20)
            looking.cancel()
            assert process.sent == [signal.SIGKILL]
            assert cast("Process", members[1].process).sent == []

    run(story)


def test_one_page_has_the_metrics_of_all_that_answer() -> None:
    async def story() -> None:
        async with asked(Worker(), Worker(), Worker()) as (members, _, url), aiohttp.ClientSession() as session:
            members[2].web_port = None  # it has not begun to listen
            text = ""
            for _ in range(2):  # counters do not grow by being looked at
                async with session.get(f"{url}/metrics") as response:
                    text = await response.text()
            families = {one.name: one for one in text_string_to_metric_families(text)}
            rounds = {one.labels["process"]: one.value for one in families["leadscore_rounds"].samples if one.value}
            assert rounds == {"1": 4.0, "2": 4.0}
            starts = {one.labels["process"]: one.value for one in families["leadscore_process_starts"].samples}
            assert starts == {"1": 1.0, "2": 1.0, "3": 1.0}

    run(story)


def test_a_contact_is_answered_by_the_process_that_has_it() -> None:
    async def story() -> None:
        async with (
            asked(Worker(), Worker({b"anna %2f"})) as (members, _, url),
            aiohttp.ClientSession(headers={"Authorization": f"Bearer {TOKEN}"}) as session,
        ):
            from yarl import URL

            async with session.get(URL(f"{url}/contacts/anna%20%252f", encoded=True)) as response:
                assert (response.status, await response.json()) == (200, {"score": 7})
            async with session.get(f"{url}/contacts/ben") as response:
                assert response.status == 421, "no process of this host has it"
            for member in members:
                member.web_port = None
            async with session.get(f"{url}/contacts/ben") as response:
                assert response.status == 503

    run(story)


def test_nobody_sees_a_contact_without_the_token() -> None:
    """If this fails, the supervisor opens what each process guards."""

    async def story() -> None:
        async with asked(Worker({b"anna"})) as (_, _, url), aiohttp.ClientSession() as session:
            for headers in ({}, {"Authorization": "Bearer something else"}):
                async with session.get(f"{url}/contacts/anna", headers=headers) as response:
                    assert response.status == 401
                    assert "WWW-Authenticate" in response.headers

    run(story)
