"""What a contender has to have published in the end, found without a broker."""

from __future__ import annotations

from collections import Counter
from typing import Any

import orjson
from aiokafka.structs import ConsumerRecord

from tests.support.bench_events import Backlog
from tests.support.bench_plain_scoring import State, apply_event, new_state
from worker.contracts.instants import parse_instant
from worker.export import transition_line
from worker.replay import replay_lines
from worker.scoring.model import Model


def expected_of_worker(model: Model, backlog: Backlog) -> Counter[Any]:
    """Return the transitions of a replay of *backlog*."""
    replayed = replay_lines([model], backlog.lines())
    return Counter(map(_comparable, replayed.transitions[model.name]))


def shape_of_worker(record: ConsumerRecord[bytes, bytes]) -> Any:
    """Return a published transition as `expected_of_worker` has it."""
    return _comparable(record.value or b"")


def _comparable(transition: bytes) -> tuple[tuple[str, Any], ...]:
    return tuple(sorted(transition_line(transition).items()))


def expected_of_agent(backlog: Backlog) -> Counter[Any]:
    """Return what the hand-written rules publish when they are run in one loop."""
    states: dict[str, State] = {}
    found: Counter[Any] = Counter()
    for line in backlog.lines():
        event = orjson.loads(line)
        contact = event["contact_id"]
        score = apply_event(states.setdefault(contact, new_state()), event, parse_instant(event["occurred_at"]))
        if score is not None:
            found[contact, event["id"], round(score, 6)] += 1
    return found


def shape_of_agent(record: ConsumerRecord[bytes, bytes]) -> Any:
    """Return a published score as `expected_of_agent` has it."""
    told = orjson.loads(record.value or b"{}")
    return told["contact_id"], told["event_id"], round(told["score"], 6)
