"""Members that die, freeze, hang, are bounced or have each other's name: who owns what, and for how long nobody does."""

from __future__ import annotations

import asyncio
import gc
import signal
import statistics
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path

import aiohttp
import pytest

from tests.support.blocking_worker import BlockingWorker
from tests.support.counting_pipeline import fence_of
from tests.support.counting_run import PARTITIONS, CountingRun, counting_run
from tests.support.kafka import read_all, wait_until
from tests.support.worker_process import WorkerProcess
from worker.clock import monotonic
from worker.demo.broker import EmbeddedBroker
from worker.pipeline import PARTITION_KEY

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900)]

# The test's own clients too lose their broker, and aiokafka leaves a socket behind where one was cut off.
_leaves_sockets = pytest.mark.filterwarnings("ignore::ResourceWarning")

Report = Callable[[Mapping[str, object]], None]
GUARANTEES = ("exactly_once", "at_least_once")
SESSION_MS = 6000


def _owned(worker: WorkerProcess) -> set[str]:
    ready = worker.events("partitions_ready")
    return set(ready[-1]["offsets"]) if ready and worker.exit_code is None else set()


def _generation(worker: WorkerProcess) -> int:
    generation: int = worker.events("partitions_assigned")[-1]["generation"]
    return generation


async def _all_owned(*workers: WorkerProcess, partitions: int = PARTITIONS, within_s: float = 60.0) -> None:
    def complete() -> bool:
        owned = [_owned(worker) for worker in workers]
        return all(owned) and sum(map(len, owned)) == partitions == len(set.union(*owned))

    await wait_until(complete, within_s=within_s, what="every partition owned once")


async def _commits_everywhere(run: CountingRun, more: int = 5) -> None:
    """Wait until each partition has *more* records committed than now."""
    before = await run.committed()

    async def has_moved() -> bool:
        now = await run.committed()
        return len(now) == PARTITIONS and all(now[place] >= before.get(place, 0) + more for place in now)

    await wait_until(has_moved, within_s=60, what="commits in every partition", every_s=0.3)


# ---- who returns, and how soon


async def _bounces(brokers: str, tmp_path: Path, how: str) -> dict[str, object]:
    names, gaps = ("a", "b", "c"), []
    # A session longer than a start takes on a busy machine: what is shown is that nobody waits for its end.
    async with counting_run(brokers, tmp_path, "exactly_once", session_ms=120_000) as run:
        workers = {"a": run.start("a", is_static=True)}
        await workers["a"].wait_ready()  # it has created the topics
        workers |= {name: run.start(name, is_static=True) for name in names[1:]}
        await _all_owned(*workers.values())
        generation, owned = _generation(workers["a"]), {name: _owned(workers[name]) for name in names}
        traffic = asyncio.create_task(run.send(1_000_000, rate=300))
        for _ in range(3):
            for name in names:
                began = monotonic()
                if how == "SIGTERM":
                    assert await workers[name].stop() == 0
                else:
                    workers[name].kill()
                workers[name] = run.start(name, is_static=True)
                await workers[name].wait_ready(within_s=100)
                await _commits_everywhere(run)
                gaps.append(monotonic() - began)
                assert _generation(workers[name]) == generation
                assert _owned(workers[name]) == owned[name]
        traffic.cancel()
        await asyncio.gather(traffic, return_exceptions=True)
        assigned = [len(workers[name].events("partitions_assigned")) for name in names]
        assert assigned == [1, 1, 1], "nobody else was ever asked to give anything up"
        await _recounted(run)
    return {"bounce": how, "bounces": len(gaps), "generation": generation, "gap_s": _spread(gaps)}


def _spread(seconds: list[float]) -> list[float]:
    return [round(one, 2) for one in (min(seconds), statistics.median(seconds), max(seconds))]


async def _recounted(run: CountingRun) -> None:
    """Each record that the topic holds is counted once: the sender was stopped, and knows not of all of them."""

    async def in_topic() -> Counter[bytes]:
        return Counter(row.key for rows in (await read_all(run.brokers, run.input)).values() for row in rows)

    run.sent = await in_topic()
    await run.assert_exact(within_s=90)


