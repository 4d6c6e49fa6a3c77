"""
The worker beside other engines: in turns, in one run, on one broker, over the same events; every result is checked.

    python -m tests.bench.beside --events 1000000 --pairs 5 --contenders worker-alo,streams-alo,floor --slope --restore --latency 20
    python -m tests.bench.beside --table bench-results/beside.jsonl

Each run is one line of JSON in the file that --out names. A contender whose results are not the oracle's gets no figure, and the
exit status is 1. README.md says how it is measured and what is scored.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from tests.support.beside.comparison import Comparison, chosen_from
from tests.support.beside.contenders import CONTENDERS, ROOT
from tests.support.beside.measuring import BROKER_PROPERTIES, BenchBroker
from tests.support.beside.tables import tables
from worker.demo.broker import EmbeddedBroker

DEFAULT = "worker-alo,worker-eos,simple-alo,simple-eos,streams-alo,streams-eos,floor,faust"
_SLOPE = 3  # times as many events in the second size


async def compare(given: argparse.Namespace, broker: BenchBroker, directory: Path) -> list[dict[str, Any]]:
    """Measure what *given* asks for; return the lines."""
    chosen = chosen_from(given.contenders)
    settings = dict(one.split("=", 1) for one in given.set)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    run = Comparison(
        broker,
        directory,
        chosen,
        out=given.out,
        settings=settings,
        within_s=given.within,
        is_on_one_core=given.one_core,
    )
    if given.pairs:
        await run.warm_up(given.events)
        await run.drains(given.events, (1, _SLOPE) if given.slope else (1,), given.pairs)
    if given.restore:
        await run.restores()
    if given.latency:
        await run.latencies(given.latency)
    return run.lines


def arguments_of(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Return the options."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench.beside", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--events", type=int, default=200_000, help="of a drain; default 200000")
    parser.add_argument("--pairs", type=int, default=1, help="how often each contender has its turn; default 1")
    parser.add_argument("--contenders", default=DEFAULT, help=f"of {', '.join(CONTENDERS)}; default {DEFAULT}")
    parser.add_argument(
        "--slope", action="store_true", help="also three times the events, and the cost of those between"
    )
    parser.add_argument("--restore", action="store_true", help="also start each again with an empty disk")
    parser.add_argument(
        "--latency", type=float, default=0.0, metavar="SECONDS", help="also measure latency for so long"
    )
    parser.add_argument("--one-core", action="store_true", help="hold each contender, not the broker, on the last core")
    parser.add_argument(
        "--set", action="append", default=[], metavar="NAME=VALUE", help="a LEADSCORE_* setting for the workers"
    )
    parser.add_argument(
        "--within", type=float, default=900.0, metavar="SECONDS", help="limit of one drain; default 900"
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "bench-results" / "beside.jsonl", help="lines of JSON are added here"
    )
    parser.add_argument("--table", type=Path, metavar="FILE", help="only print the tables of lines measured before")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, or print the tables of a file; return 1 when a contender was refused."""
    given = arguments_of(arguments)
    if given.table is not None:
        print(tables([orjson.loads(line) for line in given.table.read_bytes().splitlines()]))
        return 0
    with (
        tempfile.TemporaryDirectory(prefix="beside-") as name,
        EmbeddedBroker(heap_mib=1024, properties=BROKER_PROPERTIES) as started,
    ):
        broker = BenchBroker(started.bootstrap_servers, started.pid)
        lines = asyncio.run(compare(given, broker, Path(name)))
    print(tables(lines))
    return int(any("refused" in line for line in lines))


if __name__ == "__main__":
    raise SystemExit(main())
