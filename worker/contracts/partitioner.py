"""Which partition a key belongs to: the default partitioner of Java's client, to the bit."""

from __future__ import annotations

from struct import Struct
from typing import Final

_SEED: Final = 0x9747B28C
_M: Final = 0x5BD1E995
_MASK: Final = 0xFFFFFFFF

# A contact id has at most 128 bytes, 32 words; longer keys (of records that we refuse) compile anew.
_WORDS: Final = tuple(Struct(f"<{n}I").unpack_from for n in range(33))


def murmur2(key: bytes) -> int:
    """
    Return Kafka's 32-bit murmur2 of *key*, unsigned.

    >>> murmur2(b"abc")
    479470107
    """
    length = len(key)
    count = length >> 2
    words = _WORDS[count](key) if count < len(_WORDS) else Struct(f"<{count}I").unpack_from(key)
    m, mask = _M, _MASK  # locals: half the time of this loop is name look-up
    h = _SEED ^ length
    for word in words:
        k = word * m & mask
        h = (h * m ^ (k ^ k >> 24) * m) & mask
    rest = length & 3
    if rest:
        h = (h ^ int.from_bytes(key[-rest:], "little")) * m & mask
    h = (h ^ h >> 13) * m & mask
    return h ^ h >> 15


def partition_of(key: bytes, partitions: int) -> int:
    """
    Return the partition, 0 to ``partitions - 1``, in which Java's and aiokafka's producers put *key*.

    Raises:
        ValueError: *partitions* is below 1.

    >>> partition_of(b"contact-1", 4)
    2
    """
    if partitions < 1:
        raise ValueError(f"partitions must be at least 1, got {partitions}")
    return (murmur2(key) & 0x7FFFFFFF) % partitions
