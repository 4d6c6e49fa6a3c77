"""Numbers with the word for what they count."""

from __future__ import annotations


def counted(n: int, word: str) -> str:
    """
    Return *n* with *word*, which takes an s in the plural.

    >>> counted(1, "contact"), counted(2_000, "contact"), counted(0, "time")
    ('1 contact', '2,000 contacts', '0 times')
    """
    return f"{n:,} {word}" if n == 1 else f"{n:,} {word}s"
