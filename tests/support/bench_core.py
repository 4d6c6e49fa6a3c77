"""The scoring core alone, without broker, disk or event loop: CPU µs an event, part by part."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from worker.clock import cpu_seconds
from worker.contracts.event import Event
from worker.contracts.event_decoding import decode_event
from worker.pipeline import PARTITION_KEY, CacheBudget, Partition, PipelineOptions, Topics
from worker.scoring.codec import decode_contact, encode_contact
from worker.scoring.history import History, pack_id
from worker.scoring.matching import Matcher, Trace
from worker.scoring.model import Model

TOPICS = Topics(source="interactions", qualifications="qualifications", scores="", dlq="refused")


class CoreRecord(NamedTuple):
    """A record as the pipeline sees it."""

    offset: int
    timestamp: int
    key: bytes
    value: bytes
    headers: tuple[tuple[str, bytes], ...] = ()


@dataclass
class DictStore:
    """Stored values and due entries in dicts: what a store costs is measured elsewhere."""

    values: dict[bytes, bytes] = field(default_factory=dict)
    due: dict[bytes, int] = field(default_factory=dict)

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        get = self.values.get
        return [get(key) for key in keys]


class Drained(NamedTuple):
    """What driving a partition over all records cost, CPU µs an event, and what it wrote."""

    fold_us: float  # Partition.fold: decode, match, fold, evaluate, tell
    close_us: float  # Partition.drain and settled: encode
    read_us: float  # every value decoded and its head folded once after each round, as if nothing stayed in memory; 0 if not asked for
    rows: int
    changelog_bytes: int
    transitions: int
    store: DictStore

    @property
    def us(self) -> float:
        return self.fold_us + self.close_us + self.read_us


def drain_core(
    model: Model,
    records: Sequence[CoreRecord],
    *,
    round_events: int,
    budget: CacheBudget | None = None,
    beside: Sequence[Model] = (),
    publish_tiers: bool = False,
    scores: str = "",
    reads_back: bool = False,
) -> Drained:
    """Drive one partition over *records* in rounds of *round_events*, under *model* and those *beside* it."""
    models = (model, *beside)
    store = DictStore()
    options = PipelineOptions(time="stream", clamp=False, budget=budget or CacheBudget(), publish_tiers=publish_tiers)
    topics = TOPICS._replace(scores=scores)
    partition = Partition(topics=topics, partition=0, partitions=1, models=models, options=options, row=None)
    read_back = _ReadBack(models) if reads_back else None
    folding = closing = reading = 0.0
    rows = size = transitions = 0
    for start in range(0, len(records), round_events):
        chunk = records[start : start + round_events]
        began = cpu_seconds()
        partition.fold(chunk, store.get_many)
        folded = cpu_seconds()
        closed = partition.drain()
        drained = cpu_seconds()
        assert closed is not None
        store.values.update(closed.puts)
        rows += len(closed.puts)
        size += sum(map(len, closed.puts)) + sum(map(len, closed.puts.values()))
        transitions += sum(output.topic == topics.qualifications for output in closed.outputs)
        settling = cpu_seconds()
        partition.settled()
        closing += cpu_seconds() - settling + drained - folded
        folding += folded - began
        if read_back is not None:
            reading += read_back.cost_s(closed.puts)
    us = 1e6 / len(records)
    return Drained(folding * us, closing * us, reading * us, rows, size, transitions, store)


class _ReadBack:
    """Reads stored contacts as the next round would that finds none of them in memory."""

    def __init__(self, models: Sequence[Model]) -> None:
        self._models = models
        self._matchers = [Matcher(model) for model in models]

    def cost_s(self, rows: Mapping[bytes, bytes]) -> float:
        """Return the CPU seconds that decoding the contacts among *rows*, and folding their heads, takes."""
        values = [value for key, value in rows.items() if not is_row_of_partition(key)]
        began = cpu_seconds()
        for value in values:
            contact = decode_contact(value, self._models, self._matchers)
            for model, state in zip(self._models, contact.models, strict=True):
                if state is not None:
                    state.history.head(model)
        return cpu_seconds() - began


def is_row_of_partition(key: bytes) -> bool:
    """Whether *key* is of the partition's own rows, not of a contact."""
    return key[:1] == PARTITION_KEY[:1]


class Parts(NamedTuple):
    """CPU µs for each part on its own: an event for the first three, a stored value for the last two."""

    decode: float
    match: float
    fold: float
    encode_value: float
    decode_value: float


def measure_parts(model: Model, records: Sequence[CoreRecord], store: DictStore) -> Parts:
    """Run each part alone over *records*, or over what *store* holds of contacts."""
    matcher = Matcher(model)
    count = len(records)
    events: list[Event] = []
    traces: list[Trace | None] = []
    decode = _cost(lambda: events.extend(decode_event(record.value, record.key) for record in records), count)
    match = _cost(lambda: traces.extend(matcher.match(event, event.occurred_at) for event in events), count)
    fold = _cost(lambda: _fold_all(model, events, traces), count)
    values = [value for key, value in store.values.items() if not is_row_of_partition(key)]
    contacts = [decode_contact(value, [model], [matcher]) for value in values]
    encode_value = _cost(lambda: [encode_contact(contact, [model], None) for contact in contacts], len(values))
    decode_value = _cost(lambda: [decode_contact(value, [model], [matcher]) for value in values], len(values))
    return Parts(decode, match, fold, encode_value, decode_value)


def _fold_all(model: Model, events: Sequence[Event], traces: Sequence[Trace | None]) -> None:
    histories: dict[str, History] = {}
    for event, trace in zip(events, traces, strict=True):
        if trace is None:
            continue
        history = histories.get(event.contact_id)
        if history is None:
            history = histories[event.contact_id] = History()
        event_id = pack_id(event.id)
        if not history.has(model, event_id):
            history.accept(model, event.occurred_at, event_id, trace)


def _cost(work: Callable[[], object], count: int) -> float:
    began = cpu_seconds()
    work()
    return (cpu_seconds() - began) / count * 1e6


def records_of(events: Sequence[tuple[str, bytes]]) -> Iterator[CoreRecord]:
    """Yield *events*, (contact id, value), as records of one partition."""
    for offset, (contact, value) in enumerate(events):
        yield CoreRecord(offset, 0, contact.encode(), value)
