"""Of the rows of one contact those count that a restore would keep, whatever a cut-off worker wrote behind them."""

from __future__ import annotations

import pytest

from worker.operations.contact_state import _take
from worker.pipeline.graves import encode_grave, grave_key
from worker.scoring.codec import pack_header
from worker.scoring.contact import Fence

KEY, GRAVE = b"c", grave_key(b"c", b"key")


def value(offset: int) -> bytes:
    return pack_header(Fence(0, offset, 0), None) + b"\x80"


def grave(offset: int) -> bytes:
    return encode_grave(1, Fence(0, offset, 0))


@pytest.mark.parametrize(
    ("rows", "kept"),
    [
        ([(KEY, value(1)), (KEY, value(3)), (KEY, value(2))], value(3)),
        ([(KEY, value(1)), (KEY, None)], None),
        ([(KEY, value(1)), (KEY, None), (KEY, value(2))], value(2)),
        ([(KEY, value(1)), (GRAVE, grave(3)), (KEY, None)], None),
        ([(GRAVE, grave(3)), (KEY, value(6)), (GRAVE, grave(3)), (KEY, None)], value(6)),
    ],
    ids=["highest fence", "tombstone", "after a tombstone", "erased", "erased late by a worker that was cut off"],
)
def test_row_that_counts(rows: list[tuple[bytes, bytes | None]], kept: bytes | None) -> None:
    """If this fails, an operator is shown what the worker does not know, or not what it does."""
    held: dict[bytes, bytes] = {}
    for name, row in rows:
        _take(held, name, row, GRAVE)
    assert held.get(KEY) == kept
