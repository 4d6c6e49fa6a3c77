"""One worker drains a backlog from a real Kafka, beside a stock Faust agent in the same run."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import orjson
import pytest

from tests.support.bench_contender import BenchBroker, Contender, Drain, drain
from tests.support.bench_events import Backlog
from tests.support.bench_expected import expected_of_agent, expected_of_worker, shape_of_agent, shape_of_worker
from tests.support.bench_process import machine
from tests.support.bench_topics import preload
from tests.support.kafka import create_topics, fresh
from worker.demo.broker import EmbeddedBroker
from worker.scoring.model import Model
from worker.scoring.model_file import load_model

ROOT = Path(__file__).parents[2]
EVENTS = int(os.environ.get("LEADSCORE_BENCH_EVENTS", "1000000"))
AGENT_EVENTS = min(EVENTS, max(20_000, EVENTS // 20))
"""The stock agent gets fewer events, and contacts in proportion: it takes some thirty times as long for each."""
LEAST_RATIO = 10.0
_WITHIN_S = 3600.0
_WITH_SCORES = ", scores published"
_COLUMNS = (
    "events", "events/s", "us/event", "us-total", "cores", "broker-us",
    "RSS-MiB", "log-rows", "log-MB", "calibr.", "CPU-ratio", "rate-ratio",
)  # fmt: skip
COMMAND = f"LEADSCORE_BENCH_EVENTS={EVENTS} make bench"


@pytest.fixture(scope="module")
def broker() -> Iterator[BenchBroker]:
    """A Kafka of this module's own, so that nobody else's topics cost it anything."""
    with EmbeddedBroker(heap_mib=1024, say=print) as started:
        yield BenchBroker(started.bootstrap_servers, started.pid)


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("simple-100")


def test_worker_takes_a_tenth_of_the_cpu_of_a_stock_agent_and_tells_what_a_replay_tells(
    broker: BenchBroker, model: Model, tmp_path: Path
) -> None:
    """If this fails, batches, rounds or caches do not do what they are there for; or events are lost on the way."""
    asyncio.run(_compare(broker, model, tmp_path))


async def _compare(broker: BenchBroker, model: Model, directory: Path) -> None:
    print(f"\nmaking {EVENTS} events, and what a replay tells of them ...", flush=True)
    backlog = Backlog(directory / "events.jsonl", EVENTS, model.lateness_ms)
    small = Backlog(directory / "events-agent.jsonl", AGENT_EVENTS, model.lateness_ms)
    source = await _topic_with(broker, backlog)
    told = expected_of_worker(model, backlog)
    variants = (("exactly_once", ""), ("at_least_once", ""), ("exactly_once", "scores"))
    contenders = [_worker(broker, directory, backlog, source, told, *variant) for variant in variants]
    contenders.append(_agent(broker, directory, small, await _topic_with(broker, small)))
    drains = []
    for contender in contenders:
        print(f"{contender.name}: {contender.backlog.count} events ...", flush=True)
        drains.append(await drain(contender, broker, directory, within_s=_WITHIN_S))
    _report(drains, backlog)
    for one in drains:
        assert not one.missing, f"{one.name}: {one.missing.most_common(3)}"
        assert not one.unexpected, f"{one.name}: {one.unexpected.most_common(3)}"
    *workers, stock = drains
    # Who also publishes scores does more than the agent; that row is there to be read.
    for worker in (one for one in workers if not one.name.endswith(_WITH_SCORES)):
        assert stock.us_drain / worker.us_drain >= LEAST_RATIO, worker.name


async def _topic_with(broker: BenchBroker, backlog: Backlog) -> str:
    topic = fresh("bench-events")
    await create_topics(broker.address, {topic: len(backlog.ends)}, config={"retention.ms": "-1"})
    await preload(broker.address, topic, backlog.records())
    return topic


def _worker(
    broker: BenchBroker, directory: Path, backlog: Backlog, source: str, told: Counter[Any], guarantee: str, scores: str
) -> Contender:
    group = fresh("bench-worker")
    target = f"{group}-ready"
    environ = {
        "LEADSCORE_BROKERS": broker.address,
        "LEADSCORE_APP_ID": group,
        "LEADSCORE_INPUT_TOPIC": source,
        "LEADSCORE_QUALIFICATIONS_TOPIC": target,
        "LEADSCORE_SCORES_TOPIC": scores and f"{group}-{scores}",
        "LEADSCORE_GUARANTEE": guarantee,
        "LEADSCORE_TIME": "stream",
        "LEADSCORE_STORE": f"rocksdb://{directory / group}",
        "LEADSCORE_CREATE_TOPICS": "true",
        "LEADSCORE_REPLICATION": "1",
        "LEADSCORE_ERASURE_KEY": "0123456789abcdef0123456789abcdef",
        "LEADSCORE_WEB_PORT": "0",
    }
    return Contender(
        name=f"worker, {guarantee}{_WITH_SCORES if scores else ''}",
        command=[sys.executable, "-m", "worker.cli.main", "run"],
        environ=_environ() | environ,
        group=group,
        source=source,
        target=target,
        changelog=f"{group}-contacts-changelog",
        backlog=backlog,
        expected=told,
        shape=shape_of_worker,
    )


def _agent(broker: BenchBroker, directory: Path, backlog: Backlog, source: str) -> Contender:
    group = fresh("bench-agent")
    target = f"{group}-ready"
    values = (group, broker.address, source, target, str(directory / group))
    names = ("APP_ID", "BROKERS", "SOURCE", "TARGET", "DIRECTORY")
    return Contender(
        name="stock Faust agent",
        command=[sys.executable, "-m", "tests.support.bench_faust_agent", "worker", "--without-web", "--loglevel=warn"],
        environ=_environ() | {f"AGENT_{name}": value for name, value in zip(names, values, strict=True)},
        group=group,
        source=source,
        target=target,
        changelog=f"{group}-scores-changelog",
        backlog=backlog,
        expected=expected_of_agent(backlog),
        shape=shape_of_agent,
    )


def _environ() -> dict[str, str]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("LEADSCORE_")}
    return ours | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}


def _report(drains: list[Drain], backlog: Backlog) -> None:
    """Print a table for people, and a line of JSON for each contender."""
    stock = drains[-1]
    here = machine()
    print(f"\n{here}\n{COMMAND}: {backlog.count} events of {backlog.bytes_an_event:.0f} B, {backlog.contacts} contacts")
    print(f"{'':40}" + "".join(f"{name:>11}" for name in _COLUMNS))
    for one in drains:
        cells = (
            f"{one.events}", f"{one.rate:.0f}", f"{one.us_drain:.1f}", f"{one.us_total:.1f}", f"{one.cores:.2f}", f"{one.broker_us:.1f}",
            f"{one.peak_rss_mib:.0f}", f"{one.changelog_rows}", f"{one.changelog_bytes / 1e6:.1f}", f"{one.calibration_us:.2f}",
            f"{stock.us_drain / one.us_drain:.1f}", f"{one.rate / stock.rate:.1f}",
        )  # fmt: skip
        print(f"{one.name:40}" + "".join(f"{cell:>11}" for cell in cells))
    for one in drains:
        line = {name: round(value, 3) if isinstance(value, float) else value for name, value in asdict(one).items()}
        line |= {
            "missing": one.missing.total(),
            "unexpected": one.unexpected.total(),
            "cpu_ratio": round(stock.us_drain / one.us_drain, 2),
            "rate_ratio": round(one.rate / stock.rate, 2),
            "machine": here,
            "command": COMMAND,
        }
        print(orjson.dumps(line).decode())
