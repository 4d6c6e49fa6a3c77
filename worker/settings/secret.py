"""A value that must not be seen in a log, a traceback or a table."""

from __future__ import annotations


class Secret:
    """
    Hides *value* in `str` and `repr`; only `reveal` gives it.

    >>> Secret("hunter2")
    Secret('****')
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value itself; pass it on at once, never keep it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret('****')"

    def __str__(self) -> str:
        return "****"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self._value == other._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))
