"""A partition of a topic as a broker keeps it: offsets, open and decided transactions, control records, compaction."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Literal

from worker.contracts.headers import Headers
from worker.stream.batches import Row

Outcome = Literal["open", "committed", "aborted"]


class Share:
    """One transaction's part in one partition; readers may see it once its control record is written there."""

    __slots__ = ("first", "outcome")

    def __init__(self, first: int) -> None:
        self.first = first
        self.outcome: Outcome = "open"


class Entry:
    """A record as stored, or a control record; it serves as what a consumer returns, too."""

    __slots__ = ("headers", "is_control", "key", "offset", "share", "timestamp", "value")

    def __init__(self, offset: int, row: Row, timestamp: int, share: Share | None, *, is_control: bool = False) -> None:
        self.offset = offset
        self.key = row.key
        self.value = row.value
        self.headers: Headers = tuple(row.headers)
        self.timestamp = timestamp
        self.share = share
        self.is_control = is_control

    @property
    def is_readable(self) -> bool:
        return not self.is_control and (self.share is None or self.share.outcome == "committed")


_MARKER = Row(None, None)


def _offset_of(entry: Entry) -> int:
    return entry.offset


class PartitionLog:
    """One partition."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.first = 0  # what retention has left
        self.end = 0  # the high watermark
        self.open_shares: list[Share] = []
        self.whole: list[Entry] = []  # nothing of it is ever compacted away: for recounts alone

    @property
    def stable(self) -> int:
        """The last stable offset."""
        return min((share.first for share in self.open_shares), default=self.end)

    def append(self, rows: Sequence[Row], timestamp: int, share: Share | None = None) -> int:
        """Append *rows* and return the offset of the first."""
        first = self.end
        for row in rows:
            self._add(Entry(self.end, row, timestamp, share))
        return first

    def begin_share(self) -> Share:
        """Let a transaction write here from now on."""
        share = Share(self.end)
        self.open_shares.append(share)
        return share

    def decide(self, share: Share, outcome: Outcome) -> None:
        """Write the control record that ends *share*."""
        share.outcome = outcome
        self.open_shares.remove(share)
        self._add(Entry(self.end, _MARKER, 0, None, is_control=True))

    def _add(self, entry: Entry) -> None:
        self.entries.append(entry)
        self.whole.append(entry)
        self.end += 1

    def read(self, position: int, limit: int) -> tuple[list[Entry], int]:
        """Return up to *limit* readable records from *position* on, read_committed, and the position after them."""
        stable = self.stable
        found: list[Entry] = []
        entries = self.entries
        for place in range(bisect_left(entries, position, key=_offset_of), len(entries)):
            entry = entries[place]
            if entry.offset >= stable:
                break
            if entry.is_readable:
                if len(found) == limit:
                    return found, entry.offset
                found.append(entry)
        return found, max(position, stable)

    def readable(self) -> Iterator[Entry]:
        """Yield every readable record as it was once written, compacted away or not."""
        return (entry for entry in self.whole if entry.is_readable)

    def compact(self, until: int, *, drops_tombstones: bool) -> int:
        """Keep the last record of each key below *until* and everything behind; return how many went."""
        until = min(until, self.stable, self.end - 1)
        last: dict[bytes | None, int] = {}
        for entry in self.entries:
            if entry.offset < until and entry.is_readable:
                last[entry.key] = entry.offset
        before = len(self.entries)
        self.entries = [
            entry for entry in self.entries if entry.offset >= until or self._stays(entry, last, drops_tombstones)
        ]
        return before - len(self.entries)

    @staticmethod
    def _stays(entry: Entry, last: dict[bytes | None, int], drops_tombstones: bool) -> bool:
        if entry.is_control:
            return True
        if not entry.is_readable or last[entry.key] != entry.offset:
            return False
        return entry.value is not None or not drops_tombstones
