"""Bad records in a row: one is put aside and forgotten, a flood of them stops the partition before it drains the topic."""

from __future__ import annotations

from collections import deque

WINDOW = 1_000
"""Records in a row among which refused ones are counted."""


class Flood:
    """
    Counts refused records among the last ones.

    Args:
        limit: Refused among `WINDOW` records in a row that are still taken; `WINDOW` and more: any number.
    """

    __slots__ = ("_limit", "_refused")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._refused: deque[int] = deque()

    def is_over(self, ordinal: int) -> bool:
        """Take note that the record *ordinal*, counted over good and bad ones, is refused; whether that is one too many."""
        refused = self._refused
        refused.append(ordinal)
        while ordinal - refused[0] >= WINDOW:
            refused.popleft()
        return len(refused) > self._limit

    def forget_after(self, ordinal: int) -> None:
        """Forget the refused records after *ordinal*, which will be given again."""
        refused = self._refused
        while refused and refused[-1] > ordinal:
            refused.pop()
