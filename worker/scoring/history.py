"""
A contact's history under one model: what was accepted, kept so that arrival order never matters to a score.

The *base* is the fold of the events older than the lateness window, the *journal* holds those within it in order, the *head* is
the fold of both. An event in order is one `apply` on the head; one out of order refolds base and journal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from worker.scoring.fold import apply
from worker.scoring.inactivity import advance
from worker.scoring.model import NEVER_MS
from worker.scoring.once import hash64
from worker.scoring.state import Fold

if TYPE_CHECKING:
    from worker.scoring.matching import Trace
    from worker.scoring.model import Model

WINDOW_EVENTS = 512
"""Events the journal holds at most; older ones go into the base."""
LATE_IDS = 64
"""Late events whose ids are remembered."""
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
            packed = bytes.fromhex(digits)
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


def _sorts_after(at_ms: int, event_id: Id, entry: Entry) -> bool:
    """Whether (at_ms, event_id) comes after *entry*; equal instants are ordered by the id's UTF-8 bytes."""
    if at_ms != entry.at_ms:
        return at_ms > entry.at_ms
    # Code point order of text is the order of its UTF-8 bytes.
    return unpack_id(event_id) > unpack_id(entry.id)


class Accepted(NamedTuple):
    """How an event was taken in."""

    gained: bool  # it gave an award of 0 or more points
    is_late: bool
    in_order: bool
    overflowed: int  # events that left a full window before their time


_GAINED = Accepted(gained=True, is_late=False, in_order=True, overflowed=0)
_TAKEN = Accepted(gained=False, is_late=False, in_order=True, overflowed=0)


class History:
    """Base, journal and ids of one contact under one model. Empty until the first event is accepted."""

    __slots__ = ("_head", "base", "ids", "journal", "late_ids")

    def __init__(self) -> None:
        self.base: Fold | None = None
        self.journal: list[Entry] = []
        self.ids: set[Id] = set()
        self.late_ids: list[int] = []  # hashed, oldest first
        self._head: Fold | None = None

    @property
    def newest_ms(self) -> int | None:
        """The newest event time accepted; None before the first."""
        return self.journal[-1].at_ms if self.journal else None

    def has(self, event_id: Id) -> bool:
        """Whether an event with this id was accepted within the window, or among the late ones remembered."""
        if event_id in self.ids:
            return True
        return bool(self.late_ids) and hash64(unpack_id(event_id).encode()) in self.late_ids

    def is_in_order(self, at_ms: int, event_id: Id) -> bool:
        """Whether the event sorts after all accepted ones."""
        return not self.journal or _sorts_after(at_ms, event_id, self.journal[-1])

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
        newest_ms = self.newest_ms
        if newest_ms is not None and newest_ms <= at_ms:
            return self.head_at(model, at_ms)
        if self.base is not None and self.base.at_ms > at_ms:
            return None
        fold = Fold() if self.base is None else self.base.copy()
        for entry in self.journal:
            if entry.at_ms <= at_ms:
                apply(model, fold, entry.at_ms, entry.trace)
        advance(model, fold, at_ms)
        return fold

    def accept(self, model: Model, at_ms: int, event_id: Id, trace: Trace, *, in_order: bool | None = None) -> Accepted:
        """Take in an event that is no duplicate, wherever it belongs; *in_order*: what `is_in_order` says of it, if it was asked."""
        if self.is_in_order(at_ms, event_id) if in_order is None else in_order:
            head = self._head
            gained = apply(model, self.head(model) if head is None else head, at_ms, trace)
            self.journal.append(Entry(at_ms, event_id, trace))
            self.ids.add(event_id)
            overflowed = 0
            if self.journal[0].at_ms < at_ms - model.lateness_ms or len(self.journal) > WINDOW_EVENTS:
                overflowed = self._trim(model, at_ms)
            if not overflowed:
                return _GAINED if gained else _TAKEN
            return Accepted(gained, is_late=False, in_order=True, overflowed=overflowed)
        newest_ms = self.newest_ms
        base_ms = self.base.at_ms if self.base is not None else -NEVER_MS
        if newest_ms is not None and (at_ms < newest_ms - model.lateness_ms or at_ms < base_ms):
            return Accepted(
                self._accept_late(model, at_ms, event_id, trace), is_late=True, in_order=False, overflowed=0
            )
        entry = Entry(at_ms, event_id, trace)
        place = len(self.journal)
        while place and not _sorts_after(at_ms, event_id, self.journal[place - 1]):
            place -= 1
        self.journal.insert(place, entry)
        self.ids.add(event_id)
        self._head, gained = self._refold(model, entry)
        return Accepted(gained, is_late=False, in_order=False, overflowed=self._trim(model, self.journal[-1].at_ms))

    def _accept_late(self, model: Model, at_ms: int, event_id: Id, trace: Trace) -> bool:
        """Apply a late event on the base, at the base's instant but with its own for decay."""
        if self.base is None:
            self.base = Fold()
        self.late_ids.append(hash64(unpack_id(event_id).encode()))
        del self.late_ids[:-LATE_IDS]
        gained = apply(model, self.base, max(at_ms, self.base.at_ms), trace, own_ms=at_ms)
        self._head = None
        return gained

    def _refold(self, model: Model, watched: Entry | None = None) -> tuple[Fold, bool]:
        """Fold base and journal anew; also return whether *watched* gave an award of 0 or more points."""
        head = Fold() if self.base is None else self.base.copy()
        gained = False
        for entry in self.journal:
            given = apply(model, head, entry.at_ms, entry.trace)
            if entry is watched:
                gained = given
        return head, gained

    def _trim(self, model: Model, newest_ms: int) -> int:
        """Move what has left the window into the base; return how many went only because the window was full."""
        journal = self.journal
        start_ms = newest_ms - model.lateness_ms
        gone = 0
        while journal[gone].at_ms < start_ms:
            gone += 1
        overflowed = max(0, len(journal) - gone - WINDOW_EVENTS)
        gone += overflowed
        if gone:
            if self.base is None:
                self.base = Fold()
            for entry in journal[:gone]:
                apply(model, self.base, entry.at_ms, entry.trace)
                self.ids.discard(entry.id)
            del journal[:gone]
        return overflowed
