"""
A contact's history under one model: what was accepted, kept so that arrival order never matters to a score.

The *base* is the fold of the events older than the lateness window, the *journal* holds those within it in order, the *head* is
the fold of both. An event in order is one `apply` on the head; one out of order refolds base and journal.
"""

from __future__ import annotations

from binascii import unhexlify
from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, NamedTuple

from worker.scoring.attributes import WINDOW_BYTES, forget_removed
from worker.scoring.fold import apply
from worker.scoring.inactivity import advance
from worker.scoring.matching import Trace
from worker.scoring.model import NEVER_MS
from worker.scoring.once import hash64
from worker.scoring.state import Fold

if TYPE_CHECKING:
    from worker.scoring.model import Model

WINDOW_EVENTS = 512
"""Events the journal holds at most; older ones go into the base."""
LATE_IDS = 64
"""Late events whose ids are remembered."""
_FEW_IDS = 12
"""So many are looked through as fast as a set is asked, which takes as much memory as all the rest of a contact with few events."""
_TRIM_LOT = 16
"""Events that have left the window go into the base so many at a time: what asks for the exact base trims first."""
_UUID_LENGTH = 36
_UUID_BYTES = 16

Id = str | bytes
"""An event's id as kept: 16 bytes for a canonical UUID, else its text."""


def pack_id(text: str) -> Id:
    """
    Return *text* as it is kept. Equal texts, and only those, pack equal.

    >>> pack_id("0195e6e8-0000-7000-8000-000000000001").hex()
    '0195e6e8000070008000000000000001'
    """
    if len(text) == _UUID_LENGTH and text[8] == text[13] == text[18] == text[23] == "-":
        digits = text.replace("-", "")
        try:
            packed = unhexlify(digits)
        except ValueError:
            return text
        if len(packed) == _UUID_BYTES and packed.hex() == digits:  # upper case and more dashes stay text
            return packed
    return text


def unpack_id(packed: Id) -> str:
    """Return the id that was packed as *packed*."""
    if isinstance(packed, str):
        return packed
    text = packed.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


class Entry(NamedTuple):
    """One event of the journal."""

    at_ms: int
    id: Id
    trace: Trace


class Accepted(NamedTuple):
    """How an event was taken in."""

    gained: bool  # it gave an award or adjustment of 0 or more points
    is_late: bool
    in_order: bool
    overflowed: int  # events that left a full window before their time


_GAINED = Accepted(gained=True, is_late=False, in_order=True, overflowed=0)
_TAKEN = Accepted(gained=False, is_late=False, in_order=True, overflowed=0)


