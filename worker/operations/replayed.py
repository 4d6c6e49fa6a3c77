"""Which offsets of a partition were dealt with: an exact set, small enough to be kept with a committed offset; pure."""

from __future__ import annotations

import binascii
import zlib
from base64 import b64decode, b64encode
from bisect import bisect_right
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_CHARS = 4_096
"""Of the text that a broker keeps with a committed offset, unless its `offset.metadata.max.bytes` says less."""

_FORM = "1:"  # a later form has another number

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(list[int]).decode


class Offsets:
    """
    A set of offsets, kept as ranges.

    >>> offsets = Offsets([3, 4, 5, 9])
    >>> 4 in offsets, 6 in offsets, len(offsets)
    (True, False, 4)
    """

    __slots__ = ("_firsts", "_lasts")

    def __init__(self, offsets: Iterable[int] = ()) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []
        for offset in sorted(offsets):
            self.add(offset)

    def __contains__(self, offset: int) -> bool:
        place = bisect_right(self._firsts, offset) - 1
        return place >= 0 and offset <= self._lasts[place]

    def __len__(self) -> int:
        return sum(last - first + 1 for first, last in zip(self._firsts, self._lasts, strict=True))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Offsets) and (self._firsts, self._lasts) == (other._firsts, other._lasts)

    __hash__ = None  # type: ignore[assignment] # it changes

    @property
    def next_offset(self) -> int:
        """One beyond the greatest; 0 when there is none."""
        return self._lasts[-1] + 1 if self._lasts else 0

    def add(self, offset: int) -> None:
        """Add *offset*, which joins the ranges that it touches."""
        if offset in self:
            return
        firsts, lasts = self._firsts, self._lasts
        place = bisect_right(firsts, offset)
        touches_left = place > 0 and lasts[place - 1] == offset - 1
        touches_right = place < len(firsts) and firsts[place] == offset + 1
        if touches_left and touches_right:
            lasts[place - 1] = lasts[place]
            del firsts[place], lasts[place]
        elif touches_left:
            lasts[place - 1] = offset
        elif touches_right:
            firsts[place] = offset
        else:
            firsts.insert(place, offset)
            lasts.insert(place, offset)

    def forget_below(self, start: int) -> None:
        """Forget what lies before *start*: the log no longer holds it."""
        while self._lasts and self._lasts[0] < start:
            del self._firsts[0], self._lasts[0]
        if self._firsts and self._firsts[0] < start:
            self._firsts[0] = start

    def encode(self) -> str:
        """Return the set as ASCII text."""
        steps: list[int] = []
        before = 0
        for first, last in zip(self._firsts, self._lasts, strict=True):
            steps += (first - before, last - first)
            before = last
        return _FORM + b64encode(zlib.compress(_encode(steps), 9)).decode()


def decode_offsets(text: str) -> Offsets:
    """
    Return the set that `Offsets.encode` wrote.

    Raises:
        ValueError: *text* is nothing of ours.
    """
    offsets = Offsets()
    if not text.startswith(_FORM):
        raise ValueError("of an unknown form")
    try:
        steps = _decode(zlib.decompress(b64decode(text.removeprefix(_FORM), validate=True)))
    except (binascii.Error, zlib.error, msgspec.DecodeError) as error:
        raise ValueError("damaged") from error
    before = 0
    for gap, length in zip(steps[::2], steps[1::2], strict=True):
        offsets._firsts.append(before + gap)
        offsets._lasts.append(before + gap + length)
        before += gap + length
    return offsets
