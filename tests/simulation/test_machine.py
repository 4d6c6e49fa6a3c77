"""The same actions, chosen by Hypothesis, which makes what fails as short as can be."""

from __future__ import annotations

import gc
from contextlib import ExitStack
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from tests.simulation.checks import check_everything
from tests.simulation.clients import clients_substituted
from tests.simulation.loop import Clock, running_on
from tests.simulation.plan import EVENT_TYPES, ODDITIES, REQUESTS, Plan
from tests.simulation.world import World

PLANS = st.builds(
    Plan,
    guarantee=st.sampled_from(["exactly_once", "at_least_once"]),
    time=st.sampled_from(["stream", "wall"]),
    partitions=st.integers(1, 3),
    workers=st.integers(1, 3),
    contacts=st.integers(1, 4),
    is_shared=st.booleans(),
    is_static=st.booleans(),
    low_latency=st.booleans(),
    cache=st.sampled_from([0, 1, 50]),
    round_events=st.sampled_from([1, 4, 40]),
    batch_rows=st.sampled_from([1, 2, 100]),
    fetch_rows=st.sampled_from([2, 20]),
    poll_rows=st.sampled_from([1, 20]),
    restore_rows=st.sampled_from([1, 20]),
    is_rough=st.booleans(),
)
WORKERS = st.integers(0, 2)
DISKS = st.sampled_from(["same", "wiped", "cut 1", "cut 3"])
DEEDS = st.sampled_from(["kill same", "kill wiped", "kill cut 2", "freeze", "expel", "rebalance"])


class Histories(RuleBasedStateMachine):
    """A world to which anything may happen; at the end it heals, and every promise is checked."""

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        self._world: World | None = None

    @initialize(plan=PLANS, seed=st.integers(0, 1000))
    def begin(self, plan: Plan, seed: int) -> None:
        clock = Clock()
        self._stack.enter_context(running_on(clock))
        self._stack.enter_context(clients_substituted())
        self._world = World(plan, seed, clock)

    def _do(self, *action: Any) -> None:
        assert self._world is not None
        self._world.do(action)

    @rule(
        contact=st.integers(0, 3),
        kind=st.integers(0, EVENT_TYPES - 1),
        gap_s=st.sampled_from([0, 1, 90, 400]),
        oddity=st.sampled_from(sorted(set(ODDITIES))),
        number=st.integers(0, 7),
    )
    def event(self, contact: int, kind: int, gap_s: int, oddity: str, number: int) -> None:
        self._do("event", contact, kind, gap_s, oddity, number)

    @rule(milliseconds=st.sampled_from([1, 30, 120, 1100, 3000]))
    def run_for(self, milliseconds: int) -> None:
        self._do("run", milliseconds)

    @rule(count=st.integers(1, 60))
    def steps(self, count: int) -> None:
        self._do("steps", count)

    @rule(worker=WORKERS, disk=DISKS)
    def kill(self, worker: int, disk: str) -> None:
        self._do("kill", worker, disk)

    @rule(worker=WORKERS, verb=st.sampled_from(["freeze", "thaw", "expel", "stop", "start"]))
    def meet(self, worker: int, verb: str) -> None:
        self._do(verb, worker)

    @rule(
        worker=WORKERS,
        request=st.sampled_from(REQUESTS),
        when=st.sampled_from(["before", "after"]),
        number=st.integers(1, 3),
        deed=DEEDS,
    )
    def ambush(self, worker: int, request: str, when: str, number: int, deed: str) -> None:
        self._do("ambush", worker, request, when, number, deed)

    @rule(topic=st.sampled_from(["changelog", "told", "source", "refused"]))
    def hold(self, topic: str) -> None:
        self._do("hold", topic)

    @rule(verb=st.sampled_from(["release", "rebalance", "wipe server", "lose answer"]))
    def happen(self, verb: str) -> None:
        self._do(verb)

    @rule(when=st.sampled_from(["before", "after"]))
    def refuse(self, when: str) -> None:
        self._do("refuse", when)

    @rule(partition=st.integers(0, 2), drops_tombstones=st.booleans())
    def compact(self, partition: int, drops_tombstones: bool) -> None:
        self._do("compact", partition, drops_tombstones)

    @rule(writes=st.integers(1, 4))
    def fall_back(self, writes: int) -> None:
        self._do("fall back", writes)

    def teardown(self) -> None:
        if self._world is None:
            return
        try:
            self._world.heal()
            check_everything(self._world)
        finally:
            self._world.close()
            self._stack.close()
            gc.collect(0)


TestHistories = Histories.TestCase
TestHistories.settings = settings(
    max_examples=max(20, settings().max_examples // 10),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
