"""Starts a contender again with an empty disk, and sees how long it takes until it goes on from what it had."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass
from random import Random

import orjson

from tests.support.bench_events import PARTITIONS, event_of, marked_contacts
from tests.support.bench_process import MeasuredProcess, Sample
from tests.support.bench_topics import preload
from tests.support.beside.contenders import Place, Program
from tests.support.beside.events import FIRST, Backlog
from tests.support.beside.measuring import BenchBroker, Drain, Refused, started
from tests.support.beside.reading import TargetReader
from worker.clock import Deadline, now_ms
from worker.contracts.partitioner import partition_of

_WITHIN_S = 300.0
_LOOK_EVERY_S = 0.02
_LEAST_S = 0.3  # below, the time is that of starting, which varies by as much
_PROBED = frozenset(contact.encode() for contact in marked_contacts(FIRST))
_FROM_NOTHING = 100.0
"""What the probe alone is worth: a higher score shows that the points of the contact's first event are back."""


@dataclass(frozen=True)
class Restored:
    """
    What a restore has cost.

    *restore_s*: from the start to the last probe's output, less what the first start, with nothing to restore, took until the group had
    its partitions; *us_row* is CPU by row, with the same taken off.
    """

    rows: int
    restore_s: float
    rows_s: float | None  # None: too short a time to divide by
    us_row: float
    peak_rss_mib: float


async def produce_probes(brokers: str, topic: str, backlog: Backlog) -> None:
    """Send the first contact of each partition another event that makes it sales-ready, one that has long cooled."""
    random = Random(topic)
    probes = []
    for contact in marked_contacts(FIRST):
        event = event_of(random, contact, "demo.requested", backlog.until_ms) | {"occurred_at": backlog.until_ms}
        probes.append((partition_of(contact.encode(), PARTITIONS), contact.encode(), orjson.dumps(event)))
    await preload(brokers, topic, probes)


async def restore(program: Program, place: Place, drained: Drain, broker: BenchBroker) -> Restored:
    """
    Start *program* where it drained before, without its disk, and wait for its answer to the probes.

    Raises:
        Refused: It did not answer, or as one who knows nothing of its contacts, or told anything else.
    """
    shutil.rmtree(place.directory)
    deadline = Deadline(_WITHIN_S)
    async with TargetReader(place.brokers, place.target, PARTITIONS) as reader:
        while len(reader.told) < drained.told:
            reader.check()
            if deadline.has_passed:
                raise Refused(f"only {len(reader.told)} of {drained.told} outputs are still there")
            await asyncio.sleep(_LOOK_EVERY_S)
        born_ms = now_ms()
        try:
            with started(program, place, broker) as process:
                sample = await _answers(process, reader, drained.told, deadline)
                await asyncio.to_thread(process.stop)
                await reader.finish()
        except (RuntimeError, TimeoutError) as error:
            raise Refused(str(error)) from error
    told = reader.told[drained.told :]
    for one in told:
        if one.key not in _PROBED or orjson.loads(one.value)["score"] <= _FROM_NOTHING + 0.5:
            raise Refused(f"told {one.value[:200]!r} after the restore")
    seconds = (max(one.at_ms for one in told) - born_ms) / 1000 - drained.up_s
    return Restored(
        rows=drained.changelog_rows,
        restore_s=seconds,
        rows_s=drained.changelog_rows / seconds if seconds >= _LEAST_S else None,
        us_row=(sample.cpu_s - drained.up_cpu_s) / drained.changelog_rows * 1e6,
        peak_rss_mib=process.peak_rss_mib,
    )


async def _answers(process: MeasuredProcess, reader: TargetReader, before: int, deadline: Deadline) -> Sample:
    """Wait until each probe is answered behind the first *before* outputs; return what was used by then."""
    while not {one.key for one in reader.told[before:]} >= _PROBED:
        process.sample()
        reader.check()
        if deadline.has_passed:
            raise TimeoutError(f"no answer to the probes:\n{process.log_tail()}")
        await asyncio.sleep(_LOOK_EVERY_S)
    return process.sample()
