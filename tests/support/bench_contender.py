"""One contender drains one backlog; everything about it is observed from outside, by the broker and by the kernel."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from aiokafka.structs import ConsumerRecord

from tests.support.bench_calibration import calibrate
from tests.support.bench_events import PARTITIONS, Backlog
from tests.support.bench_process import MeasuredProcess, Sample
from tests.support.bench_topics import committed, has_its_partitions, read_committed, size_of
from tests.support.kafka import admin_of, create_topics
from worker.clock import Deadline, now_ms

_LOOK_EVERY_S = 0.1
_CALIBRATION_EVENTS = 20_000
_LAST_TIMERS_WITHIN_S = 30.0


class BenchBroker(NamedTuple):
    """Where the broker is, and which process."""

    address: str
    pid: int | None


@dataclass(frozen=True)
class Contender:
    """A program that drains *backlog* from *source*; it is told where by *environ*."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    group: str
    source: str
    target: str
    changelog: str
    backlog: Backlog
    expected: Counter[Any]  # what has to be in *target*, as *shape* gives it
    shape: Callable[[ConsumerRecord[bytes, bytes]], Any] = field(repr=False)


@dataclass
class Drain:
    """
    What a drain has cost.

    *us_drain* is CPU of the whole process tree from the moment its group had its partitions until everything was committed;
    *us_total* is the CPU of its whole life, start and stop included; both by event. *rate* counts from its first output to its last.
    """

    name: str
    events: int
    rate: float
    us_drain: float
    us_total: float
    cores: float
    broker_us: float
    peak_rss_mib: float
    changelog_rows: int
    changelog_bytes: int
    outputs: int
    calibration_us: float
    missing: Counter[Any]
    unexpected: Counter[Any]


@dataclass
class _Watched:
    """What was seen while it ran."""

    began: Sample | None = None
    ended: Sample | None = None
    progress: list[tuple[int, int]] = field(default_factory=list)  # (instant in ms, records committed)


async def drain(contender: Contender, broker: BenchBroker, directory: Path, *, within_s: float) -> Drain:
    """
    Start *contender*, wait until it has committed its whole backlog and published what is expected, stop it.

    Raises:
        RuntimeError: It ended by itself, or not in good order.
        TimeoutError: It was not done within *within_s* seconds.
    """
    calibration = [_calibration(contender.backlog)]
    await create_topics(
        broker.address, {contender.target: PARTITIONS}, config={"message.timestamp.type": "LogAppendTime"}
    )
    process = MeasuredProcess(
        contender.command,
        log=directory / f"{contender.group}.log",
        directory=directory,
        environ=contender.environ,
        broker_pid=broker.pid,
    )
    with process:
        watched = await _watch(process, contender, broker, Deadline(within_s))
        await _last_outputs(contender, broker)
        total_s = process.stop()
        outputs = [record async for record in read_committed(broker.address, contender.target)]
    calibration.append(_calibration(contender.backlog))
    began, ended = watched.began, watched.ended
    assert began is not None
    assert ended is not None
    events = contender.backlog.count
    changelog = await size_of(broker.address, contender.changelog)
    found = Counter(map(contender.shape, outputs))
    return Drain(
        name=contender.name,
        events=events,
        rate=_rate(contender, outputs, watched.progress),
        us_drain=(ended.cpu_s - began.cpu_s) / events * 1e6,
        us_total=total_s / events * 1e6,
        cores=(ended.cpu_s - began.cpu_s) / (ended.at_ms - began.at_ms) * 1000,
        broker_us=(ended.broker_cpu_s - began.broker_cpu_s) / events * 1e6,
        peak_rss_mib=process.peak_rss_mib,
        changelog_rows=changelog.rows,
        changelog_bytes=changelog.bytes,
        outputs=len(outputs),
        calibration_us=sum(calibration) / len(calibration),
        missing=contender.expected - found,
        unexpected=found - contender.expected,
    )


async def _watch(process: MeasuredProcess, contender: Contender, broker: BenchBroker, deadline: Deadline) -> _Watched:
    watched = _Watched()
    end = sum(contender.backlog.ends)
    async with admin_of(broker.address) as admin:
        while watched.ended is None:
            sample = process.sample()
            if watched.began is None:
                watched.began = sample if await has_its_partitions(admin, contender.group) else None
            else:
                done = await committed(admin, contender.group, contender.source)
                watched.progress.append((now_ms(), done))
                if done >= end:
                    watched.ended = process.sample()
            if deadline.has_passed:
                raise TimeoutError(f"{contender.name}: {watched.progress[-1:]} of {end}:\n{process.log_tail()}")
            await asyncio.sleep(_LOOK_EVERY_S)
    return watched


async def _last_outputs(contender: Contender, broker: BenchBroker) -> None:
    """Wait until as many outputs are there as are expected; what timers tell last may follow the last commit by a moment."""
    expected = contender.expected.total()
    deadline = Deadline(_LAST_TIMERS_WITHIN_S)
    while not deadline.has_passed:
        if (await size_of(broker.address, contender.target)).rows >= expected:
            return
        await asyncio.sleep(_LOOK_EVERY_S)


def _rate(
    contender: Contender, outputs: Sequence[ConsumerRecord[bytes, bytes]], progress: Sequence[tuple[int, int]]
) -> float:
    """Return events a second, from the first output of the first contacts to that of the last ones, by the broker's clock."""
    began_ms = min(record.timestamp for record in outputs if (record.key or b"").startswith(b"first-"))
    ended_ms = max(record.timestamp for record in outputs if (record.key or b"").startswith(b"last-"))
    # What came with the first round is not counted.
    before = next(done for at_ms, done in progress if at_ms >= began_ms)
    return float(max(0, contender.backlog.count - before) / max(1, ended_ms - began_ms) * 1000)


def _calibration(backlog: Backlog) -> float:
    lines = backlog.lines()
    return calibrate([value for value, _ in zip(lines, range(_CALIBRATION_EVENTS), strict=False)])
