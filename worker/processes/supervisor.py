"""`leadscore run` with several processes: starts them, keeps them running, ends them together."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from worker.clock import monotonic
from worker.errors import RestartRequired
from worker.logs import configure, log_event
from worker.processes.apart import environ_of, numbers, require_ports, state_directory
from worker.processes.asking import Asking
from worker.processes.leftovers import remove_leftovers
from worker.processes.process import ChildProcess, Command, Member, child_command, with_package
from worker.processes.relay import Relay
from worker.processes.rules import Supervision
from worker.processes.standing import AllStatus, status_of_all
from worker.scoring.model_file import load_models
from worker.settings import require_for_run
from worker.stores.directory_lock import DirectoryLock
from worker.web.server import WebServer

if TYPE_CHECKING:
    from worker.settings import Settings

_log = logging.getLogger(__name__)

_LOOK_S = 2.0


def run_processes(
    settings: Settings, environ: Mapping[str, str], processes: int, *, command: Command = child_command
) -> int:
    """
    Run so many worker *processes* until told to stop, and return an exit code.

    0 stopped by SIGTERM or SIGINT, 70 one of them could not stop in time, 69 or 78 what one of them ended with: all others are
    stopped then. One that ends otherwise is started again.

    Args:
        settings: Those of all.
        environ: The environment that they were read from.
        processes: How many, 2 or more.
        command: What runs one of them; a test has its own.
    """
    members = {number: Member(number) for number in numbers(processes)}
    relay = Relay(settings.log_format, hear=lambda number, event: members[number].hear(event))
    configure("json", settings.log_level, stream=relay.stream())
    try:
        require_for_run(settings)
        require_ports(settings, processes)
        load_models(settings.models)  # said once here, and not by each of them
        with _state(settings, processes):
            return asyncio.run(Supervisor(settings, environ, members, relay, command).run())
    except Exception as error:  # noqa: BLE001 - whoever is above has to see "start me again", whatever it was
        from worker.stream.fatal import log_end  # noqa: PLC0415 - imports Kafka's client, which a supervisor does not need

        return log_end(error)


@contextmanager
def _state(settings: Settings, processes: int) -> Iterator[None]:
    """Keep everybody else out of the state directory, which the processes have theirs below, and tidy it up."""
    directory = state_directory(settings)
    if directory is None:
        yield
        return
    lock = DirectoryLock(directory, settings.app_id)
    with suppress(OSError):  # what is wrong with it the lock says
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock.acquire()
    try:
        remove_leftovers(directory, processes, settings.app_id)
        yield
    finally:
        lock.release()


class Supervisor:
    """
    The processes from their start to the end of the last one.

    Args:
        settings: Those of all.
        environ: The environment that they were read from.
        members: The processes, by number.
        relay: Takes what they log.
        command: What runs one of them.
    """

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        members: Mapping[int, Member],
        relay: Relay,
        command: Command,
    ) -> None:
        self._settings = settings
        self._environ = with_package(environ)
        self._members = members
        self._relay = relay
        self._command = command
        self._rules = Supervision(members, settings.stop_timeout_ms / 1000)
        self._woken = asyncio.Event()
        self._waiting: set[asyncio.Task[None]] = set()

    async def run(self) -> int:
        """
        Run until all have ended, and return the exit code.

        Raises:
            ConfigError: our own web port cannot be bound.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._told, number)
        asking = Asking(list(self._members.values()), self._settings.web_bind)
        contacts = asking if self._settings.web_token is not None else None
        web = WebServer(self._settings, self._status, asking, contacts)
        await web.start()
        log_event(
            _log, logging.INFO, "supervisor_starts", processes=len(self._members), web_port=web.port, pid=os.getpid()
        )
        try:
            async with asking:
                with _beside(asking.run()), _beside(self._look_for_idle()):
                    await self._supervise()
        finally:
            self._kill_all()  # nobody is left unless we are in trouble
            await web.stop()
        return self._end()

    async def _supervise(self) -> None:
        rules = self._rules
        while not rules.is_over:
            self._woken.clear()
            for number in rules.to_start(monotonic()):
                await self._start(self._members[number])
            for number, sent in rules.to_signal(monotonic()):
                self._send(number, sent)
            until = rules.wakes_at() - monotonic()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), None if until == math.inf else max(0.0, until))
        if self._waiting:
            await asyncio.wait(self._waiting)

    async def _start(self, member: Member) -> None:
        environ = environ_of(member.number, self._settings, self._environ)
        self._rules.started(member.number, monotonic())
        try:
            process = await ChildProcess.start(member.number, self._command(member.number), environ, self._relay)
        except OSError as exc:
            log_event(_log, logging.ERROR, "process_not_started", process=member.number, reason=str(exc.strerror))
            member.ends(RestartRequired.exit_code)
            self._rules.ended(member.number, RestartRequired.exit_code, monotonic())
            return
        member.begins(process)
        log_event(_log, logging.INFO, "process_starts", process=member.number, pid=process.pid, starts=member.starts)
        waiting = asyncio.create_task(self._wait_for(member, process), name=f"end of process {member.number}")
        self._waiting.add(waiting)
        waiting.add_done_callback(self._waiting.discard)

    async def _wait_for(self, member: Member, process: ChildProcess) -> None:
        code = await process.wait_ended()
        member.ends(code)
        self._rules.ended(member.number, code, monotonic())
        starts_in_s = self._rules.starts_in(member.number, monotonic())
        log_event(
            _log,
            logging.INFO if code == 0 else logging.WARNING,
            "process_ends",
            process=member.number,
            pid=process.pid,
            exit_code=code,
            **({} if starts_in_s is None else {"starts_again_in_seconds": round(starts_in_s, 1)}),
        )
        self._woken.set()

    def _told(self, number: signal.Signals) -> None:
        log_event(_log, logging.INFO, "supervisor_stops", signal=number.name)
        self._rules.told(monotonic())
        self._woken.set()

    def _send(self, number: int, sent: signal.Signals) -> None:
        if sent == signal.SIGKILL:
            log_event(_log, logging.WARNING, "process_killed", process=number)
        if (process := self._members[number].process) is not None:
            process.signal(sent)

    def _kill_all(self) -> None:
        for member in self._members.values():
            if member.process is not None:
                member.process.signal(signal.SIGKILL)

    def _status(self) -> AllStatus:
        starts_in = partial(self._rules.starts_in, now_s=monotonic())
        return status_of_all(self._settings, self._members.values(), starts_in, is_stopping=self._rules.is_stopping)

    async def _look_for_idle(self) -> None:
        """Say once that there are more processes than partitions, when that is known."""
        while True:
            await asyncio.sleep(_LOOK_S)
            status = self._status()
            if status.topic_partitions is not None and status.topic_partitions < len(self._members):
                log_event(
                    _log,
                    logging.WARNING,
                    "processes_idle",
                    processes=len(self._members),
                    partitions=status.topic_partitions,
                    fix="a partition is worked off by one process: lower LEADSCORE_PROCESSES",
                )
                return

    def _end(self) -> int:
        """Log the last line, and return the exit code."""
        code, cause = self._rules.exit_code, self._rules.cause
        if code == 0:
            log_event(_log, logging.INFO, "supervisor_stopped")
            return code
        said: Mapping[str, Any] = {} if cause is None else self._members[cause].last_words
        log_event(
            _log,
            logging.CRITICAL,
            "worker_ends",
            exit_code=code,
            code=said.get("code", RestartRequired.code),
            reason=f"process {cause}: {said.get('reason', f'it ended with {code}')}"
            if cause is not None
            else "a process did not stop in time, nothing is lost",
        )
        return code


@contextmanager
def _beside(work: Coroutine[Any, Any, None]) -> Iterator[None]:
    """Do *work* for as long as the block runs."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