@pytest.mark.parametrize("how", ["SIGTERM", "SIGKILL"])
def test_a_rolling_restart_of_static_members_leaves_the_generation_as_it_was(
    brokers: str, tmp_path: Path, report: Report, how: str
) -> None:
    """G02. If this fails, each deployment stops all workers as often as there are workers."""
    report(asyncio.run(_bounces(brokers, tmp_path, how)))


async def _failover(brokers: str, tmp_path: Path, *, is_static: bool, returns: bool) -> float:
    async with counting_run(brokers, tmp_path, "exactly_once", session_ms=10_000) as run:
        first, second = run.start("a", is_static=is_static), run.start("b", is_static=is_static)
        await _all_owned(first, second)
        traffic = asyncio.create_task(run.send(1_000_000, rate=300))
        await _commits_everywhere(run, 50)
        first.kill()
        began = monotonic()
        if returns:
            first = run.start("a", is_static=is_static)
        await _commits_everywhere(run, 1)
        gap = monotonic() - began
        traffic.cancel()
        await asyncio.gather(traffic, return_exceptions=True)
        await _recounted(run)
        return gap


@pytest.mark.parametrize("returns", [True, False])
@pytest.mark.parametrize("is_static", [True, False])
def test_a_killed_workers_partitions_go_on(
    brokers: str, tmp_path: Path, report: Report, is_static: bool, returns: bool
) -> None:
    """P5: within the session timeout and 10 s. A static member that returns is not waited for."""
    gap = asyncio.run(_failover(brokers, tmp_path, is_static=is_static, returns=returns))
    report(
        {
            "killed": "static" if is_static else "dynamic",
            "returns": returns,
            "session_s": 10,
            "failover_s": round(gap, 2),
        }
    )


# ---- two of one name


async def _same_name(brokers: str, tmp_path: Path, guarantee: str) -> dict[str, object]:
    async with counting_run(brokers, tmp_path, guarantee, session_ms=SESSION_MS) as run:
        older = run.start("a", is_static=True)
        await older.wait_ready()
        traffic = asyncio.create_task(run.send(6000, rate=400))
        await _commits_everywhere(run, 50)
        newer = run.start("copy", LEADSCORE_INSTANCE_ID="a")
        began = monotonic()
        assert await older.wait_ended(within_s=30) == 78
        ended_s = monotonic() - began
        reason = older.events("worker_ends")[0]["reason"]
        assert "LEADSCORE_INSTANCE_ID" in reason
        await newer.wait_ready()
        await traffic
        if guarantee == "at_least_once" and newer.exit_code == 70:
            # A round of the older was still on its way: no fence holds it back, the newer sees the foreign row and ends.
            assert "somebody else wrote" in newer.events("worker_ends")[0]["reason"]
            newer = run.start("copy", LEADSCORE_INSTANCE_ID="a")  # as a supervisor would
        await run.assert_exact()
        assert len(newer.events("partitions_assigned")) == 1
    return {"one_name_twice": guarantee, "older_ended_s": round(ended_s, 2)}


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_of_two_workers_with_one_name_the_older_ends_under_load_and_says_which_setting_to_mend(
    brokers: str, tmp_path: Path, report: Report, guarantee: str
) -> None:
    report(asyncio.run(_same_name(brokers, tmp_path, guarantee)))


# ---- frozen, and awake again


async def _stale_rows(run: CountingRun) -> int:
    """Return how many rows of the changelog, as a reader of it sees them, go behind what an earlier row of their key says."""
    stale = 0
    for rows in (await read_all(run.brokers, run.changelog)).values():
        newest: dict[bytes, tuple[int, ...]] = {}
        for row in rows:
            if row.key == PARTITION_KEY or row.value is None:
                continue
            fence = tuple(fence_of(row.value))
            stale += fence < newest.get(row.key, ())
            newest[row.key] = max(fence, newest.get(row.key, ()))
    return stale


