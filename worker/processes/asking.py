"""Asks each process for its pages: the status every two seconds, metrics and contacts when somebody asks us."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Self

import aiohttp
import orjson
from aiohttp import web
from yarl import URL

from worker.logs import log_event
from worker.metrics import PROCESS_STARTS, PROCESSES_READY, Metrics
from worker.processes.apart import SUPERVISOR
from worker.processes.merged import merged

if TYPE_CHECKING:
    from worker.processes.process import Member

_log = logging.getLogger(__name__)

_EVERY_S = 2.0
_ANSWER_WITHIN_S = 5.0
_IN_VAIN = 25
"""
So often a process that has answered before is asked in vain before it is killed: some three minutes when it says nothing at all.

A process whose loop stands still ends by itself after two; this is for one that is frozen as a whole. It is counted and not
timed, so that a machine that was paused finds its processes alive.
"""
_ELSEWHERE = 421
_PASSED_ON = ("WWW-Authenticate", "Retry-After")
_ANY = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "::": "::1"}  # noqa: S104 - looked for, not listened on


class Asking:
    """
    What the processes' web servers say; an async context manager.

    Args:
        members: The processes.
        bind: The address that they listen on.
    """

    def __init__(self, members: Sequence[Member], bind: str) -> None:
        self._members = members
        self._host = _ANY.get(bind, bind)
        self._metrics = Metrics()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_ANSWER_WITHIN_S))
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def run(self) -> None:
        """Ask for the status of each that listens, until cancelled; one that is frozen is killed."""
        while True:
            await asyncio.gather(*map(self._look, self._members))
            await asyncio.sleep(_EVERY_S)

    async def exposition(self) -> bytes:
        """Return the metrics of all that answer, each series with its process, and our own."""
        for member in self._members:
            is_ready = bool(member.status and member.status["is_ready"] and not member.unanswered)
            self._metrics.set(PROCESSES_READY, is_ready, process=member.number)
            counted = self._metrics.value(PROCESS_STARTS, process=member.number)
            self._metrics.add(PROCESS_STARTS, member.starts - counted, process=member.number)
        answers = await asyncio.gather(*(self._get(member, "/metrics") for member in self._members))
        pages = {
            member.number: answer[1]
            for member, answer in zip(self._members, answers, strict=True)
            if answer is not None
        }
        return merged({SUPERVISOR: self._metrics.exposition(), **pages})

    async def get(self, request: web.Request) -> web.Response:
        """Answer a request for a contact as the process that owns its partition does."""
        given = request.headers.getall("Authorization", [])
        headers = {"Authorization": given[0]} if len(given) == 1 else {}
        response = _refusal(503, "no process answers")
        for member in self._members:
            answer = await self._get(member, request.rel_url.raw_path, headers)
            if answer is not None:
                status, body, said = answer
                response = web.Response(status=status, body=body, content_type="application/json", headers=said)
                if status != _ELSEWHERE:
                    break
        return response

    async def _look(self, member: Member) -> None:
        process, port = member.process, member.web_port
        answer = await self._get(member, "/status")
        if port is None or member.process is not process or process is None:
            return  # it does not listen yet, or has ended meanwhile
        if answer is not None and (status := _document(answer)) is not None:
            member.status, member.unanswered = status, 0
            return
        member.unanswered += 1
        if member.unanswered == _IN_VAIN:
            log_event(_log, logging.ERROR, "process_frozen", process=member.number, pid=process.pid)
            process.signal(signal.SIGKILL)

    async def _get(
        self, member: Member, path: str, headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes, dict[str, str]] | None:
        """Return status, body and headers of a page; None when there is no answer."""
        if member.web_port is None or self._session is None:
            return None
        host = f"[{self._host}]" if ":" in self._host else self._host
        url = URL(f"http://{host}:{member.web_port}{path}", encoded=True)
        try:
            async with self._session.get(url, headers=headers, allow_redirects=False) as response:
                said = {name: response.headers[name] for name in _PASSED_ON if name in response.headers}
                return response.status, await response.read(), said
        except (TimeoutError, aiohttp.ClientError, OSError):
            return None


def _document(answer: tuple[int, bytes, dict[str, str]]) -> dict[str, Any] | None:
    """Return the status that *answer* holds; None when it is something else's."""
    try:
        document = orjson.loads(answer[1]) if answer[0] == 200 else None
    except ValueError:
        return None
    return document if isinstance(document, dict) and {"is_live", "is_ready", "partitions"} <= document.keys() else None


def _refusal(status: int, problem: str) -> web.Response:
    return web.Response(status=status, body=orjson.dumps({"problem": problem}), content_type="application/json")
