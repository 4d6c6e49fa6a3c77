"""Of two rows of one key in a changelog that a worker may have written to after it was cut off: which of them counts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from worker.scoring.codec import fence_fields

if TYPE_CHECKING:
    from collections.abc import Callable

_Place = TypeVar("_Place")


def is_older(
    value: bytes | None,
    best: bytes | None,
    grave: bytes | None,
    fence_of: Callable[[bytes], tuple[Any, ...]] = fence_fields,
) -> bool:
    """
    Whether *value*, the later row of a key, is older than *best*, what was known of it, or than the *grave* of its contact.

    A tombstone says nothing of its age, but the gravestone that lies before it does: one that a worker sent after it was cut
    off must not take away what has come since the erasure, nor may a value of such a worker bring back what was erased.
    Whatever has the fence of the gravestone was written beside it.
    """
    if value is None:
        return best is not None and grave is not None and fence_of(grave) <= fence_of(best)
    newest = grave if best is None else best
    return newest is not None and fence_of(value) < fence_of(newest)


def take_row(held: dict[_Place, bytes], place: _Place, value: bytes | None, grave: bytes | None) -> None:
    """Put the later row *value* of *place* among those *held*, or a tombstone's nothing, unless it is older than what is known."""
    if is_older(value, held.get(place), grave):
        return
    if value is None:
        held.pop(place, None)
    else:
        held[place] = value