async def _freezes(brokers: str, tmp_path: Path, guarantee: str, sessions: float) -> dict[str, object]:
    async with counting_run(brokers, tmp_path, guarantee, session_ms=3000) as run:
        zombie, heir = run.start("a"), run.start("b")
        await _all_owned(zombie, heir)
        assignments = len(heir.events("partitions_assigned"))
        traffic = asyncio.create_task(run.send(1_000_000, rate=400))
        await _commits_everywhere(run, 100)
        zombie.signal(signal.SIGSTOP)
        if sessions > 1:
            await heir.wait_for("partitions_ready", count=len(heir.events("partitions_ready")) + 1, within_s=40)
            await _commits_everywhere(run, 20)  # the heir has written what the zombie does not know
        await asyncio.sleep(sessions * 3.0)
        zombie.signal(signal.SIGCONT)
        await _commits_everywhere(run, 100)
        exit_code = zombie.exit_code
        if sessions < 1:
            assert exit_code is None
            assert len(heir.events("partitions_assigned")) == assignments, "a short freeze moves nothing"
        for worker in [zombie, heir]:
            if worker.exit_code is not None:
                assert worker.exit_code == 70
                run.start(worker.name)
        traffic.cancel()
        await asyncio.gather(traffic, return_exceptions=True)
        await _recounted(run)
        stale = await _stale_rows(run)
        assert stale == 0
        held = len(zombie.events("round_held"))
        reasons = [event["reason"] for event in zombie.events("worker_ends")]
    return {
        "frozen_sessions": sessions,
        "guarantee": guarantee,
        "stale_rows": stale,
        "rounds_held": held,
        "zombie_exit": exit_code,
        "reasons": [reason[:90] for reason in reasons],
    }


@pytest.mark.parametrize("sessions", [0.5, 1.5, 5.0])
@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_a_worker_that_was_frozen_writes_nothing_stale(
    brokers: str, tmp_path: Path, report: Report, guarantee: str, sessions: float
) -> None:
    """Z01."""
    report(asyncio.run(_freezes(brokers, tmp_path, guarantee, sessions)))


# ---- a loop that stands still


async def _page(worker: WorkerProcess, path: str, within_s: float = 1.0) -> int:
    """Return the status of *path*, 0 when there was no answer in time."""
    port = worker.events("worker_starts")[0]["web_port"]
    limit = aiohttp.ClientTimeout(total=within_s)
    try:
        async with (
            aiohttp.ClientSession(timeout=limit) as session,
            session.get(f"http://127.0.0.1:{port}{path}") as answer,
        ):
            return answer.status
    except (TimeoutError, aiohttp.ClientError):
        return 0


async def _hangs(brokers: str, tmp_path: Path, guarantee: str) -> dict[str, object]:
    async with counting_run(brokers, tmp_path, guarantee, session_ms=SESSION_MS) as run:
        worker = BlockingWorker(
            tmp_path / "w", "w", run.environ(LEADSCORE_TRANSACTION_TIMEOUT="60s")
        )  # longer than the loop stands
        run.workers.append(worker)
        await worker.wait_ready()
        assert await _page(worker, "/livez") == 200
        traffic = asyncio.create_task(run.send(12_000, rate=400))
        await _commits_everywhere(run, 50)
        worker.block(20.0)
        await wait_until(lambda: not worker.is_ordered, within_s=10, what="the loop stands still")
        assert await _page(worker, "/livez") == 0, "a probe gets no answer from a loop that does not turn"
        began = monotonic()

        async def is_back() -> bool:
            return await _page(worker, "/livez") == 200

        await wait_until(is_back, within_s=60, what="an answer")
        blocked_s = monotonic() - began
        traffic.cancel()
        await asyncio.gather(traffic, return_exceptions=True)
        await _recounted(run)
        assert worker.exit_code is None
        assert len(worker.events("partitions_assigned")) == 1, "heartbeats have a thread of their own"
    return {"loop_blocked_s": round(blocked_s, 1), "guarantee": guarantee, "rebalances": 0}


@pytest.mark.parametrize("guarantee", GUARANTEES)
def test_a_worker_whose_loop_stands_still_is_not_live_and_loses_nothing(
    brokers: str, tmp_path: Path, report: Report, guarantee: str
) -> None:
    """Z04."""
    report(asyncio.run(_hangs(brokers, tmp_path, guarantee)))


# ---- the broker is away


