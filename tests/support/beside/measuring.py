"""One contender drains one backlog; what it costs is seen from outside, by the kernel and by the broker."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from typing import NamedTuple

import psutil

from tests.support.bench_calibration import calibrate
from tests.support.bench_events import PARTITIONS, marked_contacts
from tests.support.bench_process import MeasuredProcess, Sample
from tests.support.bench_topics import committed, has_its_partitions, size_of
from tests.support.beside.contenders import Contender, Place, Program
from tests.support.beside.events import LAST, Backlog
from tests.support.beside.reading import TargetReader
from tests.support.beside.truth import Verdict
from tests.support.kafka import admin_of, create_topics
from worker.clock import Deadline, cpu_seconds, now_ms

BROKER_PROPERTIES = {"log.cleaner.min.compaction.lag.ms": "86400000"}
"""Nothing is compacted within a run: a restore reads every row that was written."""

_LOOK_EVERY_S = 0.1
_BEGINS_WITHIN_S = 0.02  # how much work may go unseen before the start is noticed
_REST_WITHIN_S = 30.0  # what timers tell last may follow the last event by a moment
_CALIBRATION_EVENTS = 20_000
LAST_KEYS = frozenset(contact.encode() for contact in marked_contacts(LAST))


class BenchBroker(NamedTuple):
    """Where the broker is, and which process."""

    address: str
    pid: int | None


class Moment(NamedTuple):
    """CPU seconds used up to an instant by those who are watched, and by everything on the machine."""

    at_ms: int
    contender_s: float
    broker_s: float
    own_s: float
    machine_s: float

    @classmethod
    def of(cls, sample: Sample) -> Moment:
        """Return now, with what the contender and the broker have used by *sample*."""
        return cls(sample.at_ms, sample.cpu_s, sample.broker_cpu_s, cpu_seconds(), machine_cpu_s())

    def foreign_cores(self, until: Moment) -> float:
        """Return how many cores were busy with what nobody here asked for, from this moment to *until*."""
        known = sum(after - before for before, after in zip(self[1:4], until[1:4], strict=True))
        return max(0.0, (until.machine_s - self.machine_s - known) / max(1, until.at_ms - self.at_ms) * 1000)


def machine_cpu_s() -> float:
    """Return the CPU seconds that all cores have been busy."""
    times = psutil.cpu_times()
    return float(sum(times[:8]) - times.idle - getattr(times, "iowait", 0.0))


@dataclass(frozen=True)
class Drain:
    """
    What a drain has cost; all by event.

    *us* is CPU of the process tree from the moment its group had its partitions until it had ended in good order with all its work
    committed: the start is left out, the stop is not. *rate* is events by seconds from that moment to the last contact's output, by the
    broker's clock. *up_s*: from its birth to that moment.
    """

    us: float
    us_total: float
    rate: float
    cores: float
    foreign: float
    broker_us: float
    peak_rss_mib: float
    changelog_rows: int
    changelog_bytes: int  # keys and values, before compression
    told: int
    up_s: float
    up_cpu_s: float  # CPU up to that moment
    stop_s: float
    calibration_us: float


class Refused(Exception):
    """The contender did not finish, or what it told is not right."""


async def drain(
    contender: Contender,
    program: Program,
    place: Place,
    backlog: Backlog,
    verdict: Verdict,
    broker: BenchBroker,
    *,
    within_s: float,
) -> Drain:
    """
    Start *program*, wait until it has told everything of *backlog*, stop it.

    Raises:
        Refused: It ended by itself, or badly, or took longer than *within_s* seconds, or told or committed something else.
    """
    calibrations = [_calibration(backlog)]
    await make_topics(program, place)
    born_ms = now_ms()
    process = started(program, place, broker)
    try:
        with process:
            async with TargetReader(place.brokers, place.target, PARTITIONS) as reader:
                deadline = Deadline(within_s)
                began = await has_begun(process, place, deadline)
                await _has_told(process, reader, verdict.count, deadline)
                stopping_ms = now_ms()
                last = Moment.of(process.sample())
                total_s = await asyncio.to_thread(process.stop)
                ended = last._replace(
                    at_ms=now_ms(),
                    contender_s=total_s,
                    broker_s=process.broker_cpu_s(),
                    own_s=cpu_seconds(),
                    machine_s=machine_cpu_s(),
                )
                await reader.finish()
    except (RuntimeError, TimeoutError) as error:
        raise Refused(f"{contender.name}: {error}") from error
    calibrations.append(_calibration(backlog))
    await _check_all_committed(contender, place, backlog)
    if faults := verdict.faults(reader.told):
        raise Refused(f"{contender.name}: " + "; ".join(faults[:3]))
    changelog = await size_of(place.brokers, program.changelog)
    last_ms = max(one.at_ms for one in reader.told if one.key in LAST_KEYS)
    events = backlog.count
    return Drain(
        us=(total_s - began.contender_s) / events * 1e6,
        us_total=total_s / events * 1e6,
        rate=events / max(1, last_ms - began.at_ms) * 1000,
        cores=(last.contender_s - began.contender_s) / (last.at_ms - began.at_ms) * 1000,
        foreign=began.foreign_cores(ended),
        broker_us=(ended.broker_s - began.broker_s) / events * 1e6,
        peak_rss_mib=process.peak_rss_mib,
        changelog_rows=changelog.rows,
        changelog_bytes=changelog.bytes,
        told=len(reader.told),
        up_s=(began.at_ms - born_ms) / 1000,
        up_cpu_s=began.contender_s,
        stop_s=(ended.at_ms - stopping_ms) / 1000,
        calibration_us=sum(calibrations) / len(calibrations),
    )


async def make_topics(program: Program, place: Place, *, partitions: int = PARTITIONS) -> None:
    """Make the target of *place*, where the broker says when a record came, and a changelog where the program makes none."""
    by_broker = {"message.timestamp.type": "LogAppendTime"}
    await create_topics(place.brokers, {place.target: partitions}, config=by_broker)
    if not program.makes_changelog:
        await create_topics(place.brokers, {program.changelog: partitions}, config={"cleanup.policy": "compact"})


def started(program: Program, place: Place, broker: BenchBroker) -> MeasuredProcess:
    """Start *program* in the directory of *place*; its output goes to a log beside it."""
    place.directory.mkdir(parents=True, exist_ok=True)
    process = MeasuredProcess(
        program.command,
        log=place.directory.with_suffix(".log"),
        directory=place.directory,
        environ=program.environ,
        broker_pid=broker.pid,
    )
    print(f"{place.group}: process {process.pid} ...", file=sys.stderr, flush=True)
    return process


async def has_begun(process: MeasuredProcess, place: Place, deadline: Deadline) -> Moment:
    """
    Wait until the group of *place* has its partitions; return that moment.

    Raises:
        RuntimeError: The process ended.
        TimeoutError: *deadline* passed.
    """
    async with admin_of(place.brokers) as admin:
        while not deadline.has_passed:
            sample = process.sample()
            if await has_its_partitions(admin, place.group):
                return Moment.of(sample)
            await asyncio.sleep(_BEGINS_WITHIN_S)
    raise TimeoutError(f"it got no partitions:\n{process.log_tail()}")


async def _has_told(process: MeasuredProcess, reader: TargetReader, count: int, deadline: Deadline) -> None:
    """Wait for *count* outputs, and not long for those that do not come with the last contacts' own: these are then found missing."""
    rest = deadline
    while len(reader.told) < count or not reader.keys >= LAST_KEYS:
        reader.check()
        process.sample()
        if rest is deadline and reader.keys >= LAST_KEYS:
            rest = Deadline(min(_REST_WITHIN_S, deadline.remaining()))
        if rest.has_passed:
            if rest is not deadline:
                return
            raise TimeoutError(f"it has told {len(reader.told)} of {count}:\n{process.log_tail()}")
        await asyncio.sleep(_LOOK_EVERY_S)


async def _check_all_committed(contender: Contender, place: Place, backlog: Backlog) -> None:
    async with admin_of(place.brokers) as admin:
        done = await committed(admin, place.group, place.source)
    # The closing events move time only: whoever stops before the last of them has lost nothing.
    least = sum(backlog.ends) - len(backlog.closing)
    if done < least:
        raise Refused(f"{contender.name}: stopped with {done} of {least} events committed")


def _calibration(backlog: Backlog) -> float:
    lines = backlog.lines()
    return calibrate([value for value, _ in zip(lines, range(_CALIBRATION_EVENTS), strict=False)])
