"""What a history is: how the world is made, and what happens in it; both are data, so that a failure can be told, kept and shortened."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from typing import Any, Literal, NamedTuple

Action = tuple[Any, ...]
"""A verb and its arguments, all of them numbers and words; see `World.do`."""


class Plan(NamedTuple):
    """How the world of a history is made."""

    guarantee: Literal["exactly_once", "at_least_once"] = "exactly_once"
    time: Literal["stream", "wall"] = "stream"
    partitions: int = 2
    workers: int = 2
    contacts: int = 4
    is_shared: bool = False  # one store server for all workers, instead of a disk each
    is_static: bool = False  # members of the group have names
    low_latency: bool = False
    cache: int = 2  # contacts that may stay in memory
    round_events: int = 6
    batch_rows: int = 3
    fetch_rows: int = 8
    poll_rows: int = 4
    restore_rows: int = 3
    is_rough: bool = False  # a few requests take long


class History(NamedTuple):
    """A plan, what happens, and the seed of everything that is left to chance."""

    plan: Plan
    actions: tuple[Action, ...]
    seed: int


EVENT_TYPES = 7
ODDITIES = ("", "", "", "", "", "", "", "again", "late", "future", "bad", "keyless", "misplaced", "lost")
"""What is unusual about an event; `lost` is keyless and misplaced and late."""


def random_plan(rng: Random, guarantee: str | None = None) -> Plan:
    """Return a world."""
    one = rng.choice
    return Plan(
        guarantee=guarantee or one(("exactly_once", "at_least_once")),  # type: ignore[arg-type]
        time=one(("stream", "stream", "wall")),
        partitions=one((1, 1, 2, 3)),
        workers=one((1, 2, 2, 3)),
        contacts=one((2, 3, 5)),
        is_shared=rng.random() < 0.3,
        is_static=rng.random() < 0.25,
        low_latency=rng.random() < 0.3,
        cache=one((0, 1, 2, 50)),
        round_events=one((1, 3, 8, 40)),
        batch_rows=one((1, 2, 4, 100)),
        fetch_rows=one((2, 5, 20)),
        poll_rows=one((1, 3, 20)),
        restore_rows=one((1, 3, 20)),
        is_rough=rng.random() < 0.4,
    )


def random_actions(rng: Random, plan: Plan, length: int) -> tuple[Action, ...]:
    """Return what happens in a history of *plan*."""
    actions: list[Action] = []
    while len(actions) < length:
        chance = rng.random()
        if chance < 0.5:
            actions += [random_event(rng, plan) for _ in range(rng.choice((1, 1, 2, 5)))]
        elif chance < 0.62:
            actions.append(("run", rng.choice((1, 10, 60, 120, 300, 1100, 2500))))
        elif chance < 0.75:
            actions.append(("steps", rng.choice((1, 3, 8, 20, 60, 150))))
        else:
            actions += _fault(rng, plan)
    return tuple(actions)


def random_event(rng: Random, plan: Plan) -> Action:
    """Return an event: contact, type, seconds since the one before, oddity, and a number for what else is to be chosen."""
    gap = rng.choice((0, 0, 1, 3, 20, 90, 400)) if plan.time == "stream" else rng.choice((0, 0, 0, 1))
    return (
        "event",
        rng.randrange(plan.contacts),
        rng.randrange(EVENT_TYPES),
        gap,
        rng.choice(ODDITIES),
        rng.randrange(8),
    )


def _fault(rng: Random, plan: Plan) -> list[Action]:
    worker = rng.randrange(plan.workers)
    if rng.random() < 0.45:
        return _ambush(rng, plan, worker)
    if plan.is_shared and rng.random() < 0.2:
        return [rng.choice(SERVER_FAULTS)]
    return rng.choices(_MAKERS, _WEIGHTS)[0](rng, plan, worker)


SERVER_FAULTS: tuple[Action, ...] = (
    ("fall back", 1),
    ("fall back", 4),
    ("wipe server",),
    ("away", 700),
    ("away", 3000),
    ("lose answer",),
)
"""What may happen to a store server."""


def _around(rng: Random) -> Action:
    """Return that something else happens first, to end anywhere."""
    return ("steps", rng.randrange(1, 40)) if rng.random() < 0.7 else ("run", rng.choice((5, 103, 130, 400)))


def _killed(rng: Random, _: Plan, worker: int) -> list[Action]:
    disk = rng.choice(("same", "same", "wiped", "cut 1", "cut 2", "cut 5", "cut 8"))
    return [_around(rng), ("kill", worker, disk)]


def _frozen(rng: Random, plan: Plan, worker: int) -> list[Action]:
    between = [random_event(rng, plan) for _ in range(rng.randrange(4))]
    away = ("run", rng.choice((50, 700, 2600, 5000, 9000)))
    return [_around(rng), ("freeze", worker), *between, away, ("thaw", worker)]


def _regrouped(rng: Random, _: Plan, worker: int) -> list[Action]:
    return [_around(rng), rng.choice((("expel", worker), ("rebalance",)))]


def _stopped(rng: Random, _: Plan, worker: int) -> list[Action]:
    return [("stop", worker), ("run", rng.choice((20, 800, 4000))), ("start", worker)]


def _held(rng: Random, *_: Any) -> list[Action]:
    topic = rng.choice(("changelog", "told", "source", "refused"))
    return [("hold", topic), _around(rng), ("run", rng.choice((100, 900, 4000))), ("release",)]


def _refused(rng: Random, *_: Any) -> list[Action]:
    return [("refuse", rng.choice(("before", "after"))), _around(rng)]


def _compacted(rng: Random, plan: Plan, _: int) -> list[Action]:
    compacted: Action = ("compact", rng.randrange(plan.partitions), rng.random() < 0.3)
    return [compacted] if plan.guarantee == "exactly_once" else [("run", 9_000), compacted]


def _skewed(rng: Random, _: Plan, worker: int) -> list[Action]:
    return [("skew", worker, rng.choice((-60_000, 30_000, 400_000)))]


_MAKERS = (_killed, _frozen, _regrouped, _stopped, _held, _refused, _compacted, _skewed)
_WEIGHTS = (30, 22, 16, 6, 8, 7, 8, 3)

REQUESTS = ("changelog", "told", "source", "add_offsets", "end_transaction", "init_producer", "fetch", "commit_offsets")
"""What a worker may be caught at: writing to a topic, or another request."""


def _ambush(rng: Random, plan: Plan, worker: int) -> list[Action]:
    """Return that a worker is caught at a request, and what follows."""
    request = rng.choice(REQUESTS[:2] * 3 + REQUESTS)
    deed = rng.choice(
        ("kill same", "kill wiped", "kill cut 2", "freeze", "freeze", "freeze", "expel", "expel", "rebalance")
    )
    caught: Action = ("ambush", worker, request, rng.choice(("before", "after")), rng.randrange(1, 4), deed)
    events = [random_event(rng, plan) for _ in range(rng.choice((1, 2, 4)))]
    if deed != "freeze":
        return [caught, *events, ("run", rng.choice((110, 300, 1200)))]
    later = [random_event(rng, plan) for _ in range(rng.randrange(4))]
    away = rng.choice((700, 2700, 4000, 9000))
    return [caught, *events, ("run", rng.choice((110, 300))), *later, ("run", away), ("thaw", worker)]


def as_data(history: History) -> dict[str, Any]:
    """Return *history* for a file; only what differs from a usual plan is named."""
    usual = Plan()._asdict()
    plan = {name: value for name, value in history.plan._asdict().items() if value != usual[name]}
    return {"plan": plan, "seed": history.seed, "actions": [list(action) for action in history.actions]}


def of_data(data: Mapping[str, Any]) -> History:
    """Return the history that `as_data` has written."""
    return History(Plan(**data["plan"]), tuple(tuple(action) for action in data["actions"]), data["seed"])


def random_history(seed: int, guarantee: str | None = None) -> History:
    """Return the history of *seed*."""
    rng = Random(seed)
    plan = random_plan(rng, guarantee)
    return History(plan, random_actions(rng, plan, rng.choice((6, 12, 20, 35))), seed)
