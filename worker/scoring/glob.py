"""Globs (`*`, `?`) in time that grows with the text alone, whatever the pattern is; never a regular expression."""

from __future__ import annotations

from collections.abc import Callable


def glob_test(pattern: str) -> Callable[[str], bool]:
    """
    Return a test whether a text matches *pattern* as a whole.

    `*` stands for any text, also none and line ends; `?` for any one character; everything else for itself.

    >>> test = glob_test("/blog/*-pricing?")
    >>> test("/blog/our-pricing!"), test("/blog/our-pricing")
    (True, False)
    """
    first, *rest = pattern.split("*")
    if not rest:
        return lambda text: len(text) == len(first) and _fits(first, text, 0)
    last = rest.pop()
    searches = [_search(piece) for piece in rest if piece]
    least = len(first) + len(last)

    def matches(text: str) -> bool:
        end = len(text) - len(last)
        if len(text) < least or not _fits(first, text, 0) or not _fits(last, text, end):
            return False
        at = len(first)
        for search in searches:  # the leftmost place is always the best: it leaves most to the rest
            at = search(text, at, end)
            if at < 0:
                return False
        return True

    return matches


def _fits(piece: str, text: str, start: int) -> bool:
    """Whether *piece* (no `*`) stands in *text* at *start*; the text is long enough."""
    if "?" not in piece:
        return text.startswith(piece, start)
    return all(wanted in ("?", found) for wanted, found in zip(piece, text[start : start + len(piece)], strict=True))


def _search(piece: str) -> Callable[[str, int, int], int]:
    """Return a search for *piece* in ``text[start:end]``; its answer is the place behind the first match, or -1."""
    size = len(piece)
    if "?" not in piece:

        def find(text: str, start: int, end: int) -> int:
            at = text.find(piece, start, end)
            return at + size if at >= 0 else -1

        return find

    # Shift-And: bit i says that the first i+1 characters of the piece end here; one step a character of the text,
    # so that a pattern of many `?` cannot make an event expensive.
    wild = sum(1 << place for place, char in enumerate(piece) if char == "?")
    masks = dict.fromkeys(piece, wild)
    for place, char in enumerate(piece):
        masks[char] |= 1 << place
    accept = 1 << (size - 1)

    def shift_and(text: str, start: int, end: int) -> int:
        state = 0
        for at in range(start, end):
            state = (state << 1 | 1) & masks.get(text[at], wild)
            if state & accept:
                return at + 1
        return -1

    return shift_and
