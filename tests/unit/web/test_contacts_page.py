"""The page of a contact: there only with a token, open only to who has it, and nobody's name in any log."""

from __future__ import annotations

import asyncio
import json
import logging
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import pytest
from yarl import URL

from worker.settings.secret import Secret
from worker.web import ContactPage, Status, WebServer
from worker.web.contacts import Answer

pytestmark = pytest.mark.loopback

TOKEN = "sixteen-characters-or-more"
GOOD = {"Authorization": f"Bearer {TOKEN}"}
CANARY = "jane-of-canary-street"
STATUS = Status(
    version="1", app_id="a", topic="t", guarantee="exactly_once", is_live=True, is_ready=True, partitions=(), models=()
)


@dataclass
class Desk:
    """A worker whose contacts are a dictionary, and whose clock stands still until a test moves it."""

    web_bind: str = "127.0.0.1"
    web_port: int = 0
    has_page: bool = True
    answer: Answer | None = None
    now_s: float = 0.0
    asked: list[bytes] = field(default_factory=list)
    counted: Counter[int] = field(default_factory=Counter)

    def exposition(self) -> bytes:
        return b""

    def look_up(self, key: bytes) -> Answer:
        self.asked.append(key)
        return self.answer or Answer(200, {"contact_id": key.decode()})

    def count(self, status: int) -> None:
        self.counted[status] += 1

    @property
    def page(self) -> ContactPage | None:
        return ContactPage(Secret(TOKEN), self.look_up, self.count, lambda: self.now_s) if self.has_page else None


@asynccontextmanager
async def serving(desk: Desk) -> AsyncIterator[str]:
    server = WebServer(desk, lambda: STATUS, desk, desk.page)
    await server.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        await server.stop()


def ask(desk: Desk, path: str = f"/contacts/{CANARY}", times: int = 1, **request: Any) -> list[tuple[Any, bytes]]:
    """Return the answers to the same request, *times* of it in a row."""

    async def go() -> list[tuple[Any, bytes]]:
        answers = []
        async with serving(desk) as url, aiohttp.ClientSession() as session:
            for _ in range(times):
                options = {"method": "GET", "headers": GOOD, **request}
                async with session.request(url=URL(url + path, encoded=True), **options) as response:
                    answers.append((response, await response.read()))
        return answers

    return asyncio.run(go())


def exchange(desk: Desk, sent: bytes) -> bytes:
    """Send raw bytes and return all that comes back until the server closes."""

    async def go() -> bytes:
        async with serving(desk) as url:
            reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
            writer.write(sent)
            await writer.drain()
            answer = await asyncio.wait_for(reader.read(), 5)
            writer.close()
            await writer.wait_closed()
            return answer

    return asyncio.run(go())


def test_contact_is_served_to_who_has_the_token_and_kept_by_no_cache() -> None:
    desk = Desk()
    ((response, body),) = ask(desk)
    assert (response.status, json.loads(body)) == (200, {"contact_id": CANARY})
    assert response.headers["Cache-Control"] == "no-store"
    assert response.headers["Content-Type"] == "application/json"
    assert desk.asked == [CANARY.encode()]
    assert desk.counted == {200: 1}


def test_without_a_token_there_is_no_such_path() -> None:
    """If this fails, whoever reaches the port reads everybody's score."""
    desk = Desk(has_page=False)
    ((response, body),) = ask(desk)
    assert (response.status, body) == (404, b"Not Found\n")
    assert desk.asked == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Bearer {TOKEN.upper()}"},
        {"Authorization": "Bearer \u00fcber-sixteen-characters"},
        {"X-Token": TOKEN},
    ],
    ids=str,
)
def test_anything_but_the_token_is_refused_and_nothing_is_looked_up(headers: dict[str, str]) -> None:
    desk = Desk()
    ((response, body),) = ask(desk, headers=headers)
    assert response.status == 401
    assert response.headers["WWW-Authenticate"] == 'Bearer realm="leadscore"'
    assert CANARY.encode() not in body
    assert TOKEN.encode() not in body
    assert desk.asked == []
    assert desk.counted == {401: 1}


def test_token_in_the_query_is_refused() -> None:
    """A query ends up in the logs of every proxy."""
    assert ask(Desk(), f"/contacts/{CANARY}?token={TOKEN}", headers={})[0][0].status == 401


