"""
Choices out of drawn bytes: one draw pays for a whole rule or event, so that twenty thousand of them cost minutes, not hours.

A byte of 0, and whatever is missing at the end, chooses the first of what is offered. The search shrinks bytes towards 0 and
cuts them off: so the first option is always the simplest one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Choices:
    """Spends *drawn*, one byte a choice."""

    __slots__ = ("_drawn", "_spent")

    def __init__(self, drawn: bytes) -> None:
        self._drawn = drawn
        self._spent = 0

    def below(self, bound: int) -> int:
        """
        Return a number from 0 to *bound* - 1; *bound* is at most 256.

        >>> Choices(bytes([7])).below(5), Choices(b"").below(5)
        (2, 0)
        """
        place = self._spent
        self._spent = place + 1
        return self._drawn[place] % bound if place < len(self._drawn) else 0

    def one(self, options: Sequence[T]) -> T:
        """Return one of *options*."""
        return options[self.below(len(options))]

    def chance(self, of: int) -> bool:
        """Return whether a chance of 1 in *of* came true; it never does for a byte of 0."""
        return self.below(of) == of - 1

    def some(self, options: Sequence[T], least: int, most: int) -> list[T]:
        """Return *least* to *most* distinct *options*, in the order in which they were chosen."""
        left = list(options)
        wanted = least + self.below(most - least + 1)
        return [left.pop(self.below(len(left))) for _ in range(min(wanted, len(left)))]
