from __future__ import annotations

import gzip
import os
import zlib
from collections.abc import Callable

import cramjam
import pytest
from aiokafka.codec import gzip_encode, lz4_encode, snappy_encode, zstd_encode

from worker.kafka.decompression import UNPACK, BatchTooLarge

LIMIT = 1 << 20
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip_decode": gzip_encode,
    "lz4_decode": lz4_encode,
    "snappy_decode": snappy_encode,
    "zstd_decode": zstd_encode,
}
RAW_SNAPPY: Callable[[bytes], bytes] = lambda data: snappy_encode(data, xerial_compatible=False)  # noqa: E731
CODECS = pytest.mark.parametrize("codec", list(PACK))


@CODECS
@pytest.mark.parametrize(
    "data",
    [b"a", os.urandom(5000), b"abc" * 1000, bytes(LIMIT), os.urandom(64) * (LIMIT // 64)],
    ids=["a byte", "random", "repeated", "as much as may be", "much, repeated"],
)
def test_what_fits_unpacks_to_what_it_was(codec: str, data: bytes) -> None:
    assert UNPACK[codec](memoryview(PACK[codec](data)), LIMIT) == data


@CODECS
@pytest.mark.parametrize("size", [LIMIT + 1, 20 * LIMIT])
def test_what_does_not_fit_is_refused(codec: str, size: int) -> None:
    with pytest.raises(BatchTooLarge):
        UNPACK[codec](memoryview(PACK[codec](bytes(size))), LIMIT)


def test_snappy_without_framing_is_held_to_the_limit_too() -> None:
    assert UNPACK["snappy_decode"](RAW_SNAPPY(bytes(LIMIT)), LIMIT) == bytes(LIMIT)
    with pytest.raises(BatchTooLarge):
        UNPACK["snappy_decode"](RAW_SNAPPY(bytes(LIMIT + 1)), LIMIT)


def test_gzip_of_several_members_is_held_to_the_limit_as_a_whole() -> None:
    two = gzip.compress(b"one") + gzip.compress(b"two")
    assert UNPACK["gzip_decode"](two, LIMIT) == b"onetwo"
    with pytest.raises(BatchTooLarge):
        UNPACK["gzip_decode"](gzip.compress(bytes(LIMIT - 1)) + gzip.compress(b"ab"), LIMIT)


def test_gzip_of_very_many_members_is_refused_without_going_through_them() -> None:
    """If this fails, a megabyte of empty members keeps heartbeats waiting until the group gives the partition to the next."""
    with pytest.raises(BatchTooLarge):
        UNPACK["gzip_decode"](gzip.compress(b"") * 50_000, LIMIT)


@pytest.mark.parametrize(("codec", "error"), [("gzip_decode", zlib.error), ("lz4_decode", cramjam.DecompressionError)])
def test_what_is_broken_is_not_called_too_large(codec: str, error: type[Exception]) -> None:
    packed = PACK[codec](os.urandom(5000))
    with pytest.raises(error):
        UNPACK[codec](packed[:-100], LIMIT)