def test_two_tokens_are_refused() -> None:
    head = f"GET /contacts/c HTTP/1.1\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer {TOKEN}\r\n"
    assert exchange(Desk(), f"{head}Authorization: Bearer guess\r\n\r\n".encode()).startswith(b"HTTP/1.1 401")
    assert exchange(Desk(), f"{head}\r\n".encode()).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("path", "key"),
    [
        ("jane%40example.com", "jane@example.com"),
        ("jane@example.com", "jane@example.com"),
        ("a%2Fb", "a/b"),
        ("a%252Fb", "a%2Fb"),
        ("a+b", "a+b"),
        ("a%20b", "a b"),
        ("%C3%BC", "ü"),
        ("a?b=c", "a"),
        ("x" * 128, "x" * 128),
    ],
)
def test_id_is_decoded_once(path: str, key: str) -> None:
    """If this fails, the answer is about somebody else."""
    desk = Desk()
    assert ask(desk, f"/contacts/{path}")[0][0].status == 200
    assert desk.asked == [key.encode()]


@pytest.mark.parametrize(
    "path", ["%00partition", "%01" + "%ff" * 16, "%FF", "%ED%A0%80", "x" * 129, "%C3%BC" * 65, "a%0Ab", "a%7F"]
)
def test_what_no_contact_is_called_is_refused(path: str) -> None:
    """If this fails, rows that are no contact can be read, or a log line be forged."""
    desk = Desk()
    ((response, _),) = ask(desk, f"/contacts/{path}")
    assert response.status == 400
    assert desk.asked == []


@pytest.mark.parametrize("path", ["/contacts", "/contacts/", "/contacts/a/b", "/contact/a"])
def test_other_paths_are_not_there(path: str) -> None:
    desk = Desk()
    assert ask(desk, path)[0][0].status == 404
    assert desk.asked == []


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_contact_can_only_be_read(method: str) -> None:
    desk = Desk()
    assert ask(desk, method=method)[0][0].status == 405
    assert desk.asked == []


@pytest.mark.parametrize("status", [404, 421, 503])
def test_answers_about_contacts_elsewhere_pass(status: int) -> None:
    desk = Desk(answer=Answer(status, {"problem": "p", "partition": 3}))
    ((response, body),) = ask(desk)
    assert (response.status, json.loads(body)) == (status, {"problem": "p", "partition": 3})
    assert response.headers.get("Retry-After") == ("1" if status == 503 else None)
    assert desk.counted == {status: 1}


def test_flood_is_slowed_down_and_passes_after_a_second() -> None:
    """If this fails, a script that reads all contacts stops the scoring."""
    desk = Desk()
    page = desk.page

    async def go() -> list[int]:
        server = WebServer(desk, lambda: STATUS, desk, page)
        await server.start()
        found = []
        async with aiohttp.ClientSession() as session:
            for number in range(26):
                desk.now_s = 1.0 if number == 25 else 0.0
                async with session.get(f"http://127.0.0.1:{server.port}/contacts/c", headers=GOOD) as response:
                    found.append(response.status)
        await server.stop()
        return found

    assert asyncio.run(go()) == [200] * 20 + [429] * 5 + [200]


def test_guesses_at_the_token_do_not_keep_others_out() -> None:
    desk = Desk()
    page = desk.page

    async def go() -> tuple[list[int], int]:
        server = WebServer(desk, lambda: STATUS, desk, page)
        await server.start()
        url = f"http://127.0.0.1:{server.port}/contacts/c"
        async with aiohttp.ClientSession() as session:
            found = []
            for _ in range(7):
                async with session.get(url, headers={"Authorization": "Bearer guess"}) as response:
                    found.append(response.status)
            async with session.get(url, headers=GOOD) as response:
                last = response.status
        await server.stop()
        return found, last

    assert asyncio.run(go()) == ([401] * 5 + [429] * 2, 200)


def test_no_request_leaves_an_id_or_a_token_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    """If this fails, logs hold contact data, or the key to it."""
    caplog.set_level(logging.INFO)
    desk = Desk()
    ask(desk)
    ask(desk, headers={"Authorization": f"Bearer {CANARY}"})
    ask(desk, f"/contacts/{CANARY}%00")
    exchange(desk, f"GET /contacts/{CANARY} HTTP/1.1\r\nbad header {TOKEN}\r\n\r\n".encode())
    exchange(desk, f"GET /contacts/{CANARY} HTTP/9.9.9\r\nHost: x\r\n\r\n".encode())
    assert CANARY not in caplog.text
    assert TOKEN not in caplog.text
