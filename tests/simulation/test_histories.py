"""
Whatever happens to workers, disks and broker: the same scores, told once, and nothing left over.

The worker's own assignment, rounds, restore and delivery run against a simulated Kafka in virtual time. `python -m tests.simulation`
searches for longer; what it has found stays in `known.jsonl`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from hypothesis import settings

from tests.simulation import disks
from tests.simulation.plan import History, Plan, as_data, of_data, random_history
from tests.simulation.running import failure_of, run_history, shortened

KNOWN = [orjson.loads(line) for line in Path(__file__).with_name("known.jsonl").read_bytes().splitlines()]
HISTORIES = max(150, settings().max_examples * 6 // 5) if settings().max_examples < 20_000 else 20_000
"""A guarantee: some 10 s of CPU in CI."""


@pytest.mark.parametrize("known", KNOWN, ids=[one["name"] for one in KNOWN])
def test_what_once_broke_a_promise_breaks_none(known: dict[str, Any]) -> None:
    """Each of these broke one, in the worker or in a version of it with a safety rule taken out."""
    run_history(of_data(known["history"]))


@pytest.mark.parametrize("guarantee", ["exactly_once", "at_least_once"])
def test_no_history_breaks_a_promise(guarantee: str) -> None:
    """If this fails, run the history named with `python -m tests.simulation --again SEED --guarantee GUARANTEE`."""
    for seed in range(HISTORIES):
        history = random_history(seed, guarantee)
        failure = failure_of(history)
        assert not failure, f"seed {seed}, {guarantee}: {failure}"


def test_one_seed_is_one_history() -> None:
    """If this fails, a failure cannot be looked at twice."""
    for seed in (3, 4, 5):
        first: list[str] = []
        again: list[str] = []
        run_history(random_history(seed), first.append)
        run_history(random_history(seed), again.append)
        assert first == again
        assert first


def test_a_history_comes_back_from_a_file_as_it_was() -> None:
    for seed in range(20):
        history = random_history(seed)
        assert of_data(orjson.loads(orjson.dumps(as_data(history)))) == history


@pytest.fixture
def _store_that_trusts_its_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disks.ServerStore, "checks_reads", False)


FALLEN_BACK = History(
    Plan(partitions=1, workers=1, contacts=2, is_shared=True, cache=0, round_events=1),
    (
        ("run", 500),
        ("event", 0, 0, 1, "", 1),
        ("run", 500),
        ("event", 1, 0, 1, "", 1),
        ("event", 0, 2, 1, "", 1),
        ("run", 500),
        ("fall back", 1),
        ("event", 0, 0, 1, "", 1),
        ("run", 2000),
    ),
    1,
)
"""A server that loses its last write while the worker lives, whose contacts do not stay in memory."""


def test_a_server_that_falls_back_is_noticed_before_it_is_believed() -> None:
    run_history(FALLEN_BACK)


@pytest.mark.usefixtures("_store_that_trusts_its_server")
def test_a_broken_promise_is_seen_and_its_history_shortened() -> None:
    """The test of the tests: with a store that does not look, the very same history loses points."""
    longer = FALLEN_BACK._replace(actions=(("rebalance",), ("run", 400), *FALLEN_BACK.actions))
    assert "I1" in failure_of(longer)
    shorter = shortened(longer, lambda failure: "I1" in failure)
    assert len(shorter.actions) < len(FALLEN_BACK.actions)
    assert "I1" in failure_of(shorter)
