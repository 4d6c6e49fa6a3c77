"""
Half an hour at half capacity with a kill every two minutes: `python -m tests.faults.soak --minutes 30 --kill-every 120`.

Prints one line of JSON: slopes of memory, handles and disk an hour, and whether every contact is exact. Exit 1 when something is
wrong. Two minutes (`--minutes 2 --kill-every 20`) are enough to see that it works, not to see a slope.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from tests.support.faults.figures import append_line
from tests.support.faults.soaking import Soak, soak
from tests.support.faults.stores import ROCKSDB, RedisUnderTest, StoreUnderTest
from tests.support.kafka import started_broker
from tests.support.redis_server import RedisServer


def main() -> int:
    """Run it as the command line says."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description="Soak a running system.")
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--kill-every", type=float, default=120.0, metavar="SECONDS")
    parser.add_argument("--rate", type=float, default=0.0, help="records a second; 0: half of the measured capacity")
    parser.add_argument("--guarantee", choices=["exactly_once", "at_least_once"], default="exactly_once")
    parser.add_argument("--store", choices=["rocksdb", "redis"], default="rocksdb")
    parser.add_argument("--seed", type=int, default=int(os.environ.get("LEADSCORE_TEST_SEED", "1")))
    given = parser.parse_args()
    plan = Soak(
        minutes=given.minutes,
        kill_every_s=given.kill_every,
        rate=given.rate,
        seed=given.seed,
        guarantee=given.guarantee,
    )
    directory = Path(tempfile.mkdtemp(prefix="soak-"))
    with ExitStack() as stack:
        brokers = os.environ.get("LEADSCORE_TEST_BROKERS") or stack.enter_context(started_broker(_say))
        store: StoreUnderTest = ROCKSDB
        if given.store == "redis":
            options = {"appendonly": "yes", "appendfsync": "everysec"}
            store = RedisUnderTest(stack.enter_context(RedisServer(directory / "redis", options)).url)
        figures, problems = asyncio.run(soak(brokers, directory, plan, store, _say))
    print(append_line(figures.as_document()))
    for problem in problems:
        _say(problem)
    if problems:
        _say(f"logs and states: {directory}")
    return 1 if problems else 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
