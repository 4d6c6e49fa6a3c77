"""
A network that is cut, thin, slow, or lets connections die in silence, by a proxy between the workers and their broker.

Packets that are lost one by one are not among it: a proxy sees streams, and this kernel has no netem.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from tests.faults.conftest import Report
from tests.support.faults.choices import GUARANTEES, SEED
from tests.support.faults.figures import Figures
from tests.support.faults.load import draw_load
from tests.support.faults.network import broken
from tests.support.faults.nodes import add_figure, caught_up
from tests.support.faults.plan import Fault, carry_out, draw_plan
from tests.support.faults.run import FaultRun, Story, run_faults
from tests.support.faults.stores import RedisUnderTest
from tests.support.kafka import wait_until
from tests.support.proxied_broker import ProxiedBroker, proxied_broker
from tests.support.proxied_link import Conditions, Flow
from tests.support.proxy import TcpProxy
from tests.support.redis_server import RedisServer
from worker.clock import monotonic

pytestmark = pytest.mark.faults

_REQUEST_TIMEOUT_S = 40.0
"""The longest of the worker's clients: joins are answered only when all members have settled."""
_IDLE_SHARE = 0.2


@pytest.fixture(scope="module")
def link() -> Iterator[ProxiedBroker]:
    """A broker that workers reach through a proxy."""
    with proxied_broker() as one:
        yield one


@pytest.fixture(autouse=True)
def _healed(link: ProxiedBroker) -> Iterator[None]:
    yield
    link.proxy.heal()


def _run(
    link: ProxiedBroker, tmp_path: Path, scenario: str, story: Story, guarantee: str, *, events: int, rate: float
) -> Figures:
    return asyncio.run(
        run_faults(
            link.broker.bootstrap_servers,
            tmp_path,
            scenario,
            story,
            load=draw_load(SEED, events),
            guarantee=guarantee,
            rate=rate,
            rest_within_s=120.0,
            LEADSCORE_BROKERS=link.proxy.address,
        )
    )


@GUARANTEES
def test_n01_a_cut_between_worker_and_broker_is_waited_out_at_rest(
    link: ProxiedBroker, tmp_path: Path, report: Report, guarantee: str
) -> None:
    """If this fails, a switch that restarts costs leads, or a machine's whole core."""
    proxy = link.proxy

    async def story(run: FaultRun) -> None:
        run.cluster.is_steadfast = True
        cuts = [
            broken(proxy, "both ways", proxy.hold, 5.0),
            broken(proxy, "both ways", proxy.hold, 30.0),
            broken(proxy, "to the broker", lambda: proxy.hold(to_client=False), 12.0),
            broken(proxy, "to the worker", lambda: proxy.hold(to_server=False), 12.0),
            broken(proxy, "refused", proxy.cut, 20.0),
        ]
        await carry_out(run, draw_plan(SEED, cuts))

    figures = _run(link, tmp_path, "N01", story, guarantee, events=9_000, rate=700.0)
    report(figures.as_document())
    shares = figures.more["cut_core_share"]
    assert isinstance(shares, list)
    assert max(shares) < _IDLE_SHARE, shares


@GUARANTEES
def test_n02_a_slow_and_thin_network_slows_the_worker_down_and_no_more(
    link: ProxiedBroker, tmp_path: Path, report: Report, guarantee: str
) -> None:
    """If this fails, a line across an ocean costs leads."""
    proxy = link.proxy
    slow = Flow(delay_s=0.15, jitter_s=0.05)
    thin = Flow(bytes_a_second=125_000.0)
    crumbs = Flow(slice_bytes=100)

    async def story(run: FaultRun) -> None:
        rates: dict[str, float] = {}
        for name, flow in (("300 ms", slow), ("1 Mbit/s", thin), ("100-byte pieces", crumbs)):
            before, began = sum(run.watch.applied.values()), monotonic()
            proxy.set(Conditions(flow, flow))
            run.feed.gate = min(len(run.feed.records), run.feed.sent + 1_200)
            await run.feed.reached(run.feed.gate)
            await caught_up(run)
            rates[name] = round((sum(run.watch.applied.values()) - before) / (monotonic() - began))
            run.figures.faults.append(name)
        proxy.heal()
        run.figures.more["events_s"] = rates

    run = _run(link, tmp_path, "N02", story, guarantee, events=5_000, rate=400.0)
    report(run.as_document())


@GUARANTEES
def test_n03_connections_that_died_in_silence_are_noticed_within_the_request_timeout(
    link: ProxiedBroker, tmp_path: Path, report: Report, guarantee: str
) -> None:
    """If this fails, a firewall that forgets a connection stops the scoring until somebody looks."""
    proxy = link.proxy

    async def story(run: FaultRun) -> None:
        run.cluster.is_steadfast = True
        await run.sent(0.2)
        proxy.strand()
        await run.sent(0.5)
        add_figure(run, "stranded_healed_s", await caught_up(run, within_s=_REQUEST_TIMEOUT_S + 30.0))
        run.figures.faults.append("stranded")
        accepted, began = proxy.accepted, monotonic()
        proxy.half_open()
        run.feed.gate = len(run.feed.records)
        await wait_until(lambda: proxy.accepted > accepted, within_s=_REQUEST_TIMEOUT_S + 5.0, what="a new connection")
        add_figure(run, "half_open_noticed_s", monotonic() - began)
        run.figures.faults.append("half-open")
        proxy.heal()
        add_figure(run, "healed_s", await caught_up(run))

    report(_run(link, tmp_path, "N03", story, guarantee, events=6_000, rate=600.0).as_document())


@GUARANTEES
def test_n04_a_worker_that_reaches_only_one_of_broker_and_redis_waits_for_the_other(
    link: ProxiedBroker, redis_server: RedisServer, tmp_path: Path, report: Report, guarantee: str
) -> None:
    """If this fails, half a network costs leads."""
    inner = f"127.0.0.1:{redis_server.port}"
    with TcpProxy(inner) as way_to_redis:

        async def no_redis(run: FaultRun) -> None:
            way_to_redis.cut()
            await wait_until(lambda: _is_unready(run), within_s=30, what="/readyz 503 somewhere", every_s=0.3)
            before = await run.cluster.committed()
            await asyncio.sleep(8.0)  # the fault
            after = await run.cluster.committed()
            run.figures.more["committed_without_redis"] = sum(after.values()) - sum(before.values())
            way_to_redis.heal()
            add_figure(run, "redis_back_s", await caught_up(run))

        async def story(run: FaultRun) -> None:
            run.cluster.is_steadfast = True
            held = broken(way_to_redis, "Redis held", way_to_redis.hold, 10.0)
            no_broker = broken(link.proxy, "broker refused, Redis there", link.proxy.cut, 10.0)
            await carry_out(run, draw_plan(SEED, [Fault("Redis refused", no_redis), held, no_broker]))

        figures = asyncio.run(
            run_faults(
                link.broker.bootstrap_servers,
                tmp_path,
                "N04",
                story,
                load=draw_load(SEED, 6_000),
                guarantee=guarantee,
                store=RedisUnderTest(redis_server.url.replace(inner, way_to_redis.address)),
                rest_within_s=120.0,
                LEADSCORE_BROKERS=link.proxy.address,
            )
        )
    report(figures.as_document())


async def _is_unready(run: FaultRun) -> bool:
    for worker in run.cluster.workers.values():
        port = (await worker.wait_for("worker_starts"))["web_port"]
        with suppress(aiohttp.ClientError):
            async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/readyz") as answer:
                if answer.status == 503:
                    return True
    return False
