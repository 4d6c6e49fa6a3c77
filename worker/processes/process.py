"""One supervised process from without: started, heard, sent signals, waited for; and what is known of it over its lives."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import worker
from worker.processes.relay import Lines, Relay

_LAST_WORDS_S = 1.0  # a process that has ended has written all; one of its own might hold the pipe open
_CHUNK_BYTES = 65_536

Command = Callable[[int], Sequence[str]]
"""Gives program and arguments of the process of a number."""


def child_command(number: int) -> list[str]:
    """Return what runs worker process *number*, with this very package."""
    return [sys.executable, "-m", "worker.processes.child", str(number)]


def with_package(environ: Mapping[str, str]) -> dict[str, str]:
    """Return *environ* such that a fresh interpreter finds this very package, whatever its working directory holds."""
    root = Path(worker.__file__).parents[1]
    if {"site-packages", "dist-packages"} & {root.name}:
        return {**environ, "PYTHONSAFEPATH": "1"}
    path = ":".join(filter(None, [str(root), environ.get("PYTHONPATH", "")]))
    return {**environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": path}


@dataclass(slots=True)
class Member:
    """A process's number, and what is known of the life that it is in."""

    number: int
    starts: int = 0
    exit_code: int | None = None  # of the last life; negative: a signal
    last_words: Mapping[str, Any] = field(default_factory=dict)  # the event worker_ends of the last life
    process: ChildProcess | None = None  # None: it does not run
    web_port: int | None = None  # once it listens
    status: Mapping[str, Any] | None = None  # its last answer
    unanswered: int = 0  # times that it was asked in vain since

    def begins(self, process: ChildProcess) -> None:
        """Note the start of another life."""
        self.starts += 1
        self.process, self.web_port, self.status, self.unanswered, self.last_words = process, None, None, 0, {}

    def ends(self, exit_code: int) -> None:
        """Note the end of this life."""
        self.process, self.web_port, self.status, self.exit_code = None, None, None, exit_code

    def hear(self, event: Mapping[str, Any]) -> None:
        """Note what it has logged."""
        if event["event"] == "worker_starts":
            self.web_port = event.get("web_port")
        elif event["event"] == "worker_ends":
            self.last_words = event


class ChildProcess:
    """A process that runs, its output relayed."""

    def __init__(self, process: asyncio.subprocess.Process, relayed: asyncio.Task[None]) -> None:
        self._process = process
        self._relayed = relayed

    @classmethod
    async def start(cls, number: int, command: Sequence[str], environ: Mapping[str, str], relay: Relay) -> ChildProcess:
        """
        Start process *number*.

        Raises:
            OSError: it cannot be started.
        """
        process = await asyncio.create_subprocess_exec(
            *command,
            env=dict(environ),
            stdin=asyncio.subprocess.PIPE,  # never written to: its end tells the process that we have gone
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C reaches the supervisor alone, which passes it on once
        )
        assert process.stdout is not None  # noqa: S101 - asked for above
        relaying = asyncio.create_task(_relay(number, process.stdout, relay), name=f"output of process {number}")
        return cls(process, relaying)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens when it has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(number)

    async def wait_ended(self) -> int:
        """Return its exit code, negative for a signal, when it has ended and its last words are relayed."""
        code = await self._process.wait()
        _, pending = await asyncio.wait({self._relayed}, timeout=_LAST_WORDS_S)
        for task in pending:
            task.cancel()
        return code


async def _relay(number: int, stream: asyncio.StreamReader, relay: Relay) -> None:
    lines = Lines()
    try:
        while received := await stream.read(_CHUNK_BYTES):
            for line in lines.take(received):
                relay.line(number, line)
    finally:
        for line in lines.end():
            relay.line(number, line)
