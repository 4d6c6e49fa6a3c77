"""
Hours of load with a kill now and then: nothing may grow, and the sums must be exact at the end.

`east` is killed and restarted; `west` is left in peace, so that a leak has time to show. Events are made while they are sent and
forgotten at once: of each contact only their number is kept, and its closed form says what they come to.
"""

from __future__ import annotations

import asyncio
import random
from bisect import bisect
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

import orjson
from aiokafka import AIOKafkaProducer

from tests.support.cluster import PARTITIONS, Cluster, running_cluster
from tests.support.faults.checks import check_canaries, check_logs, fold_changelog
from tests.support.faults.figures import Figures
from tests.support.faults.load import CANARY, Load, encode_event
from tests.support.faults.points import closed_form, form_of, type_of, write_model
from tests.support.faults.recount import lines_of
from tests.support.faults.run import FaultRun
from tests.support.faults.slopes import Growth
from tests.support.faults.stores import StoreUnderTest
from tests.support.faults.watch import Watch
from tests.support.feeding import Feed, send_chunk
from tests.support.kafka import Sent, read_all, wait_until
from worker.clock import monotonic, now_ms
from worker.contracts.instants import MAX_INSTANT_MS
from worker.contracts.partitioner import partition_of
from worker.operations.dump import decode_changelog
from worker.scoring.model_file import load_model

_CONTACTS = 2_000  # whose journals are full after some minutes: what grows after that is a leak
_TICK_S = 0.1
_REPEATS = 0.02
_CALIBRATION = 40_000
_MOST = 3_000.0  # records a second: beyond this the load takes more of the machine than the workers
_STEADY_S, _SAMPLE_S = 20.0, 5.0
_WIPED_EVERY = 4


@dataclass(frozen=True, kw_only=True)
class Soak:
    """
    What is run.

    Args:
        minutes: Of load at the steady rate.
        kill_every_s: Seconds from one kill to the next.
        rate: Records a second; 0: half of what two workers catch up with, at most 3,000.
        seed: Of the load.
        guarantee: exactly_once or at_least_once.
    """

    minutes: float
    kill_every_s: float
    rate: float = 0.0
    seed: int = 1
    guarantee: str = "exactly_once"


@dataclass
class Stream:
    """Events without end; *counts* is all that is remembered of them."""

    seed: int
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._chance = random.Random(self.seed)
        self._zipf = list(accumulate(1 / (rank + 1) for rank in range(_CONTACTS)))
        self._recent: deque[Sent] = deque(maxlen=30)
        self._homes: dict[str, tuple[int, bytes]] = {}

    def take(self, count: int) -> list[Sent]:
        """Return the next *count* records."""
        return [self._next() for _ in range(count)]

    def _next(self) -> Sent:
        if self._recent and self._chance.random() < _REPEATS:
            return self._recent[0]
        rank = min(bisect(self._zipf, self._chance.random() * self._zipf[-1]), _CONTACTS - 1)
        contact = f"{CANARY}-{rank}"
        if contact not in self._homes:
            self._homes[contact] = partition_of(contact.encode(), PARTITIONS), contact.encode()
        home, key = self._homes[contact]
        number = self.counts[contact]
        self.counts[contact] += 1
        value = encode_event(f"{contact}-{number}", contact, type_of(number), now_ms(), {"form_id": form_of(number)})
        sent = Sent(home, key, value)
        self._recent.append(sent)
        return sent


async def soak(
    brokers: str, directory: Path, plan: Soak, store: StoreUnderTest, say: Callable[[str], None]
) -> tuple[Figures, list[str]]:
    """
    Run *plan* and return its figures, and what is wrong.

    Args:
        brokers: The broker.
        directory: For logs and states.
        plan: What is run.
        store: Where workers keep contacts.
        say: Is told, now and then, how far it is.
    """
    began = monotonic()
    figures = Figures(scenario="L01", store=store.name, guarantee=plan.guarantee, seed=plan.seed)
    stream = Stream(plan.seed)
    model = str(write_model(directory / "model"))
    environ = {"LEADSCORE_SESSION_TIMEOUT": "10s", **store.environ}
    async with running_cluster(brokers, directory, model=model, guarantee=plan.guarantee, **environ) as cluster:
        cluster.wipe = lambda home: store.wipe(home, cluster.name)
        feed = Feed(brokers, cluster.source, [])
        watch = Watch(cluster, feed)
        run = FaultRun(cluster, Load(plan.seed, []), feed, watch, store, figures)
        producer = AIOKafkaProducer(bootstrap_servers=brokers, enable_idempotence=True, linger_ms=0)
        await producer.start()
        try:
            async with watch.running():
                rate = plan.rate or await _half_capacity(run, stream, producer)
                for name in ("east", "west"):
                    if name not in cluster.workers:
                        cluster.start(name)
                await run.wait_ready("east", "west")
                say(f"{rate:.0f} records a second for {plan.minutes:g} minutes, a kill each {plan.kill_every_s:g} s")
                growths = await _for_minutes(run, stream, producer, plan, rate, say)
                ended = monotonic()
                await run.rest(within_s=120)
                for name in ("east", "west"):
                    await cluster.wait_ready(name)
                figures.recovery_s = monotonic() - ended
        finally:
            await producer.stop()
        problems = await _compare(cluster, stream, figures, is_exact=plan.guarantee == "exactly_once")
        await cluster.stop()
        problems += [*watch.problems, *check_logs(cluster), *check_canaries(cluster, watch)]
        figures.unavailable_s, figures.rss_peak_mb = watch.longest_gap_s, watch.rss_peak_mb
        figures.restarts, figures.rebalances = cluster.restarts, cluster.count_logged("partitions_assigned")
    figures.seconds = monotonic() - began
    figures.more |= {"minutes": plan.minutes, "rate": round(rate), "handles_peak": watch.handles_peak}
    for name, growth in growths.items():
        figures.more[name] = {"samples": len(growth.samples), **growth.last(), **growth.an_hour()}
    return figures, problems


