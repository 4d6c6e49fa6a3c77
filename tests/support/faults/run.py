"""
One run: a fresh application under load, whatever the scenario does to it, everything healed, rest, the checks, the figures.

    async def story(run: FaultRun) -> None:
        await carry_out(run, draw_plan(run.load.seed, [kill("east"), kill("west", wipe=True)]))

    figures = await run_faults(brokers, tmp_path, "C01", story, load=draw_load(1), guarantee="exactly_once")
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from tests.support.cluster import PARTITIONS, Cluster, running_cluster
from tests.support.faults import checks
from tests.support.faults.figures import Figures
from tests.support.faults.load import Load
from tests.support.faults.points import write_model
from tests.support.faults.stores import ROCKSDB, StoreUnderTest
from tests.support.faults.watch import Watch
from tests.support.feeding import Feed
from tests.support.kafka import wait_until
from worker.clock import monotonic

SESSION = "4s"
SESSION_S = 4.0
RATE = 700.0
_LOOK_S = 0.8  # between two equal looks: longer than a round and than Faust's commits are apart when nothing waits
Story = Callable[["FaultRun"], Awaitable[None]]


@dataclass
class FaultRun:
    """
    What a story works with.

    Args:
        cluster: The application: start, kill, freeze and look at its workers.
        load: What is sent.
        feed: Sends it: set `rate` and `gate`, wait for `reached`.
        watch: Looks on.
        store: Where workers keep contacts.
        figures: What is measured; a story may add to `more`.
    """

    cluster: Cluster
    load: Load
    feed: Feed
    watch: Watch
    store: StoreUnderTest
    figures: Figures
    _mending: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    _frozen: set[str] = field(default_factory=set)
    _outs: list[tuple[float, Collection[int]]] = field(default_factory=list)

    # ---- for stories and faults

    def start(self, *names: str, is_static: bool = True, hooks: dict[str, str] | None = None) -> None:
        """Start workers; they are supervised from now on."""
        for name in names:
            self.cluster.start(name, is_static=is_static, hooks=hooks)

    async def wait_ready(self, *names: str) -> None:
        """Wait until each reads its share."""
        for name in names:
            await self.cluster.wait_ready(name, partitions=0 if PARTITIONS % len(names) else PARTITIONS // len(names))

    async def sent(self, share: float) -> None:
        """Return once this part (0 to 1) of the whole load is sent."""
        await self.feed.reached(int(share * len(self.feed.records)))

    def owned_by(self, name: str) -> list[int]:
        """Return the partitions that the worker *name* read last."""
        ready = self.cluster.workers[name].events("partitions_ready")
        return [int(number) for number in ready[-1]["offsets"]] if ready else []

    def note_out(self, name: str, partitions: Collection[int] = ()) -> None:
        """The worker *name* fails now: measure until all its partitions (*partitions*, if they are known better) have moved again."""
        if owned := partitions or self.owned_by(name):
            self._outs.append((monotonic(), owned))

    async def freeze(self, name: str, seconds: float) -> None:
        """SIGSTOP the worker *name*, and SIGCONT after *seconds*: the duration is the fault."""
        worker = self.cluster.workers[name]
        self._frozen.add(name)
        worker.signal(signal.SIGSTOP)
        await asyncio.sleep(seconds)
        worker.signal(signal.SIGCONT)
        self._frozen.discard(name)

    def mend_with(self, mend: Callable[[], Awaitable[None]]) -> None:
        """Have *mend* called when everything is healed; the last one first."""
        self._mending.append(mend)

    async def heal(self) -> None:
        """End every fault that still lasts."""
        for name in list(self._frozen):
            self.cluster.workers[name].signal(signal.SIGCONT)
        while self._mending:
            await self._mending.pop()()

    async def rest(self, *, within_s: float = 60.0) -> None:
        """Wait until lag is 0 and two looks at all topics are equal (I6); raises AssertionError when it is not in time."""
        outputs = (
            self.cluster.settings.changelog_topic,
            self.cluster.qualifications,
            self.cluster.scores,
            self.cluster.dead_letters,
        )
        before: Any = None

        async def is_at_rest() -> bool:
            nonlocal before
            self.cluster.check()
            try:
                seen = await self.cluster.ends(self.cluster.source, *outputs)
                committed = await self.cluster.committed()
            except KafkaError:
                return False
            behind = {
                number: seen[TopicPartition(self.cluster.source, number)] - offset
                for number, offset in committed.items()
            }
            is_through = not any(behind.values())
            is_quiet, before = seen == before, seen
            return is_through and is_quiet

        try:
            await wait_until(is_at_rest, within_s=within_s, every_s=_LOOK_S)
        except TimeoutError:
            committed = await self.cluster.committed()
            logs = "\n".join(f"--- {name}\n{one.log_text()[-1500:]}" for name, one in self.cluster.workers.items())
            raise AssertionError(
                f"I6: not at rest {within_s:g} s after everything was healed: committed {committed}, {before}\n{logs}"
            ) from None

    def _failover_s(self) -> float | None:
        took = [moved - at for at, owned in self._outs if (moved := self.watch.moved_since(at, owned)) is not None]
        return max(took, default=None)


async def run_faults(
    brokers: str,
    directory: Path,
    scenario: str,
    story: Story,
    *,
    load: Load,
    guarantee: str = "exactly_once",
    store: StoreUnderTest = ROCKSDB,
    workers: Sequence[str] = ("east", "west"),
    is_static: bool = True,
    is_mortal: bool = False,
    hooks: dict[str, str] | None = None,
    rate: float = RATE,
    rest_within_s: float = 60.0,
    forgives: bool = False,
    patience_s: float = 40.0,
    prepare: Callable[[Cluster], Awaitable[None]] | None = None,
    more_checks: Callable[[FaultRun, checks.Evidence], Awaitable[list[str]]] | None = None,
    **environ: str,
) -> Figures:
    """
    Run *story* under *load*, heal, wait for rest, stop the workers, check I1 to I9, and return the figures.

    Args:
        brokers: The broker, or the proxy before it.
        directory: Logs, states, and what is kept of a failure.
        scenario: Its name in the table of figures.
        story: Is called when *workers* are ready and traffic flows; returns when it has done its worst.
        load: What is sent.
        guarantee: exactly_once or at_least_once.
        store: Where workers keep contacts.
        workers: Who is started at first; nobody: the story does.
        is_static: Whether they are static members of the group.
        is_mortal: Whether they can be made to die inside a round (`cluster.doom`), and take the hooks of the tests.
        hooks: More variables for them.
        rate: Records a second, until the story ends; the rest of the load is sent as fast as the broker takes it.
        rest_within_s: How long lag may take to return to 0 after everything is healed and sent.
        forgives: Whether the load goes on when the broker does not acknowledge a batch.
        patience_s: How long the load's producer tries before.
        prepare: Is called when the topics are there, before anything starts.
        more_checks: What else must hold at rest, workers still running.
        **environ: More LEADSCORE_* variables for every worker.

    Raises:
        AssertionError: Something does not hold; the text names the seed, what is wrong, and where logs and states lie.
    """
    began = monotonic()
    figures = Figures(
        scenario=scenario, store=store.name, guarantee=guarantee, seed=load.seed, events=len(load.entries)
    )
    model = str(write_model(directory / "model"))
    environ = {"LEADSCORE_SESSION_TIMEOUT": SESSION, **store.environ, **environ}
    async with running_cluster(brokers, directory, model=model, guarantee=guarantee, **environ) as cluster:
        cluster.is_mortal = is_mortal
        cluster.wipe = lambda home: store.wipe(home, cluster.name)
        feed = Feed(brokers, cluster.source, load.records, rate=rate, forgives=forgives, patience_s=patience_s)
        run = FaultRun(cluster, load, feed, Watch(cluster, feed), store, figures)
        if prepare is not None:
            await prepare(cluster)
        run.start(*workers, is_static=is_static, hooks=hooks)
        if workers:
            await run.wait_ready(*workers)
        async with run.watch.running():
            async with feed.running():
                await story(run)
                await run.heal()
                feed.gate, feed.rate = len(feed.records), 0.0
            healed_at = monotonic()
            await run.rest(within_s=rest_within_s)
            figures.recovery_s = max(0.0, (run.watch.steps[-1].at if run.watch.steps else healed_at) - healed_at)
            for name in list(cluster.workers):
                await cluster.wait_ready(
                    name
                )  # one that was started last may not know yet what to do when it is told to stop
            evidence = await checks.gather(cluster, load, feed)
            problems = await more_checks(run, evidence) if more_checks is not None else []
        await cluster.stop()
        problems += _check(run, evidence)
    figures.seconds = monotonic() - began
    assert not problems, "\n".join([*problems, f"figures {figures.as_document()}", f"logs and states: {directory}"])
    return figures


def _check(run: FaultRun, evidence: checks.Evidence) -> list[str]:
    """Check everything, and write down what was measured."""
    figures, watch, cluster = run.figures, run.watch, run.cluster
    losses, outputs = checks.count_losses(evidence), checks.check_outputs(evidence)
    figures.lost, figures.doubled = losses
    figures.outputs = sum(map(len, evidence.qualifications.values()))
    figures.outputs_missing, figures.outputs_repeated = outputs.missing, outputs.repeated
    figures.unknown = len(run.feed.unknown)
    figures.failover_s, figures.unavailable_s = run._failover_s(), watch.longest_gap_s
    figures.rss_peak_mb = watch.rss_peak_mb
    figures.rebalances, figures.restarts = cluster.count_logged("partitions_assigned"), cluster.restarts
    restored = [one for worker in cluster.lives for one in worker.events("restore_complete") if one.get("rows")]
    if restored:
        best = max(restored, key=lambda one: int(one["rows"]))
        figures.restore_rows_s = best["rows"] / max(0.001, float(best.get("seconds", 0.0)))
    return [
        *checks.check_broker(evidence),
        *checks.check_state(evidence),
        *checks.check_books(evidence, watch),
        *outputs.problems,
        *checks.check_stores(evidence, cluster, run.store),
        *checks.check_commits(evidence, watch),
        *checks.check_weight(watch),
        *checks.check_logs(cluster),
        *checks.check_canaries(cluster, watch),
        *(problem for problem in watch.problems if problem.startswith("the watch")),
    ]
