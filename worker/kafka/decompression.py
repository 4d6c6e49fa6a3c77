"""
Batches of records unpacked under a limit: a broker bounds only what is sent, and a megabyte may unpack to a gigabyte.

One function for each codec of Kafka, of compressed bytes and the limit.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any, Final

import cramjam
from aiokafka.codec import snappy_decode

_GZIP_WINDOW: Final = 31  # the largest one, with a gzip header
_MOST_MEMBERS: Final = 1_000
"""Streams that one gzip batch may be made of: producers write one, and each costs a copy of all that follow."""
_LIKELY_RATIO: Final = 16
_LEAST_ROOM: Final = 256 * 1024
_XERIAL_MARK: Final = b"\x82SNAPPY\x00"
_XERIAL_HEADER_BYTES: Final = 16
_NO_ROOM: Final = "failed to write whole buffer"
"""What cramjam says when the output does not fit; it has one exception class for everything."""

Unpack = Callable[[Any], bytes]


class BatchTooLarge(Exception):
    """A batch unpacks to more than *limit_bytes*. Where it lies is added by whoever knows: offsets *first* to *last* of *partition*."""

    def __init__(self, limit_bytes: int, partition: int = -1, first: int = -1, last: int = -1) -> None:
        super().__init__(f"a batch of partition {partition} at offset {first} unpacks to more than {limit_bytes} bytes")
        self.limit_bytes = limit_bytes
        self.partition = partition
        self.first = first
        self.last = last


def unpack_gzip(packed: Any, limit_bytes: int) -> bytes:
    """Return what *packed* unpacks to; raises BatchTooLarge, and zlib.error for what is no gzip."""
    left = bytes(packed)
    parts: list[bytes] = []
    room = limit_bytes
    while left:
        if len(parts) == _MOST_MEMBERS:
            raise BatchTooLarge(limit_bytes)
        stream = zlib.decompressobj(_GZIP_WINDOW)
        part = stream.decompress(left, room + 1)
        room -= len(part)
        if room < 0:
            raise BatchTooLarge(limit_bytes)
        if not stream.eof:
            raise zlib.error("incomplete gzip stream")
        parts.append(part)
        left = stream.unused_data
    return b"".join(parts)


def unpack_lz4(packed: Any, limit_bytes: int) -> bytes:
    """Return what *packed* unpacks to; raises BatchTooLarge, and cramjam's error for what is no LZ4 frame."""
    return _into_room(cramjam.lz4.decompress_into, bytes(packed), limit_bytes)


def unpack_zstd(packed: Any, limit_bytes: int) -> bytes:
    """Return what *packed* unpacks to; raises BatchTooLarge, and cramjam's error for what is no Zstandard frame."""
    return _into_room(cramjam.zstd.decompress_into, bytes(packed), limit_bytes)


def unpack_snappy(packed: Any, limit_bytes: int) -> bytes:
    """Return what *packed* unpacks to; raises BatchTooLarge by what its blocks say of themselves, which snappy holds them to."""
    data = bytes(packed)
    if sum(map(_snappy_length, _snappy_blocks(data))) > limit_bytes:
        raise BatchTooLarge(limit_bytes)
    unpacked: bytes = snappy_decode(data)
    return unpacked


UNPACK: Final[dict[str, Callable[[Any, int], bytes]]] = {
    "gzip_decode": unpack_gzip,
    "lz4_decode": unpack_lz4,
    "snappy_decode": unpack_snappy,
    "zstd_decode": unpack_zstd,
}
"""By the name of aiokafka's function without a limit."""


def _into_room(unpack: Callable[[bytes, bytearray], int], packed: bytes, limit_bytes: int) -> bytes:
    """Unpack into as much room as is likely to be enough, and if it is not, into as much as there may be."""
    likely = min(limit_bytes, max(_LEAST_ROOM, _LIKELY_RATIO * len(packed)))
    for room_bytes in (likely, limit_bytes):
        room = bytearray(room_bytes)
        try:
            return bytes(memoryview(room)[: unpack(packed, room)])
        except cramjam.DecompressionError as error:
            if _NO_ROOM not in str(error):
                raise
    raise BatchTooLarge(limit_bytes)


def _snappy_blocks(data: bytes) -> Iterator[bytes]:
    """Yield the beginnings of the blocks of *data*: itself, or those of Java's framing."""
    if not data.startswith(_XERIAL_MARK):
        yield data[:5]
        return
    at = _XERIAL_HEADER_BYTES
    while at + 4 <= len(data):
        (size,) = struct.unpack_from("!I", data, at)
        yield data[at + 4 : at + 9]
        at += 4 + size


def _snappy_length(block: bytes) -> int:
    """Return the length that a snappy block says it unpacks to: a varint at its beginning."""
    length = shift = 0
    for byte in block:
        length |= (byte & 0x7F) << shift
        if byte < 0x80:
            break
        shift += 7
    return length
