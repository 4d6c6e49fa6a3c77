"""
The worker's own reading of a history, driven through its public faces: a file replay, or a partition restarted at will.

Nothing here knows what a score is; it turns events into records, and what comes out into comparable values.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from worker.export import ScoreLine, score_lines, transition_line
from worker.pipeline import PARTITION_KEY, CacheBudget, Output, Partition, PipelineOptions, Topics
from worker.replay import replay_lines
from worker.scoring.codec import body_of, decode_contact
from worker.scoring.contact import Contact
from worker.scoring.matching import Matcher
from worker.scoring.model import Model
from worker.scoring.model_file import parse_model
from worker.stores.memory import MemoryStore

TOPICS = Topics(source="interactions", qualifications="qualifications", scores="scores", dlq="refused")
OPTIONS = PipelineOptions(time="stream", clamp=False)
_STORED_PARTITION = 0


class EngineReading(NamedTuple):
    """What a history came to, in the shape of the naive reading."""

    rows: list[dict[str, Any]]
    transitions: list[dict[str, Any]]
    counts: Counter[tuple[str, str]]


class EngineRecord(NamedTuple):
    """A Kafka record as the worker sees it."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


def records_of(events: Iterable[Mapping[str, Any]]) -> list[EngineRecord]:
    """Return *events* as records; offset = place in the list."""
    return [
        EngineRecord(offset, 0, event["contact_id"].encode(), json.dumps(event).encode())
        for offset, event in enumerate(events)
    ]


def engine_replay(model_text: str, events: Iterable[Mapping[str, Any]], as_of: int | None = None) -> EngineReading:
    """Replay *events*, in the order given, as a file would be; *as_of* in ms."""
    model = parse_model(model_text)
    replayed = replay_lines([model], [json.dumps(event).encode() for event in events], as_of)
    return EngineReading(
        [_row(line) for line in replayed.scores.get(model.name, ())],
        _in_file_order(replayed.transitions.get(model.name, ())),
        _comparable(replayed.counts),
    )


def _row(line: ScoreLine) -> dict[str, Any]:
    return line._asdict() | {"tier": line.tier or None}


def _in_file_order(encoded: Iterable[bytes]) -> list[dict[str, Any]]:
    lines = [transition_line(value) for value in encoded]
    return sorted(lines, key=lambda one: (one["contact_id"].encode(), one["sequence"], one["kind"]))


def _comparable(counts: Mapping[tuple[str, str], int]) -> Counter[tuple[str, str]]:
    """Drop the model from every label: there is one."""
    kept: Counter[tuple[str, str]] = Counter()
    for (what, label), number in counts.items():
        kept[what, label.rpartition(" ")[2] if what == "transitions" else ""] += number
    return kept


class RestartedPartition:
    """
    A partition that is restarted after every round, with nothing kept but what it stored.

    Rounds hold as many records as the caller says, and contacts leave memory as soon as they may.
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.store = MemoryStore()
        self.store.open(_STORED_PARTITION)
        self.outputs: list[Output] = []
        self.counts: Counter[tuple[str, str]] = Counter()
        self._changelog_offset: int | None = None

    def start(self) -> Partition:
        """Return the partition as it comes up from what is stored."""
        (row,) = self._get_many([PARTITION_KEY])
        options = PipelineOptions(time="stream", clamp=False, budget=CacheBudget(0))
        return Partition(
            topics=TOPICS,
            partition=0,
            partitions=1,
            models=[self.model],
            options=options,
            row=row,
            get_many=self._get_many,
        )

    def run(self, rounds: Iterable[Sequence[EngineRecord]], *, restart: bool = True, fire: bool = True) -> None:
        """Handle *rounds*; with *restart* the process ends after each, without *fire* it was down for every timer."""
        partition = self.start()
        for records in rounds:
            partition.fold([one for one in records if one.offset >= partition.next_offset], self._get_many)
            self._close(partition)
            if fire:
                self.fire(partition)
            if restart:
                partition = self.start()

    def fire(self, partition: Partition, until: int | None = None) -> None:
        """Handle every entry of the due index up to the partition's time, a round for each few of them."""
        limit = partition.due_until() if until is None else until
        while limit is not None and (entries := self.store.due_before(_STORED_PARTITION, limit, 2)):
            partition.fire(entries, self._get_many)
            self._close(partition)

    def rewind(self) -> None:
        """Forget where reading goes on, as if an older partition row had been restored; contacts stay as they are."""
        offset = self._changelog_offset or 0
        self.store.write(_STORED_PARTITION, {}, [PARTITION_KEY], [], self._changelog_offset, offset)

    def _get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return self.store.get_many(_STORED_PARTITION, keys)

    def _close(self, partition: Partition) -> None:
        closed = partition.drain()
        if closed is None:
            return
        last = (self._changelog_offset or 0) + len(closed.puts)
        self.store.write(_STORED_PARTITION, closed.puts, closed.deletes, closed.due, self._changelog_offset, last)
        self._changelog_offset = last
        self.outputs += closed.outputs
        self.counts += closed.counts
        partition.settled()

    def values(self) -> dict[bytes, bytes]:
        """Return the stored value of each contact."""
        return {key: value for key, value in self.store.iterate(_STORED_PARTITION) if key[0] > 1}

    def contacts(self) -> Iterator[tuple[bytes, Contact]]:
        """Yield each contact as stored."""
        matcher = Matcher(self.model)
        for key, value in self.values().items():
            yield key, decode_contact(value, [self.model], [matcher])

    def reading(self, as_of: int) -> EngineReading:
        """Return rows as of *as_of*, and everything told so far."""
        told = [one.value for one in self.outputs if one.topic == TOPICS.qualifications and one.value is not None]
        rows = [_row(line) for line in score_lines(self.contacts(), self.model, 0, as_of)]
        return EngineReading(rows, _in_file_order(told), _comparable(self.counts))


def stored_history(value: bytes, model: str) -> list[Any]:
    """
    Return what a stored value says of the fold of *model*: newest instant, base, journal and the hashes of late ids.

    The latch and the last evaluation follow processing order and are left out.
    """
    state = msgspec.msgpack.decode(body_of(value))[model]
    state += [None] * (9 - len(state))
    return [*state[1:7], state[8]]
