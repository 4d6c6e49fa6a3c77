"""
One partition's scoring: records in, a round of effects out; it never touches a broker, a store or a clock.

Records are folded as they come, in offset order. What they cause is collected until `drain` closes the round.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from worker.contracts.dead_letter import dead_letter_headers
from worker.contracts.event import UNSUPPORTED_TYPES, decode_event
from worker.contracts.partitioner import partition_of
from worker.contracts.score import ScoreRow, encode_scores
from worker.contracts.transition import EventSource, Transition, encode_transition, transition_headers
from worker.errors import EventRefused, StateError, UnsupportedEvent
from worker.pipeline.dues import due_of, handle_due
from worker.pipeline.round import Count, Output, Round
from worker.pipeline.rows import (
    PARTITION_KEY,
    PartitionRow,
    decode_partition_row,
    encode_partition_row,
    model_marks,
    model_rows,
)
from worker.pipeline.told import score_row, tell
from worker.scoring.codec import decode_contact, encode_contact
from worker.scoring.contact import UNKNOWN_MS, Contact, Fence, ModelState
from worker.scoring.history import pack_id
from worker.scoring.matching import Matcher, Trace
from worker.scoring.qualification import TIMER, evaluate, heed, invite, is_inviting
from worker.scoring.reading import read
from worker.stores.base import Due, DueChange

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from worker.contracts.event import Event
    from worker.pipeline.dues import Handled
    from worker.scoring.model import Model

    GetMany = Callable[[Sequence[bytes]], list[bytes | None]]

FORWARDED_HEADER = "leadscore.forwarded"
"""On a record that came from another partition: `<partition>:<offset>:<record time in ms>` of where it lay."""
_TYPICAL_VALUE_BYTES = 300


class Record(Protocol):
    """A Kafka record, as far as scoring looks at it; *timestamp* in ms."""

    @property
    def offset(self) -> int:
        """Place in the source partition."""
        ...

    @property
    def timestamp(self) -> int:
        """Record time, ms."""
        ...

    @property
    def key(self) -> bytes | None:
        """The contact id in UTF-8; None when the producer gave none."""
        ...

    @property
    def value(self) -> bytes | None:
        """The payload; None for a tombstone."""
        ...

    @property
    def headers(self) -> Sequence[tuple[str, bytes]]:
        """As received."""
        ...


class Topics(NamedTuple):
    """Where outputs go; an empty name switches that output off."""

    source: str
    qualifications: str
    scores: str
    dlq: str


@dataclass(frozen=True, slots=True)
class PipelineOptions:
    """How scoring runs on a partition; all spans in ms."""

    time: Literal["wall", "stream"] = "wall"
    grace_ms: int = 5_000
    max_skew_ms: int = 300_000
    cache_contacts: int = 50_000
    epoch: int = 0
    clamp: bool = True  # False where records have no timestamps of their own (a file)
    erasure_check: bytes = b""


class _Matched(NamedTuple):
    """An event that some model keeps, on its way from decoding to folding."""

    record: Record
    event: Event
    at_ms: int
    key: bytes
    traces: list[Trace | None]
    newest_ms: int  # of the partition, up to this record


class Partition:
    """
    One owned source partition. Not for threads; its calls never wait.

    `fold` and `fire` add to the open round, `drain` closes it, `settled` says that the drained round is durable and in the store.
    Until then its contacts stay in memory, so that nothing is read back stale.
    """

    def __init__(
        self,
        *,
        topics: Topics,
        partition: int,
        partitions: int,
        models: Sequence[Model],
        options: PipelineOptions,
        row: bytes | None,
    ) -> None:
        self._topics = topics
        self._partition = partition
        self._partitions = partitions
        self._models = tuple(models)
        self._matchers = tuple(Matcher(model) for model in models)
        self._options = options
        self._where = f"{topics.source}[{partition}]"
        self.is_new = row is None
        stored = None if row is None else decode_partition_row(row)
        _check_row(stored, self._models, options, self._where)
        self.next_offset = 0 if stored is None else stored.next_offset
        self.newest_ms = None if stored is None else stored.newest_ms
        self._time_ms = None if stored is None else stored.time_ms
        self._revision = 0 if stored is None else stored.revision
        self._marks = {} if stored is None else stored.models
        self._contacts: dict[bytes, Contact] = {}  # least recently written first
        self._dirty: dict[bytes, Contact] = {}
        self._in_flight: dict[bytes, Contact] = {}
        self._outputs: list[Output] = []
        self._stale_due: list[DueChange] = []
        self._counts: Counter[Count] = Counter()
        self.pending = 0
        self.has_transitions = False

    @property
    def dirty_bytes(self) -> int:
        """Estimate of the bytes that the open round will write."""
        return len(self._dirty) * _TYPICAL_VALUE_BYTES + sum(len(output.value or b"") for output in self._outputs)

    @property
    def cached_contacts(self) -> int:
        """Contacts whose decoded state is in memory."""
        return len(self._contacts)

    # ---- records

    def fold(self, records: Sequence[Record], get_many: GetMany) -> None:
        """
        Fold *records*, in offset order, into the open round.

        Raises:
            UnsupportedEvent: An event's effect is not known to this version.
            StateError: A stored value cannot be used.
        """
        matched = [found for record in records if (found := self._decode(record)) is not None]
        self._load([found.key for found in matched], get_many)
        for found in matched:
            self._take(found)
        self.pending += len(records)
        self._count("received", len(records))
        if records:
            self.next_offset = records[-1].offset + 1
            if self._options.time == "wall":
                self._advance_time(records[-1].timestamp - self._options.grace_ms)

    def _decode(self, record: Record) -> _Matched | None:
        """Decode *record*; None when it is done with: dead-lettered, forwarded, or without effect for each model."""
        try:
            event = decode_event(record.value, record.key)
        except EventRefused as refused:
            self._dead_letter(record, refused.event_code, refused.path, str(refused.fields["problem"]))
            return None
        at_ms = self._clamped(record, event)
        newest_ms = self.newest_ms = at_ms if self.newest_ms is None else max(self.newest_ms, at_ms)
        key = record.key if record.key is not None else event.contact_id.encode()
        if key not in self._contacts and self._is_misplaced(record, key):
            return None
        if event.type in UNSUPPORTED_TYPES:
            raise UnsupportedEvent(
                event_type=event.type, topic=self._topics.source, partition=self._partition, offset=record.offset
            )
        traces = [matcher.match(event) for matcher in self._matchers]
        if not any(traces):
            for model in self._models:
                self._count("without_effect", 1, model.name)
            return None
        return _Matched(record, event, at_ms, key, traces, newest_ms)

    def _clamped(self, record: Record, event: Event) -> int:
        """Return the event time, set back to the record's time when it lies too far ahead of it."""
        at_ms = event.occurred_at
        options = self._options
        if options.clamp and at_ms > record.timestamp + options.max_skew_ms:
            self._count("clamped")
            return min([record.timestamp, *_times_before_forwarding(record)])
        if (
            options.clamp
            and record.headers
            and any(at_ms > before + options.max_skew_ms for before in _times_before_forwarding(record))
        ):
            self._count("clamped")
            return min(_times_before_forwarding(record))
        return at_ms

    def _is_misplaced(self, record: Record, key: bytes) -> bool:
        """Send a record that lies in another partition than its key says to that one, once; then it is a dead letter."""
        target = partition_of(key, self._partitions)
        if target == self._partition:
            return False
        if any(name == FORWARDED_HEADER for name, _ in record.headers):
            self._dead_letter(
                record, "event.misplaced", "$.contact_id", "still in the wrong partition after forwarding"
            )
            return True
        mark = f"{self._partition}:{record.offset}:{record.timestamp}".encode()
        headers = [*record.headers, (FORWARDED_HEADER, mark)]
        self._outputs.append(Output(self._topics.source, target, key, record.value, headers))
        self._count("forwarded")
        return True

    def _dead_letter(self, record: Record, code: str, path: str, problem: str) -> None:
        headers = dead_letter_headers(
            record.headers,
            code=code,
            path=path,
            problem=problem,
            topic=self._topics.source,
            partition=self._partition,
            offset=record.offset,
            timestamp_ms=record.timestamp,
        )
        self._outputs.append(Output(self._topics.dlq, self._partition, record.key, record.value, headers))
        self._count("dead_lettered", 1, code)

    def _load(self, keys: Sequence[bytes], get_many: GetMany) -> None:
        """Bring the contacts of *keys* into memory, those that are not there in one call."""
        contacts = self._contacts
        missing = [key for key in dict.fromkeys(keys) if key not in contacts]
        if not missing:
            return
        for key, value in zip(missing, get_many(missing), strict=True):
            if value is None:
                contacts[key] = Contact(len(self._models))
            else:
                contacts[key] = decode_contact(value, self._models, self._matchers)

    def _take(self, found: _Matched) -> None:
        """Fold one event into each model's state, after what was due before it."""
        record = found.record
        contact = self._contacts[found.key]
        fence = contact.fence
        if fence.epoch == self._options.epoch and record.offset <= fence.offset:
            self._count("replayed")
            return
        if self._options.time == "wall":
            self._advance_time(record.timestamp - self._options.grace_ms)
        is_touched = False
        for index, trace in enumerate(found.traces):
            if trace is None:
                self._count("without_effect", 1, self._models[index].name)
            elif self._take_for(index, contact, found, trace):
                is_touched = True
        if is_touched:
            contact.fence = Fence(self._options.epoch, record.offset, 0)
            self._touch(found.key, contact)

    def _take_for(self, index: int, contact: Contact, found: _Matched, trace: Trace) -> bool:
        """Fold one event under one model; False for a duplicate."""
        model = self._models[index]
        state = contact.models[index]
        if state is None:
            state = contact.models[index] = ModelState()
        history = state.history
        event_id = pack_id(found.event.id)
        if history.has(event_id):
            self._count("duplicate", 1, model.name)
            return False
        at_ms = found.at_ms
        limit_ms = self._handled_until(model, found.newest_ms)
        if history.is_in_order(at_ms, event_id):
            limit_ms = at_ms if limit_ms is None else max(limit_ms, at_ms)
        if limit_ms is not None:
            for handled in handle_due(model, state, limit_ms):
                self._tell_due(found.key, model, state, handled)
        accepted = history.accept(model, at_ms, event_id, trace)
        self._count("effective", 1, model.name)
        if accepted.is_late:
            self._count("late", 1, model.name)
        if accepted.overflowed:
            self._count("overflowed", accepted.overflowed, model.name)
        latch = state.latch
        if latch.timer_cooled_ms is not None and at_ms < latch.timer_cooled_ms:
            self._count("behind_timer", 1, model.name)
        self._evaluate(model, state, found, trace, gained=accepted.gained)
        return True

    def _evaluate(self, model: Model, state: ModelState, found: _Matched, trace: Trace, *, gained: bool) -> None:
        """Move the latch by an event that was folded, and tell sales what follows."""
        latch = state.latch
        newest_ms = state.history.newest_ms or 0
        at_ms = newest_ms if latch.told_ms is None else max(newest_ms, latch.told_ms)
        fold = state.history.head_at(model, at_ms)
        event = found.event
        inviting = is_inviting(event.type, gained=gained)
        if inviting:
            invite(latch)
        cause, source = event.type, self._source(found)
        if trace.feedback >= 0:
            feedback = model.feedback_by_index[trace.feedback]
            if heed(model, latch, feedback, event.properties.get("sequence")):
                reading = read(model, fold, at_ms)
                told = tell(
                    model, event.contact_id, fold, latch, ("lead.cooled", reading), at_ms, cause=cause, source=source
                )
                self._publish(found.key, told)
        result = evaluate(model, fold, latch, at_ms, inviting=inviting)
        if result is not None:
            told = tell(model, event.contact_id, fold, latch, result, at_ms, cause=cause, source=source)
            self._publish(found.key, told)
        state.evaluated_ms = at_ms
        state.due_ms = UNKNOWN_MS

    def _source(self, found: _Matched) -> EventSource:
        return EventSource(
            id=found.event.id, topic=self._topics.source, partition=self._partition, offset=found.record.offset
        )

    # ---- time

    def advance_wall(self, now_ms: int) -> None:
        """By the wall clock only: the position has reached the last stable offset, and it is *now_ms*."""
        if self._options.time == "wall":
            self._advance_time(now_ms - self._options.grace_ms)

    def _advance_time(self, time_ms: int) -> None:
        if self._time_ms is None or time_ms > self._time_ms:
            self._time_ms = time_ms

    def _handled_until(self, model: Model, newest_ms: int | None) -> int | None:
        """Return the partition time of *model*: due instants up to it are handled."""
        if self._options.time == "wall":
            return self._time_ms
        return None if newest_ms is None else newest_ms - model.lateness_ms

    def due_until(self) -> int | None:
        """Return the instant to ask the due index for; None while no time is known."""
        return self._time_ms if self._options.time == "wall" else self.newest_ms

    def fire(self, entries: Sequence[Due], get_many: GetMany) -> None:
        """
        Handle the contacts of *entries*, soonest first, up to the partition time.

        An entry that differs from the contact's own is stale and dropped.
        """
        self._load([entry.key for entry in entries], get_many)
        for entry in entries:
            contact = self._contacts[entry.key]
            is_stale = contact.stored_fire_ms != entry.at_ms
            if is_stale:
                self._stale_due.append(DueChange(entry.key, entry.at_ms, None))
            self._fire_contact(entry.key, contact, None, is_woken=not is_stale)

    def finish(self, until_ms: int) -> None:
        """Handle what is due up to *until_ms* for every contact in memory: the end of a history, where no record comes after."""
        for key, contact in self._contacts.items():
            self._fire_contact(key, contact, until_ms, is_woken=False)

    def contacts(self) -> Iterator[tuple[bytes, Contact]]:
        """Yield every contact in memory with its key; callers must not change them."""
        yield from self._contacts.items()

    def take_told(self) -> tuple[list[Output], Counter[Count]]:
        """Take outputs and counts out of the open round, for a history that is kept in memory and never drained."""
        taken = self._outputs, self._counts
        self._outputs, self._counts = [], Counter()
        return taken

    def _fire_contact(self, key: bytes, contact: Contact, until_ms: int | None, *, is_woken: bool) -> None:
        """Handle what is due for *contact*; one that was woken is written again, so that its place in the due index moves on."""
        is_touched = is_woken and not contact.is_dirty
        for index, state in enumerate(contact.models):
            if state is None:
                continue
            model = self._models[index]
            limit_ms = self._handled_until(model, self.newest_ms) if until_ms is None else until_ms
            if limit_ms is None:
                continue
            for handled in handle_due(model, state, limit_ms):
                self._tell_due(key, model, state, handled)
                is_touched = True
        if is_touched:
            epoch, offset, revision = contact.fence
            contact.fence = Fence(epoch, offset, revision + 1)
            self._touch(key, contact)

    def _tell_due(self, key: bytes, model: Model, state: ModelState, handled: Handled) -> None:
        self._count("fired", 1, model.name)
        if handled.told is not None:
            told = tell(
                model,
                key.decode(),
                handled.fold,
                state.latch,
                handled.told,
                handled.at_ms,
                cause=TIMER,
                source=None,
            )
            self._publish(key, told)

    # ---- the round

    def _touch(self, key: bytes, contact: Contact) -> None:
        contact.is_dirty = True
        self._dirty[key] = contact

    def _publish(self, key: bytes, told: Transition) -> None:
        self._count("transitions", 1, f"{told.model} {told.kind}")
        self.has_transitions = True
        topic = self._topics.qualifications
        if topic:
            value = encode_transition(told)
            self._outputs.append(Output(topic, self._partition, key, value, transition_headers(told)))

    def _count(self, what: str, n: int = 1, label: str = "") -> None:
        self._counts[(what, label)] += n

    def drain(self, position: int | None = None) -> Round | None:
        """
        Close the open round and return it; None when there is nothing to write.

        Args:
            position: The consumer's position, where it lies beyond the last record (control and aborted records).
        """
        has_moved = position is not None and position > self.next_offset
        if not (self.pending or self._dirty or self._outputs or self._stale_due or has_moved):
            return None
        if self._in_flight:
            raise StateError(
                where=self._where, problem="a round was drained before the one before it was durable", fix="report this"
            )
        if has_moved and position is not None:
            self.next_offset = position
        closed = Round(next_offset=self.next_offset, events=self.pending, outputs=self._outputs, counts=self._counts)
        closed.due = self._stale_due
        for key, contact in self._dirty.items():
            self._write(key, contact, closed)
        self._write_rows(closed)
        self._in_flight, self._dirty = self._dirty, {}
        self._outputs, self._stale_due, self._counts = [], [], Counter()
        self.pending = 0
        self.has_transitions = False
        return closed

    def _write(self, key: bytes, contact: Contact, closed: Round) -> None:
        """Add the value, the score row and the due change of one contact."""
        contact.is_dirty = False
        rows: dict[str, ScoreRow] = {}
        is_news = False
        fire_ms: int | None = None
        is_stream = self._options.time == "stream"
        for index, state in enumerate(contact.models):
            if state is None or state.evaluated_ms is None:
                continue
            model = self._models[index]
            due_ms = due_of(model, state)
            if due_ms is not None:
                wake_ms = due_ms + (model.lateness_ms if is_stream else 0)
                fire_ms = wake_ms if fire_ms is None else min(fire_ms, wake_ms)
            if self._topics.scores:
                row, row_hash = score_row(model, state, state.evaluated_ms)
                rows[model.name] = row
                is_news = is_news or row_hash != state.row_hash
                state.row_hash = row_hash
        if is_news:
            closed.outputs.append(Output(self._topics.scores, self._partition, key, encode_scores(rows), ()))
        if fire_ms != contact.stored_fire_ms:
            closed.due.append(DueChange(key, contact.stored_fire_ms, fire_ms))
            contact.stored_fire_ms = fire_ms
        closed.puts[key] = encode_contact(contact, self._models, fire_ms)

    def _write_rows(self, closed: Round) -> None:
        """Add the model rows when they are news, and the partition row, always and last."""
        options = self._options
        self._revision += 1
        marks = model_marks(self._models)
        if marks != self._marks:
            closed.puts.update(model_rows(self._models, Fence(options.epoch, self.next_offset, self._revision)))
            self._marks = marks
        row = PartitionRow(
            self.next_offset,
            options.epoch,
            self.newest_ms,
            self._time_ms,
            options.time,
            options.erasure_check,
            self._revision,
            marks,
        )
        closed.puts[PARTITION_KEY] = encode_partition_row(row)

    def settled(self) -> None:
        """Take note that the drained round is durable and in the store: its contacts may leave memory again."""
        contacts = self._contacts
        for key in self._in_flight:
            contacts[key] = contacts.pop(key)
        self._in_flight = {}
        too_many = len(contacts) - self._options.cache_contacts
        if too_many > 0:
            for key in [key for key, contact in contacts.items() if not contact.is_dirty][:too_many]:
                del contacts[key]


