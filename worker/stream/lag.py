"""How far a partition is behind: records that are not committed yet, and how old the oldest of them is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from worker.stream.rounds import OwnedPartition


class Lag(NamedTuple):
    """The lag of one partition; both are zero when everything readable is committed."""

    records: int  # offsets between the committed position and the log end, control records included
    seconds: float  # age of the oldest record that is not committed, as far as it is known


def lag_of(one: OwnedPartition, now_ms: int) -> Lag | None:
    """
    Return the lag of *one* at *now_ms*; None before the first poll has told where the log ends.

    The age is that of the first record of the open round or of the backlog; when none of them is at hand, that of the
    last record folded, which is older than the next one.
    """
    if one.progress is None:
        return None
    records = max(0, one.progress.highwater - one.committed)
    if not records:
        return Lag(0, 0.0)
    since_ms = one.oldest_waiting_ms
    return Lag(records, 0.0 if since_ms is None else max(0.0, (now_ms - since_ms) / 1000))
