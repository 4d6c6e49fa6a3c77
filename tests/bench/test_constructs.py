"""What each construct of the scoring language costs, beside two loops that never change: a decode of JSON, and plain dicts."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator

import pytest

from tests.support.bench_constructs import BASE, EVENTS, PLAIN, cases
from tests.support.bench_costs import Case, Cost, measure, table
from tests.support.bench_process import machine
from worker.memory import calm_garbage_collector

TURNS = int(os.environ.get("LEADSCORE_BENCH_TURNS", "5"))
COMMAND = f"LEADSCORE_BENCH_TURNS={TURNS} python -m pytest -s tests/bench/test_constructs.py"
MOST_CALIBRATORS = {1: 240.0, 2: 150.0, 3: 250.0}
"""By number of models; about three times what the dearest case cost when this was written: a guard against blunders, not a goal."""
MOST_FOR_OTHER_RULES = 2.0
"""How much dearer an event may be for a thousand rules of other types."""


@pytest.fixture
def _memory_as_in_a_worker() -> Iterator[None]:
    threshold = gc.get_threshold()
    calm_garbage_collector()
    yield
    gc.unfreeze()
    gc.set_threshold(*threshold)


@pytest.mark.usefixtures("_memory_as_in_a_worker")
def test_no_construct_is_dearer_than_a_few_ordinary_events() -> None:
    """If this fails, a construct became several times dearer, or rules of other types cost an event something."""
    chosen = cases()
    costs = measure(chosen, TURNS, say=lambda text: print(text, flush=True))
    load = os.getloadavg()[0]
    print(f"\n{machine()}, load {load:.1f}\n{COMMAND}\n{EVENTS:,} events a case, {TURNS} turns\n")
    print("\n".join(table(chosen, costs, BASE)))
    calibrator = costs[PLAIN].median / costs[PLAIN].calibrators
    print(f"\na calibrator, one orjson.loads of an event: {calibrator:.2f} us; by base: by {BASE}")
    dear = [_dear(case, costs[case.name]) for case in chosen if costs[case.name].calibrators > _most(case)]
    assert not dear
    others, base = costs["1,000 rules of other types"], costs[BASE]
    assert others.calibrators / base.calibrators < MOST_FOR_OTHER_RULES


def _most(case: Case) -> float:
    return MOST_CALIBRATORS[max(1, len(case.models))]


def _dear(case: Case, cost: Cost) -> str:
    return f"{case.name}: {cost.calibrators:.1f} calibrators, {_most(case):.0f} allowed"