def _times_before_forwarding(record: Record) -> list[int]:
    """Return the record times from before it was forwarded: one, or none; a mark that says none is passed over."""
    times = []
    for name, mark in record.headers:
        if name == FORWARDED_HEADER:
            text = mark.rpartition(b":")[2]
            if text.isdigit():
                times.append(int(text))
    return times


def _check_row(row: PartitionRow | None, models: Sequence[Model], options: PipelineOptions, where: str) -> None:
    """Refuse a partition whose state was written under other terms."""
    if row is None:
        return
    if row.mode != options.time:
        raise StateError(
            where=where,
            problem=f"state was written with LEADSCORE_TIME={row.mode}, now it is {options.time}",
            fix=f"set LEADSCORE_TIME={row.mode}, or start under another LEADSCORE_APP_ID",
        )
    if row.erasure_check != options.erasure_check and row.erasure_check:
        raise StateError(
            where=where,
            problem="state was written with another LEADSCORE_ERASURE_KEY",
            fix="set the key it was written with; erased contacts could come back otherwise",
        )
    loaded = model_marks(models)
    for name, (version, digest) in row.models.items():
        if name in loaded and loaded[name] != (version, digest):
            problem = f"state was written by version {version} of model {name}, version {loaded[name][0]} is loaded"
            if loaded[name][0] == version:
                problem = f"version {version} of model {name} has changed since the state was written"
            raise StateError(
                where=where,
                problem=problem,
                fix=f"load version {version} as it was; this release does not carry state over to another version",
            )
