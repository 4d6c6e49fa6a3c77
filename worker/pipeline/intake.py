"""The door: a record becomes an event that some model keeps, or is done with at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from worker.contracts.event import Event
from worker.contracts.event_decoding import decode_event
from worker.contracts.instants import MAX_INSTANT_MS, MIN_INSTANT_MS
from worker.contracts.partitioner import partition_of
from worker.errors import EventRefused
from worker.pipeline.effects import FORWARDED_HEADER, Effects
from worker.pipeline.flood import Flood

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from worker.pipeline.inputs import PipelineOptions, Place, Record
    from worker.scoring.matching import Matcher, Trace
    from worker.scoring.model import Model

_TIME_DIGITS = 15
_FORWARDED_HEADERS_BYTES = 64 * 1024  # with an event at its limit, the source topic takes it once more


class Matched:
    """An event that some model keeps, on its way from decoding to folding."""

    __slots__ = ("at_ms", "event", "key", "newest_ms", "record", "record_ms", "traces")

    def __init__(
        self,
        record: Record,
        event: Event,
        at_ms: int,
        key: bytes,
        traces: list[Trace | None],
        newest_ms: int,
        record_ms: int,
    ) -> None:
        self.record = record
        self.event = event
        self.at_ms = at_ms  # event time, set back where it lay too far ahead
        self.key = key
        self.traces = traces  # one a model
        self.newest_ms = newest_ms  # newest event time of the partition, up to this record
        self.record_ms = record_ms  # newest record time that this worker has seen of the partition, up to this record


IntakeMark = tuple[int, int | None, int, int | None]
"""Records decoded, newest event time, newest record time, and where it has stopped."""


class Intake:
    """Decodes the records of one partition, and knows the newest event time among them."""

    def __init__(
        self,
        place: Place,
        models: Sequence[Model],
        matchers: Sequence[Matcher],
        options: PipelineOptions,
        effects: Effects,
        newest_ms: int | None,
    ) -> None:
        self._place = place
        self._models = models
        self._matchers = matchers
        self._clamps = options.clamp
        self._max_skew_ms = options.max_skew_ms
        self._effects = effects
        self._nothing: list[Trace | None] = [None] * len(models)
        self._flood = Flood(options.dlq_limit)
        self._ordinal = 0  # of the record that is decoded
        self.stopped_at: int | None = None
        """Offset of the first record that is left where it lies, since too many before it were refused; None: all are taken."""
        self.newest_ms = newest_ms
        self.record_ms = -1
        self.present_ms = MAX_INSTANT_MS
        """No record time beyond this is believed: a producer's clock must not move the time of a partition ahead of ours."""

    def mark(self) -> IntakeMark:
        """Return where the intake stands, for `back_to`."""
        return self._ordinal, self.newest_ms, self.record_ms, self.stopped_at

    def back_to(self, mark: IntakeMark) -> None:
        """Forget the records decoded since *mark*."""
        self._ordinal, self.newest_ms, self.record_ms, self.stopped_at = mark
        self._flood.forget_after(self._ordinal)

    def decode(self, record: Record, known: Collection[bytes]) -> Matched | None:
        """
        Return the event of *record*; None when it is dead-lettered, forwarded, left alone, or without effect under every model.

        Args:
            record: The next record of the partition.
            known: Keys that are known to belong here, which spares them the partitioner.
        """
        if self.stopped_at is not None:
            return None
        self._ordinal += 1
        if record.timestamp > self.record_ms:
            self.record_ms = max(self.record_ms, min(record.timestamp, self.present_ms))
        try:
            event = decode_event(record.value, record.key)
        except EventRefused as refused:
            self._refuse(record, refused.event_code, refused.path, str(refused.fields["problem"]))
            return None
        at_ms = self._clamped(record, event.occurred_at) if self._clamps else event.occurred_at
        newest_ms = self.newest_ms
        if newest_ms is None or at_ms > newest_ms:
            newest_ms = self.newest_ms = at_ms
        key = event.contact_id.encode() if record.key is None else record.key
        if key not in known and self._is_misplaced(record, key):
            return None
        traces = [matcher.match(event, at_ms) for matcher in self._matchers]
        if traces == self._nothing:
            for model in self._models:
                self._effects.count("without_effect", 1, model.name)
            return None
        return Matched(record, event, at_ms, key, traces, newest_ms, self.record_ms)

    def _refuse(self, record: Record, code: str, path: str, problem: str) -> None:
        """Dead-letter *record*, or stop before it when that would be one too many."""
        if self._flood.is_over(self._ordinal):
            self.stopped_at = record.offset
        else:
            self._effects.dead_letter(record, code, path, problem)

    def _clamped(self, record: Record, at_ms: int) -> int:
        """Return the event time *at_ms*, set back to the record's time (the one before forwarding) when too far ahead of it."""
        record_ms = record.timestamp
        if at_ms <= record_ms + self._max_skew_ms and not record.headers:
            return at_ms
        record_ms = min([record_ms, *_times_before_forwarding(record)])
        if record_ms < MIN_INSTANT_MS or at_ms <= record_ms + self._max_skew_ms:
            return at_ms  # a time before all events is none: the record has no timestamp, or the mark is forged
        return record_ms

    def _is_misplaced(self, record: Record, key: bytes) -> bool:
        """Send a record that lies in another partition than its key says to that one, once; after that it is a dead letter."""
        if self._place.partitions == 1:
            return False
        target = partition_of(key, self._place.partitions)
        if target == self._place.partition:
            return False
        problem = ""
        if any(name == FORWARDED_HEADER for name, _ in record.headers):
            problem = "still in another partition than its key says, after forwarding"
        elif sum(len(name) + len(text or b"") for name, text in record.headers) > _FORWARDED_HEADERS_BYTES:
            problem = f"in another partition than its key says, with more than {_FORWARDED_HEADERS_BYTES} bytes of headers to forward"
        if problem:
            self._refuse(record, "event.misplaced", "$.contact_id", problem)
        else:
            self._effects.forward(record, key, target)
        return True


def _times_before_forwarding(record: Record) -> list[int]:
    """Return the record times from before it was forwarded: one, or none; a mark that names no time is passed over."""
    times = []
    for name, mark in record.headers:
        if name == FORWARDED_HEADER:
            text = (mark or b"").rpartition(b":")[2]  # a producer may have put anything there, null too
            if text.isdigit() and len(text) <= _TIME_DIGITS:
                times.append(int(text))
    return times
