"""
What a change costs: the worker of this tree beside that of another checkout, in turn, on one broker, with the same input.

    python -m tests.bench.pairs --other ../before --pairs 5 --events 300000

Each pair runs both for each of --contenders; which of the two goes first alternates. The ratio of CPU an event is the median over the
pairs, since the machine is shared. Both must tell what is right, or no figure is printed.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median

import orjson

from tests.support.bench_process import machine
from tests.support.beside.contenders import CONTENDERS, Contender, Place
from tests.support.beside.measuring import BenchBroker, Drain, drain
from tests.support.beside.prepared import Prepared, drop_topics
from tests.support.kafka import fresh
from worker.demo.broker import EmbeddedBroker

DEFAULT = "simple-eos,simple-alo"
_WITHIN_S = 3600.0


async def compare(
    broker: BenchBroker, directory: Path, other: Path, contenders: Sequence[Contender], pairs: int, events: int
) -> list[dict[str, object]]:
    """Return one document for each of *contenders*: CPU us an event of every run, and the median ratio of this tree to *other*."""
    prepared = await Prepared.make(broker.address, directory, events)
    found: list[dict[str, object]] = []
    for contender in contenders:
        runs: dict[str, list[Drain]] = {"this": [], "other": []}
        for pair in range(pairs):
            for which in ("this", "other") if pair % 2 else ("other", "this"):
                group = fresh(contender.name)
                place = Place(broker.address, group, prepared.topic, f"{group}-ready", directory / group)
                program = contender.program(place)
                if which == "other":
                    program = replace(program, environ={**program.environ, "PYTHONPATH": str(other)})
                verdict = prepared.verdicts.of(contender)
                one = await drain(contender, program, place, prepared.backlog, verdict, broker, within_s=_WITHIN_S)
                await drop_topics(place)
                runs[which].append(one)
                said = f"{one.us:.1f} us, {one.rate:.0f}/s, {one.peak_rss_mib:.0f} MiB"
                print(f"{contender.name} {which}: {said}", flush=True)
        found.append(
            {
                "contender": contender.name,
                "events": events,
                "us_this": [round(one.us, 2) for one in runs["this"]],
                "us_other": [round(one.us, 2) for one in runs["other"]],
                "rate_this": [round(one.rate) for one in runs["this"]],
                "rate_other": [round(one.rate) for one in runs["other"]],
                "median_ratio": round(median(a.us / b.us for a, b in zip(runs["this"], runs["other"], strict=True)), 3),
                "machine": machine(),
            }
        )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and print one line of JSON a contender."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pairs", description=__doc__)
    parser.add_argument("--other", type=Path, required=True, help="root of the other checkout")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--events", type=int, default=300_000)
    parser.add_argument("--contenders", default=DEFAULT, help=f"workers of tests.bench.beside; default {DEFAULT}")
    given = parser.parse_args(arguments)
    contenders = [CONTENDERS[name] for name in given.contenders.split(",")]
    with tempfile.TemporaryDirectory(prefix="pairs-") as name, EmbeddedBroker(heap_mib=1024) as started:
        broker = BenchBroker(started.bootstrap_servers, started.pid)
        found = asyncio.run(compare(broker, Path(name), given.other.resolve(), contenders, given.pairs, given.events))
    for one in found:
        print(orjson.dumps(one).decode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
