"""The demo itself: a Kafka, a worker, a company's traffic, and a screen to watch them."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from rich.live import Live

from worker.clock import Deadline, monotonic, now_ms
from worker.contracts.instants import MS_PER_DAY
from worker.demo.board import Board, Progress
from worker.demo.books import ModelBooks, Produced, discrepancies, read_books
from worker.demo.broker import EmbeddedBroker
from worker.demo.mishaps import Arrival, Mishaps, arrivals
from worker.demo.screen import (
    books_table,
    live_screen,
    next_steps,
    plain_line,
    summary,
    transition_line,
)
from worker.demo.traffic import company_events
from worker.demo.worker_process import WorkerProcess
from worker.errors import DependencyError

if TYPE_CHECKING:
    from rich.console import Console

INPUT, QUALIFICATIONS, SCORES = "lead-interactions", "lead-qualifications", "lead-scores"
PARTITIONS = 4
_STEP_S = 0.05  # of the simulation
_DRAW_EVERY_S = 0.25
_LINE_EVERY_S = 5.0
_CAUGHT_UP_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is simulated."""

    seconds: float  # real seconds, and simulated days
    seed: int
    contacts: int


def run_demo(plan: Plan, console: Console) -> int:
    """
    Start everything, show it, stop everything; Ctrl-C ends the traffic early and still gives the summary.

    Returns:
        0, or 1 when the worker's books do not balance or do not agree with what was sent.

    Raises:
        WorkerError: Something could not be started, or the worker ended by itself.
    """
    with _starting(console, "starting Apache Kafka") as say, EmbeddedBroker(say=say) as broker:
        say("starting the worker")
        settings = {
            "LEADSCORE_INPUT_TOPIC": INPUT,
            "LEADSCORE_QUALIFICATIONS_TOPIC": QUALIFICATIONS,
            "LEADSCORE_SCORES_TOPIC": SCORES,
            "LEADSCORE_PARTITIONS": str(PARTITIONS),
        }
        with WorkerProcess(broker.bootstrap_servers, settings) as worker:
            say("")
            show = _Show(plan, broker.bootstrap_servers, worker, console)
            try:
                asyncio.run(show.run())
            except asyncio.CancelledError:  # by a second Ctrl-C
                raise KeyboardInterrupt from None
            return _report(show, read_books(worker.get("/metrics")[1].decode()), console)


def _report(show: _Show, books: list[ModelBooks], console: Console) -> int:
    wrong = discrepancies(books, show.produced)
    console.print(f"\n{summary(show.board, show.progress, show.produced)}\n", highlight=False)
    console.print(books_table(books, show.produced))
    for line in wrong:
        console.print(f"[bold red]does not add up:[/] {line}", highlight=False)
    if not wrong:
        console.print("[green]The books balance:[/] every record is accounted for once, and agrees with what was sent.")
    console.print(next_steps())
    return 1 if wrong else 0


