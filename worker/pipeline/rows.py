"""Rows of the changelog that are no contact: where a partition stands, and which models wrote its values."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from worker.errors import StateError
from worker.scoring.carry_over import Lineage
from worker.scoring.codec import body_of, pack_header, short_digest
from worker.scoring.contact import Fence
from worker.scoring.model_file import parse_model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from worker.scoring.model import Model

PARTITION_KEY = b"\x00partition"
"""Key of the partition row, the last row of each round. Keys that begin with `\\x00` or `\\x01` are never contacts."""
GRAVES_KEY = b"\x00graves"
"""Key of the row that says that there are gravestones; it is written before the first of them."""
MODEL_KEY = b"\x00model:"
"""Begin of the keys of the model rows, followed by the model's name, a colon and its version."""

TimeMode = Literal["wall", "stream"]
Mark = tuple[int, bytes]
"""Version of a model and the first 8 bytes of its digest."""


class PartitionRow(msgspec.Struct, array_like=True):
    """Where a partition stands after a round. Whoever restores it starts from here, not from the group's offset."""

    next_offset: int  # the first source offset that is not handled yet
    epoch: int  # of the source topic
    newest_ms: int | None  # newest event time of the records handled, accepted or not
    time_ms: int | None  # partition time by the wall clock, never backwards
    mode: TimeMode
    erasure_check: bytes
    revision: int
    models: dict[str, Mark]  # by name: the newest version that wrote here, loaded or not
    older: dict[str, list[int]] = {}  # versions under which values may still be written, while they are carried over
    carried_to: bytes = b""  # the last key carried over so far
    carried_for: list[str] = []  # the models that this was done for
    stopped_limit: int | None = None  # of refused records, under which the next record is left where it lies
    dropping: list[str] = []  # models that are not loaded, whose states are to go
    passed_over: list[int] = []  # offsets ahead of which an operator has said that they are not to be handled
    left_behind: list[bytes] = []  # keys of model rows that nothing needs any more, and that the next round deletes


_encode = msgspec.msgpack.Encoder().encode
_decode_row = msgspec.msgpack.Decoder(PartitionRow).decode
_decode_text = msgspec.msgpack.Decoder(str).decode


def encode_partition_row(row: PartitionRow) -> bytes:
    """Return *row* as stored; its fence is its position, so that rows compare like contacts do."""
    return pack_header(Fence(row.epoch, row.next_offset, row.revision), None) + _encode(row)


def decode_partition_row(value: bytes) -> PartitionRow:
    """Return the row stored as *value*; raises StateError for an unknown layout."""
    return _decode_row(body_of(value))


def model_key(name: str, version: int) -> bytes:
    """Return the key of the row that holds *version* of the model *name*."""
    return MODEL_KEY + f"{name}:{version}".encode()


def model_row(model: Model, fence: Fence) -> bytes:
    """Return the row of *model*: its content, from which it can be made again when a later version takes over its states."""
    return pack_header(fence, None) + _encode(model.content)


def mark_of(model: Model) -> Mark:
    """Return what the partition row remembers of *model*."""
    return model.version, short_digest(model)


def load_lineage(
    older: Mapping[str, Sequence[int]], get_many: Callable[[Sequence[bytes]], list[bytes | None]], where: str
) -> Lineage:
    """
    Return the earlier versions *older* of models, read from their rows.

    Raises:
        StateError: a row is missing, or its content is no model for this release.
    """
    names = [(name, version) for name, versions in older.items() for version in versions]
    models = []
    for (name, version), value in zip(names, get_many([model_key(*one) for one in names]), strict=True):
        if value is None:
            raise StateError(
                where=where,
                problem=f"version {version} of model {name} wrote here, and its content is not stored",
                fix="restore the changelog that holds it, or start under another LEADSCORE_APP_ID",
            )
        models.append(parse_model(_decode_text(body_of(value)), f"{name} version {version}, as stored"))
    return Lineage(models)
