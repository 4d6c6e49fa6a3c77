"""The worker beside the floor and a stock Faust agent, short: every result is right, and no ratio is worse than it was."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.support.beside.comparison import Comparison, chosen_from
from tests.support.beside.measuring import BROKER_PROPERTIES, BenchBroker
from tests.support.beside.tables import least_ratio, tables
from worker.demo.broker import EmbeddedBroker

EVENTS = int(os.environ.get("LEADSCORE_BENCH_EVENTS", "200000"))
_TURNS = 3
_WITHIN_S = 900.0
_OFTEN = "floor,worker-eos,worker-alo,simple-eos"
_ONCE = "simple-eos-scores,faust,streams-eos,streams-alo"

LIMITS = (
    ("worker-eos", "floor", 5.3),
    ("worker-alo", "floor", 5.1),
    ("simple-eos", "worker-eos", 1.5),
    ("worker-eos", "faust", 0.1),
    ("worker-alo", "faust", 0.1),
)
"""
(contender, by which other, at most): CPU us an event of one by that of the other, the cheapest turn of each.

Measured on two shared cores with 200,000 events, and a quarter more. Start-up work after the first assignment is in it, so that fewer
events give higher ratios.
"""


@pytest.fixture(scope="module")
def broker() -> Iterator[BenchBroker]:
    """A Kafka of this module's own, so that nobody else's topics cost it anything."""
    with EmbeddedBroker(heap_mib=1024, properties=BROKER_PROPERTIES, say=print) as started:
        yield BenchBroker(started.bootstrap_servers, started.pid)


def test_worker_is_right_and_costs_no_more_of_the_floor_than_it_did(broker: BenchBroker, tmp_path: Path) -> None:
    """If this fails, events are lost or told twice, or batches, rounds or caches no longer do what they are there for."""
    lines = asyncio.run(_measured(broker, tmp_path))
    print(f"\n{tables(lines)}")
    assert not [line["refused"] for line in lines if "refused" in line]
    for name, other, limit in LIMITS:
        ratio = least_ratio(lines, name, other)
        assert ratio <= limit, f"{name} takes {ratio:.2f} of {other}, at most {limit:g} is allowed"


async def _measured(broker: BenchBroker, directory: Path) -> Sequence[dict[str, Any]]:
    out = directory / "beside.jsonl"
    run = Comparison(broker, directory, chosen_from(_OFTEN), out=out, settings={}, within_s=_WITHIN_S)
    await run.warm_up(EVENTS)
    await run.drains(EVENTS, (1,), _TURNS)
    once = Comparison(broker, directory, chosen_from(_ONCE), out=out, settings={}, within_s=_WITHIN_S)
    await once.drains(EVENTS, (1,), 1)
    return [*run.lines, *once.lines]