class _Show:
    """One run: traffic in, scores and transitions out, the screen in between."""

    def __init__(self, plan: Plan, brokers: str, worker: WorkerProcess, console: Console) -> None:
        end_ms = now_ms()
        start_ms = end_ms - round(plan.seconds * MS_PER_DAY)
        self._plan, self._brokers, self._worker, self._console = plan, brokers, worker, console
        self.board = Board()
        self.produced = Produced()
        self.progress = Progress(start_ms=start_ms, end_ms=end_ms, now_ms=start_ms)
        self._ended = asyncio.Event()

    async def run(self) -> None:
        """Run until the simulated time is over or somebody interrupts, then until the worker has caught up."""
        with _ended_by_signals(self._ended):
            try:
                async with self._clients() as (producer, consumer), asyncio.TaskGroup() as group:
                    beside = [group.create_task(task) for task in (self._read(consumer), self._watch(), self._draw())]
                    await self._produce(producer)
                    await self._catch_up()
                    for task in beside:
                        task.cancel()
            except BaseExceptionGroup as failed:  # `except*` would wrap what is raised here once more
                raise _first(failed) from None

    @asynccontextmanager
    async def _clients(self) -> AsyncIterator[tuple[AIOKafkaProducer, AIOKafkaConsumer]]:
        producer = AIOKafkaProducer(bootstrap_servers=self._brokers, enable_idempotence=True, linger_ms=5)
        consumer = AIOKafkaConsumer(
            QUALIFICATIONS,
            SCORES,
            bootstrap_servers=self._brokers,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        await producer.start()
        try:
            await consumer.start()
            try:
                yield producer, consumer
            finally:
                await consumer.stop()
        finally:
            await producer.stop()

    async def _produce(self, producer: AIOKafkaProducer) -> None:
        progress, began = self.progress, monotonic()
        progress.stage = "running"
        coming = self._arrivals()
        following = next(coming, None)
        while following is not None and not self._ended.is_set():
            progress.now_ms = min(progress.start_ms + round((monotonic() - began) * MS_PER_DAY), progress.end_ms)
            while following is not None and following.at_ms <= progress.now_ms:
                await self._send(producer, following)
                following = next(coming, None)
            progress.note_sent(monotonic())
            await self._pause(_STEP_S)
        await producer.flush()

    def _arrivals(self) -> Iterator[Arrival]:
        plan, progress = self._plan, self.progress
        events = company_events(
            seed=plan.seed, contacts=plan.contacts, start_ms=progress.start_ms, end_ms=progress.end_ms
        )
        return arrivals(events, seed=plan.seed, partitions=PARTITIONS, mishaps=Mishaps(), end_ms=progress.end_ms)

    async def _send(self, producer: AIOKafkaProducer, arrival: Arrival) -> None:
        await producer.send(INPUT, arrival.value, key=arrival.key, partition=arrival.partition)
        produced = self.produced
        produced.records += 1
        produced.repeated += arrival.fate == "repeated" and arrival.leaves_trace
        produced.late += arrival.fate == "late"
        produced.malformed += arrival.fate == "malformed"
        produced.misplaced += arrival.fate == "misplaced"
        self.progress.sent = produced.records

    async def _catch_up(self) -> None:
        """Wait until the worker has counted all that was sent; a lag of 0 alone may be older than the last record."""
        self.progress.stage = "the worker catches up"
        deadline = Deadline(_CAUGHT_UP_WITHIN_S)
        while not deadline.has_passed:
            books = read_books((await asyncio.to_thread(self._worker.get, "/metrics"))[1].decode())
            received = all(book.received >= self.produced.records + book.forwarded for book in books)
            if books and received and self.progress.lag_records == 0:
                await asyncio.sleep(1.0)  # what it published last is on its way to us
                return
            await asyncio.sleep(0.2)
        raise DependencyError(
            what="the worker",
            problem=f"did not catch up within {_CAUGHT_UP_WITHIN_S:g} s (lag {self.progress.lag_records})",
            fix="run the demo on a less busy machine, or with fewer --contacts",
        )

    async def _read(self, consumer: AIOKafkaConsumer) -> None:
        async for record in consumer:
            if record.topic == SCORES:
                self.board.take_scores(record.key, record.value)
            else:
                self.board.take_transition(record.value)
                if not self._console.is_terminal:
                    self._say(transition_line(self.board.latest(1)[0]))

    async def _watch(self) -> None:
        while True:
            self._worker.check()
            try:
                self.progress.lag_records = await asyncio.to_thread(self._worker.lag_records)
            except OSError:
                self.progress.lag_records = None  # too busy to answer, or about to end: the next check says
            await asyncio.sleep(0.5)

    async def _draw(self) -> None:
        if not self._console.is_terminal:
            while True:
                await asyncio.sleep(_LINE_EVERY_S)
                self._say(plain_line(self.board, self.progress))
        with Live(console=self._console, auto_refresh=False, screen=False, transient=False) as live:
            while True:
                live.update(live_screen(self.board, self.progress, self._console.height), refresh=True)
                await asyncio.sleep(_DRAW_EVERY_S)

    def _say(self, line: str) -> None:
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._ended.wait()
        except TimeoutError:
            return


@contextmanager
def _ended_by_signals(ended: asyncio.Event) -> Iterator[None]:
    """The first Ctrl-C or SIGTERM ends the traffic in good order, the second everything."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()

    def on_signal() -> None:
        if ended.is_set() and task is not None:
            task.cancel()
        ended.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)
    try:
        yield
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


@contextmanager
def _starting(console: Console, first: str) -> Iterator[Callable[[str], None]]:
    """Show what is being waited for: a spinner on a terminal, lines elsewhere; an empty text ends it."""
    status = console.status(first) if console.is_terminal else None

    def say(line: str) -> None:
        if status is None:
            if line:
                console.print(line, highlight=False)
        elif line:
            status.update(line)
        else:
            status.stop()

    if status is None:
        say(first)
        yield say
        return
    with status:
        yield say


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what went wrong first; a task group keeps the order."""
    found: BaseException = group
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    return found
