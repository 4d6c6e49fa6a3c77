"""Runs a history and checks its promises; makes a failing one shorter."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tests.simulation.checks import check_everything
from tests.simulation.clients import clients_substituted
from tests.simulation.loop import Clock, running_on
from tests.simulation.plan import History
from tests.simulation.world import Broken, World


class Outcome(NamedTuple):
    """How a history went."""

    events: int
    deaths: int
    generations: int


def run_history(history: History, trace: Callable[[str], None] | None = None) -> Outcome:
    """Run *history*; raises Broken when a promise is broken."""
    clock = Clock()
    with running_on(clock), clients_substituted():
        world = World(history.plan, history.seed, clock, trace)
        try:
            for action in history.actions:
                world.do(action)
            world.heal()
            check_everything(world)
        finally:
            world.close()
    return Outcome(world._events, world.deaths, world.broker.group.generation)


def failure_of(history: History) -> str:
    """Return how *history* breaks a promise; empty when it does not."""
    try:
        run_history(history)
    except Broken as broken:
        return str(broken)
    return ""


def shortened(history: History, is_same: Callable[[str], bool] = bool, tries: int = 3000) -> History:
    """Return *history* without the actions that its failure does not need, each left out in its turn, larger parts first."""
    best = history
    size = max(1, len(best.actions) // 2)
    while size and tries > 0:
        place, found = 0, False
        while place < len(best.actions) and tries > 0:
            tries -= 1
            fewer = best._replace(actions=best.actions[:place] + best.actions[place + size :])
            if is_same(failure_of(fewer)):
                best, found = fewer, True
            else:
                place += size
        size = size if found and size == 1 else size // 2
    return best