async def _alone(tmp_path: Path, guarantee: str, *, is_busy: bool, away_s: float) -> dict[str, object]:
    with EmbeddedBroker(heap_mib=300) as broker:
        async with counting_run(broker.bootstrap_servers, tmp_path, guarantee, session_ms=SESSION_MS) as run:
            worker = run.start("w")
            await worker.wait_ready()
            await run.send(400)
            await run.wait_counted()
            traffic = asyncio.create_task(run.send(30_000, rate=300)) if is_busy else None
            if traffic is not None:
                await _commits_everywhere(run, 50)
            await asyncio.to_thread(broker.kill)
            began, lines = monotonic(), len(worker.events())

            async def is_not_ready() -> bool:
                return await _page(worker, "/readyz") == 503

            await wait_until(is_not_ready, within_s=20, what="readyz says so")
            not_ready_s = monotonic() - began
            while monotonic() - began < away_s:
                assert await _page(worker, "/livez") == 200
                assert worker.exit_code is None, worker.log_text()[-1000:]
                await asyncio.sleep(1.0)
            said = Counter(event.get("message", "")[:40] for event in worker.events()[lines:])
            await asyncio.to_thread(broker.start)
            back, restarts = monotonic(), 0
            if traffic is not None:
                traffic.cancel()  # not before: a sender too waits for its broker when it is stopped
                await asyncio.gather(traffic, return_exceptions=True)

            async def is_ready() -> bool:
                nonlocal worker, restarts
                if worker.exit_code is not None:
                    assert worker.exit_code == 70, "fenced: its transaction was given up by the broker"
                    restarts += 1
                    worker = run.start("w")
                    await worker.wait_for("worker_starts")
                return await _page(worker, "/readyz") == 200

            await wait_until(is_ready, within_s=30, what="ready again")
            await _recounted(run)
            recovered_s = monotonic() - back
            assert restarts <= (guarantee == "exactly_once" and is_busy)
            assert max(said.values(), default=0) <= 3 * (2 + away_s // 60), said
    return {
        "broker_away_s": away_s,
        "guarantee": guarantee,
        "busy": is_busy,
        "not_ready_s": round(not_ready_s, 1),
        "recovered_s": round(recovered_s, 1),
        "restarts": restarts,
        "log_lines": sum(said.values()),
    }


@_leaves_sockets
@pytest.mark.parametrize(
    ("guarantee", "is_busy"), [("exactly_once", False), ("exactly_once", True), ("at_least_once", True)]
)
def test_a_worker_waits_for_brokers_that_are_away_says_so_and_goes_on(
    tmp_path: Path, report: Report, guarantee: str, is_busy: bool
) -> None:
    """B02. If this fails, workers are in their supervisor's back-off when the broker is back, or look healthy and do nothing."""
    report(asyncio.run(_alone(tmp_path, guarantee, is_busy=is_busy, away_s=75.0)))
    gc.collect()


async def _stops_alone(tmp_path: Path, *, is_busy: bool) -> int:
    with EmbeddedBroker(heap_mib=300) as broker:
        async with counting_run(broker.bootstrap_servers, tmp_path, "exactly_once", session_ms=SESSION_MS) as run:
            worker = run.start("w", LEADSCORE_STOP_TIMEOUT="90s")
            await worker.wait_ready()
            traffic = asyncio.create_task(run.send(30_000 if is_busy else 10, rate=600))
            await (_commits_everywhere(run, 50) if is_busy else traffic)
            if not is_busy:
                await run.wait_counted()
            await asyncio.to_thread(broker.kill)
            code = await worker.stop(within_s=50)  # it does not use up its deadline
            await asyncio.to_thread(broker.start)
            traffic.cancel()
            await asyncio.gather(traffic, return_exceptions=True)
            run.start("w")
            await _recounted(run)
            return code


@_leaves_sockets
@pytest.mark.parametrize("is_busy", [False, True])
def test_a_worker_can_be_stopped_while_brokers_are_away(tmp_path: Path, is_busy: bool) -> None:
    """With a round open it ends with 70 when that cannot end; nothing is lost."""
    code = asyncio.run(_stops_alone(tmp_path, is_busy=is_busy))
    gc.collect()
    assert code in ({0, 70} if is_busy else {0})
