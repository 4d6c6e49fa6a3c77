"""
What a change costs: the worker of this tree beside that of another checkout, in turn, on one broker, with the same input.

    python -m tests.bench.pairs --other ../before --pairs 5 --events 300000

Each pair runs both with each guarantee; which of the two goes first alternates. The ratio of CPU an event is the median over the
pairs, since the machine is shared. Both must tell what a replay tells, or no figure is printed.
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

from tests.bench.test_drain import _topic_with, _worker
from tests.support.bench_contender import BenchBroker, drain
from tests.support.bench_events import Backlog
from tests.support.bench_expected import expected_of_worker
from tests.support.bench_process import machine
from worker.demo.broker import EmbeddedBroker
from worker.scoring.model_file import load_model

GUARANTEES = ("exactly_once", "at_least_once")
_WITHIN_S = 3600.0


async def compare(
    broker: BenchBroker, directory: Path, other: Path, pairs: int, events: int
) -> list[dict[str, object]]:
    """Return one document for each guarantee: CPU us an event of every run, and the median ratio of this tree to *other*."""
    model = load_model("simple-100")
    backlog = Backlog(directory / "events.jsonl", events, model.lateness_ms)
    source, told = await _topic_with(broker, backlog), expected_of_worker(model, backlog)
    found = []
    for guarantee in GUARANTEES:
        costs: dict[str, list[float]] = {"this": [], "other": []}
        rates: dict[str, list[float]] = {"this": [], "other": []}
        for pair in range(pairs):
            for which in ("this", "other") if pair % 2 else ("other", "this"):
                contender = _worker(broker, directory, backlog, source, told, guarantee, "")
                if which == "other":
                    contender = replace(contender, environ={**contender.environ, "PYTHONPATH": str(other)})
                one = await drain(contender, broker, directory, within_s=_WITHIN_S)
                if one.missing or one.unexpected:
                    raise RuntimeError(
                        f"{which}, {guarantee}: {one.missing.total()} missing, {one.unexpected.total()} too many"
                    )
                costs[which].append(round(one.us_drain, 2))
                rates[which].append(round(one.rate))
                print(
                    f"{guarantee} {which}: {one.us_drain:.1f} us, {one.rate:.0f}/s, {one.peak_rss_mib:.0f} MiB",
                    flush=True,
                )
        ratios = [this / before for this, before in zip(costs["this"], costs["other"], strict=True)]
        found.append(
            {
                "guarantee": guarantee,
                "events": events,
                "us_this": costs["this"],
                "us_other": costs["other"],
                "rate_this": rates["this"],
                "rate_other": rates["other"],
                "median_ratio": round(median(ratios), 3),
                "machine": machine(),
            }
        )
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare, and print one line of JSON a guarantee."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.pairs", description=__doc__)
    parser.add_argument("--other", type=Path, required=True, help="root of the other checkout")
    parser.add_argument("--pairs", type=int, default=5)
    parser.add_argument("--events", type=int, default=300_000)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="pairs-") as name, EmbeddedBroker(heap_mib=1024) as started:
        broker = BenchBroker(started.bootstrap_servers, started.pid)
        found = asyncio.run(compare(broker, Path(name), given.other.resolve(), given.pairs, given.events))
    for one in found:
        print(orjson.dumps(one).decode())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