class History:
    """Base, journal and ids of one contact under one model. Empty until the first event is accepted."""

    __slots__ = ("_head", "_update_bytes", "base", "event_ids", "ids", "instants", "keyed", "late_ids", "traces")

    def __init__(self) -> None:
        self.base: Fold | None = None
        # The journal, a column each: ascending by (instant, id).
        self.instants: list[int] = []
        self.event_ids: list[Id] = []
        self.traces: list[Trace] = []
        self.keyed = 0  # events with a once-key, when it was last stored or read
        self.ids: list[Id] | set[Id] = self.event_ids  # to look an id up: the journal's own column while it is short
        self.late_ids: tuple[int, ...] = ()  # hashed, oldest first
        self._update_bytes = 0  # of attribute values in the journal, as compact JSON
        self._head: Fold | None = None

    def restore(self, instants: list[int], event_ids: list[Id], traces: list[Trace]) -> None:
        """Take a journal that was stored."""
        self.instants, self.event_ids, self.traces = instants, event_ids, traces
        self.ids = event_ids if len(event_ids) <= _FEW_IDS else set(event_ids)
        self._update_bytes = sum(trace.update.size_bytes for trace in traces if trace.update is not None)

    @property
    def journal(self) -> list[Entry]:
        """The events kept, in order, for whoever looks at them one by one."""
        return list(map(Entry, self.instants, self.event_ids, self.traces))

    @property
    def extent(self) -> tuple[int, int, int]:
        """Events in the journal, those of them with a once-key, and rules that have given something, in the base and again in the head."""
        base, head = self.base, self._head
        in_base = 0 if base is None else len(base.rules)
        return len(self.instants), self.keyed, in_base + (in_base + 1 if head is None else len(head.rules))

    @property
    def newest_ms(self) -> int | None:
        """The newest event time accepted; None before the first."""
        return self.instants[-1] if self.instants else None

    def has(self, model: Model, event_id: Id) -> bool:
        """Whether an event with this id was accepted within the window, or among the late ones remembered."""
        if event_id in self.ids:
            self.trim(model)
            if event_id in self.ids:
                return True
        return bool(self.late_ids) and hash64(unpack_id(event_id).encode()) in self.late_ids

    def is_in_order(self, at_ms: int, event_id: Id) -> bool:
        """Whether the event sorts after all accepted ones."""
        instants = self.instants
        return not instants or at_ms > instants[-1] or self._sorts_after(at_ms, event_id, -1)

    def _sorts_after(self, at_ms: int, event_id: Id, place: int) -> bool:
        """Whether (at_ms, event_id) comes after the event at *place*; equal instants are ordered by the id's UTF-8 bytes."""
        if at_ms != self.instants[place]:
            return at_ms > self.instants[place]
        # Code point order of text is the order of its UTF-8 bytes.
        return unpack_id(event_id) > unpack_id(self.event_ids[place])

    def head(self, model: Model) -> Fold:
        """Return the fold of everything accepted; callers must not change it."""
        head = self._head
        if head is None:
            head, _ = self._refold(model)
            self._head = head
        return head

    def head_at(self, model: Model, at_ms: int) -> Fold:
        """Return the head as it stands at *at_ms*, at or after the newest event: a copy where a step lies between."""
        head = self.head(model)
        if head.next_step_ms > at_ms:
            return head
        head = head.copy()
        advance(model, head, at_ms)
        return head

    def fold_as_of(self, model: Model, at_ms: int) -> Fold | None:
        """
        Return the fold of the events up to *at_ms*, advanced to it, whether or not newer ones were accepted since.

        None when *at_ms* lies so far back that newer events have gone into the base.
        """
        self.trim(model)
        newest_ms = self.newest_ms
        if newest_ms is not None and newest_ms <= at_ms:
            return self.head_at(model, at_ms)
        if self.base is not None and self.base.at_ms > at_ms:
            return None
        fold = Fold() if self.base is None else self.base.copy()
        for instant, trace in zip(self.instants, self.traces, strict=True):
            if instant <= at_ms:
                apply(model, fold, instant, trace)
        advance(model, fold, at_ms)
        return fold

    def accept(self, model: Model, at_ms: int, event_id: Id, trace: Trace, *, in_order: bool | None = None) -> Accepted:
        """Take in an event that is no duplicate, wherever it belongs; *in_order*: what `is_in_order` says of it, if it was asked."""
        if self.is_in_order(at_ms, event_id) if in_order is None else in_order:
            head = self._head
            gained = apply(model, self.head(model) if head is None else head, at_ms, trace)
            instants = self.instants
            instants.append(at_ms)
            self.event_ids.append(event_id)
            self.traces.append(trace)
            if len(instants) > _FEW_IDS:
                self._index_id(event_id)
            if trace.update is not None:
                self._update_bytes += trace.update.size_bytes
            is_full = len(instants) > WINDOW_EVENTS or self._update_bytes > WINDOW_BYTES
            if is_full or (len(instants) > _TRIM_LOT and instants[_TRIM_LOT - 1] < at_ms - model.lateness_ms):
                overflowed = self.trim(model)
                if overflowed:
                    return Accepted(gained, is_late=False, in_order=True, overflowed=overflowed)
            return _GAINED if gained else _TAKEN
        self.trim(model)
        newest_ms = self.instants[-1]
        base_ms = self.base.at_ms if self.base is not None else -NEVER_MS
        if at_ms < newest_ms - model.lateness_ms or at_ms < base_ms:
            gained = self._accept_late(model, at_ms, event_id, trace)
            return Accepted(gained, is_late=True, in_order=False, overflowed=0)
        place = len(self.instants)
        while place and not self._sorts_after(at_ms, event_id, place - 1):
            place -= 1
        self.instants.insert(place, at_ms)
        self.event_ids.insert(place, event_id)
        self.traces.insert(place, trace)
        if len(self.instants) > _FEW_IDS:
            self._index_id(event_id)
        if trace.update is not None:
            self._update_bytes += trace.update.size_bytes
        self._head, gained = self._refold(model, place)
        return Accepted(gained, is_late=False, in_order=False, overflowed=self.trim(model))

    def _index_id(self, event_id: Id) -> None:
        """Make *event_id*, which the journal of more than a few events has, known to `ids`."""
        ids = self.ids
        if isinstance(ids, set):
            ids.add(event_id)
        else:
            self.ids = set(self.event_ids)

    def _accept_late(self, model: Model, at_ms: int, event_id: Id, trace: Trace) -> bool:
        """Apply a late event on the base, at the base's instant but with its own for decay."""
        if self.base is None:
            self.base = Fold()
        forget_removed(self.base, self.instants[-1] - model.lateness_ms)
        self.late_ids = (*self.late_ids, hash64(unpack_id(event_id).encode()))[-LATE_IDS:]
        base_ms = self.base.at_ms
        # One that comes before the base's newest, or before all that the base has, is dated back.
        gained = apply(model, self.base, max(at_ms, base_ms), trace, own_ms=at_ms)
        self._head = None
        return gained

    def _refold(self, model: Model, watched: int = -1) -> tuple[Fold, bool]:
        """Fold base and journal anew; also return whether the event at place *watched* gave an award or adjustment of 0 or more."""
        head = Fold() if self.base is None else self.base.copy()
        gained = False
        for place, (at_ms, trace) in enumerate(zip(self.instants, self.traces, strict=True)):
            given = apply(model, head, at_ms, trace)
            if place == watched:
                gained = given
        return head, gained

    def trim(self, model: Model) -> int:
        """Move what has left the window into the base; return how many went only because the window was full."""
        instants = self.instants
        if not instants:
            return 0
        left = bisect_left(instants, instants[-1] - model.lateness_ms)
        gone = max(left, len(instants) - WINDOW_EVENTS)
        if self._update_bytes > WINDOW_BYTES:
            gone = self._gone_for_size(gone)
        if gone:
            if self.base is None:
                self.base = Fold()
            base = self.base
            for at_ms, trace in zip(instants[:gone], self.traces, strict=False):
                apply(model, base, at_ms, trace)
                if trace.update is not None:
                    self._update_bytes -= trace.update.size_bytes
            self._forget_ids(gone)
            del instants[:gone], self.traces[:gone]
        return gone - left

    def _forget_ids(self, gone: int) -> None:
        """Take the ids of the first *gone* events out."""
        ids, event_ids = self.ids, self.event_ids
        if isinstance(ids, set):
            ids.difference_update(event_ids[:gone])
        del event_ids[:gone]
        if len(event_ids) <= _FEW_IDS:
            self.ids = event_ids

    def _gone_for_size(self, gone: int) -> int:
        """Return how many events must go, *gone* at least, for the attribute values of the others to fit the window."""
        updates = [trace.update for trace in self.traces]
        size = sum(update.size_bytes for update in updates[gone:] if update is not None)
        while size > WINDOW_BYTES:
            update = updates[gone]
            size -= 0 if update is None else update.size_bytes
            gone += 1
        return gone

    def erase(self, model: Model, at_ms: int) -> None:
        """Forget everything up to and at *at_ms*: the base too, which is older, or which an erasure that is late cannot take apart."""
        self.trim(model)
        kept = bisect_right(self.instants, at_ms)
        later = self.instants[kept:], self.event_ids[kept:], self.traces[kept:]
        self.base = self._head = None
        self.late_ids = ()
        self.restore(*later)