async def _half_capacity(run: FaultRun, stream: Stream, producer: AIOKafkaProducer) -> float:
    """Return half of the rate at which two workers catch up with a backlog."""
    for _ in range(_CALIBRATION // 2_000):
        await _send(run.feed, stream, producer, 2_000)
    run.start("east", "west")
    await wait_until(
        lambda: all(run.watch.applied[number] >= end for number, end in run.feed.ends.items()),
        within_s=180,
        what="the backlog caught up with",
    )
    took = run.watch.steps[-1].at - run.watch.steps[0].at
    capacity = _CALIBRATION / max(took, 0.5)
    run.figures.more["capacity_events_s"] = round(capacity)
    return min(_MOST, capacity / 2)


async def _for_minutes(
    run: FaultRun, stream: Stream, producer: AIOKafkaProducer, plan: Soak, rate: float, say: Callable[[str], None]
) -> dict[str, Growth]:
    """Send at the rate, kill, and take samples; return what grew: `west` in peace, and the lives of `east` at equal age."""
    growths = {"west": Growth(), "east_at_equal_age": Growth()}
    began = next_sample = monotonic()
    east_born, kills, sent, said = began, 0, 0, 0
    while (now := monotonic() - began) < plan.minutes * 60:
        due = int(now * rate) - sent
        if due > 0:
            await _send(run.feed, stream, producer, due)
            sent += due
        if now >= (kills + 1) * plan.kill_every_s:
            _sample(run, growths["east_at_equal_age"], "east", began)
            kills += 1
            run.cluster.strike("east", wipe=kills % _WIPED_EVERY == 0)
            east_born = monotonic()
        # Steady: the worker that was killed is long back, and what it left behind is caught up with.
        if monotonic() >= next_sample and monotonic() - east_born >= _STEADY_S and now >= _STEADY_S:
            next_sample = monotonic() + _SAMPLE_S
            _sample(run, growths["west"], "west", began)
        if now // 60 > said:
            said = int(now // 60)
            say(
                f"minute {said}: {sent} sent, {kills} kills, longest gap {run.watch.longest_gap_s:.1f} s, west {growths['west'].last()}"
            )
        await asyncio.sleep(_TICK_S)
    run.figures.events = sum(run.feed.ends.values())
    run.figures.faults = [f"{kills} x kill -9, each {_WIPED_EVERY}th wiped"]
    return growths


def _sample(run: FaultRun, growth: Growth, name: str, began: float) -> None:
    worker = run.cluster.workers[name]
    growth.take(monotonic() - began, worker.pid, worker.log_file.parent / "state")


async def _send(feed: Feed, stream: Stream, producer: AIOKafkaProducer, count: int) -> None:
    places, error = await send_chunk(producer, feed.topic, stream.take(count))
    if error is not None:
        raise error
    for place in places:
        feed.ends[place.partition] = max(feed.ends.get(place.partition, 0), place.offset + 1)


async def _compare(cluster: Cluster, stream: Stream, figures: Figures, *, is_exact: bool) -> list[str]:
    """I1 and I3 by the closed form of each contact."""
    settings, model = cluster.settings, load_model(cluster.environ["LEADSCORE_MODELS"])
    values = fold_changelog(await read_all(cluster.brokers, settings.changelog_topic, within_s=600))
    found = lines_of(dict(decode_changelog(values, (model,), settings.changelog_topic)), model, MAX_INSTANT_MS)
    figures.lost = figures.doubled = 0
    problems = []
    for contact, count in stream.counts.items():
        wanted, line = closed_form(count), found.get(contact.encode())
        difference = (round(line.groups["count"]) if line else 0) - count
        figures.lost += max(0, -difference)
        figures.doubled += max(0, difference)
        if line is None or round(line.score) != wanted.score:
            problems.append(f"I1: {contact}: {count} events, {line}")
    figures.outputs_missing, figures.outputs_repeated, wrong = await _compare_told(cluster, stream, figures)
    problems += wrong
    if is_exact and figures.outputs_repeated:
        problems.append(f"I3: {figures.outputs_repeated} transitions were told again")
    return problems[:10]


async def _compare_told(cluster: Cluster, stream: Stream, figures: Figures) -> tuple[int, int, list[str]]:
    told: defaultdict[str, list[tuple[str, int, str]]] = defaultdict(list)
    seen: dict[str, bytes | None] = {}
    missing = repeated = 0
    problems = []
    for records in (await read_all(cluster.brokers, cluster.qualifications, within_s=600)).values():
        figures.outputs += len(records)
        for record in records:
            one = orjson.loads(record.value)
            if one["id"] in seen:
                repeated += 1
                if seen[one["id"]] != record.value:
                    problems.append(f"I3: {one['id']} has two payloads")
                continue
            seen[one["id"]] = record.value
            told[one["contact_id"]].append((one["kind"], one["sequence"], one["event"]["id"]))
    for contact, count in stream.counts.items():
        wanted = [(one.kind, one.sequence, f"{contact}-{one.number}") for one in closed_form(count).told]
        missing += len(set(wanted) - set(told[contact]))
        if told[contact] != wanted:
            problems.append(f"I3: {contact}: told {told[contact][-3:]}, wanted {wanted[-3:]}")
    return missing, repeated, problems
