"""CPU µs an event of several models and streams, taken in turns, each beside a loop that only decodes JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import NamedTuple

import orjson

from tests.support.bench_calibration import calibrate
from tests.support.bench_core import CoreRecord, drain_core
from tests.support.bench_plain_scoring import State, apply_event, new_state
from worker.clock import cpu_seconds
from worker.scoring.model import Model

ROUND_EVENTS = 5_000
"""Half of a stream of 10,000 events: a contact is then written once for six or seven of its events, as in long rounds."""
_CALIBRATED_ON = 2_000


class Part(NamedTuple):
    """CPU µs an event."""

    fold: float  # decode, match, fold, evaluate, tell
    encode: float  # its share of writing the stored value, its next due instant included
    decode: float  # its share of reading that value back and folding its head

    @property
    def total(self) -> float:
        return self.fold + self.encode + self.decode


@dataclass(frozen=True)
class Case:
    """What is measured: models over a stream, or, without a model, the plain dict scorer."""

    name: str
    models: tuple[Model, ...]
    records: Sequence[CoreRecord]
    publish_tiers: bool = False
    scores: str = ""

    def run(self) -> Part:
        """Score the stream once."""
        if not self.models:
            return plain_cost(self.records)
        model, *beside = self.models
        drained = drain_core(
            model,
            self.records,
            round_events=ROUND_EVENTS,
            beside=beside,
            publish_tiers=self.publish_tiers,
            scores=self.scores,
            reads_back=True,
        )
        return Part(drained.fold_us, drained.close_us, drained.read_us)


@dataclass
class Cost:
    """The turns of one case."""

    turns: list[Part] = field(default_factory=list)
    ratios: list[float] = field(default_factory=list)  # total by the calibrator beside it

    @property
    def least(self) -> Part:
        """The cheapest turn: others on the machine only ever add to it, so it comes closest to a quiet core."""
        return min(self.turns, key=lambda turn: turn.total)

    @property
    def median(self) -> float:
        """The median of the whole."""
        return median(turn.total for turn in self.turns)

    @property
    def calibrators(self) -> float:
        """The median of the whole in decodes of one event."""
        return median(self.ratios)


def measure(cases: Sequence[Case], turns: int, say: Callable[[str], object]) -> Mapping[str, Cost]:
    """Run all *cases* one after the other, *turns* times over, so that a noisy minute hurts all of them alike."""
    costs = {case.name: Cost() for case in cases}
    for turn in range(turns):
        say(f"turn {turn + 1} of {turns}")
        for case in cases:
            values = [record.value for record in case.records[:_CALIBRATED_ON]]
            before = calibrate(values)
            part = case.run()
            cost = costs[case.name]
            cost.turns.append(part)
            cost.ratios.append(part.total * 2 / (before + calibrate(values)))
    return costs


def plain_cost(records: Sequence[CoreRecord]) -> Part:
    """Return what the scorer of plain dicts costs: a reference loop of ordinary Python, no part of the worker."""
    states: dict[str, State] = {}
    stored: dict[str, bytes] = {}
    folding = encoding = decoding = 0.0
    for start in range(0, len(records), ROUND_EVENTS):
        began = cpu_seconds()
        changed = {}
        for record in records[start : start + ROUND_EVENTS]:
            event = orjson.loads(record.value)
            at_ms = int(datetime.fromisoformat(event["occurred_at"]).timestamp() * 1000)
            contact = event["contact_id"]
            state = states.get(contact)
            if state is None:
                state = states[contact] = new_state()
            apply_event(state, event, at_ms)
            changed[contact] = state
        folded = cpu_seconds()
        rows = {contact: orjson.dumps(state) for contact, state in changed.items()}
        encoded = cpu_seconds()
        stored.update(rows)
        reading = cpu_seconds()
        for value in rows.values():
            orjson.loads(value)
        decoding += cpu_seconds() - reading
        folding += folded - began
        encoding += encoded - folded
    us = 1e6 / len(records)
    return Part(folding * us, encoding * us, decoding * us)


def table(cases: Sequence[Case], costs: Mapping[str, Cost], base: str) -> Iterator[str]:
    """Yield the lines of a table in Markdown; *base* is the case that others are compared with."""
    yield "| what | fold | encode | decode | least us | median us | calibrators | by base |"
    yield "|---|---|---|---|---|---|---|---|"
    compared = costs[base].calibrators
    for case in cases:
        cost = costs[case.name]
        fold, encode, decode = cost.least
        yield (
            f"| {case.name} | {fold:.1f} | {encode:.1f} | {decode:.1f} | {cost.least.total:.1f} | {cost.median:.1f} "
            f"| {cost.calibrators:.1f} | {cost.calibrators / compared:.2f} |"
        )
