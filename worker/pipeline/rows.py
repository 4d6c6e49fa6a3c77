"""Rows of the changelog that are no contact: where a partition stands, and which models wrote its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import msgspec

from worker.scoring.codec import body_of, pack_header, short_digest
from worker.scoring.contact import Fence

if TYPE_CHECKING:
    from collections.abc import Sequence

    from worker.scoring.model import Model

PARTITION_KEY = b"\x00partition"
"""Key of the partition row, the last row of each round. Keys that begin with `\\x00` or `\\x01` are never contacts."""
MODEL_KEY = b"\x00model:"
"""Begin of the keys of the model rows, followed by the model's name."""

TimeMode = Literal["wall", "stream"]


class PartitionRow(msgspec.Struct, array_like=True):
    """Where a partition stands after a round. Whoever restores it starts from here, not from the group's offset."""

    next_offset: int  # the first source offset that is not handled yet
    epoch: int  # of the source topic
    newest_ms: int | None  # newest event time of the records handled, accepted or not
    time_ms: int | None  # partition time by the wall clock, never backwards
    mode: TimeMode
    erasure_check: bytes
    revision: int
    models: dict[str, tuple[int, bytes]]  # name: (version, first 8 bytes of the digest)


_encode = msgspec.msgpack.Encoder().encode
_decode_row = msgspec.msgpack.Decoder(PartitionRow).decode


def encode_partition_row(row: PartitionRow) -> bytes:
    """Return *row* as stored; its fence is its position, so that rows compare like contacts do."""
    return pack_header(Fence(row.epoch, row.next_offset, row.revision), None) + _encode(row)


def decode_partition_row(value: bytes) -> PartitionRow:
    """Return the row stored as *value*; raises StateError for an unknown layout."""
    return _decode_row(body_of(value))


def model_rows(models: Sequence[Model], fence: Fence) -> dict[bytes, bytes]:
    """Return a row for each model: the names behind the numbers in its states, for whoever carries them over later."""
    return {MODEL_KEY + model.name.encode(): pack_header(fence, None) + _encode(_names(model)) for model in models}


def _names(model: Model) -> list[Any]:
    return [
        model.version,
        bytes.fromhex(model.digest),
        [rule.name for rule in model.rules],
        [group.name for group in model.groups],
        [tier.name for tier in model.tiers],
        [feedback.type for feedback in model.feedback_by_index],
    ]


def model_marks(models: Sequence[Model]) -> dict[str, tuple[int, bytes]]:
    """Return what the partition row remembers of *models*."""
    return {model.name: (model.version, short_digest(model)) for model in models}
