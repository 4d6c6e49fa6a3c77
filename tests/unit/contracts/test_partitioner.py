"""A contact must be scored in the partition where every client looks for it."""

from __future__ import annotations

import pytest
from aiokafka.partitioner import DefaultPartitioner
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given
from hypothesis import strategies as st

from worker.contracts.partitioner import murmur2, partition_of


@pytest.mark.parametrize(
    ("key", "java_hash"),
    [
        # From the tests of Java's client; its integers are signed.
        (b"21", -973_932_308),
        (b"foobar", -790_332_482),
        (b"a-little-bit-long-string", -985_981_536),
        (b"a-little-bit-longer-string", -1_486_304_829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        (b"abc", 479_470_107),
    ],
)
def test_hash_equals_the_vectors_of_javas_client(key: bytes, java_hash: int) -> None:
    assert murmur2(key) == java_hash & 0xFFFFFFFF


@given(st.binary(max_size=300))
def test_hash_equals_that_of_aiokafka(key: bytes) -> None:
    assert murmur2(key) == aiokafka_murmur2(bytearray(key)) & 0xFFFFFFFF


@given(st.binary(min_size=1, max_size=128), st.integers(1, 100))
def test_partition_is_where_aiokafkas_producer_puts_the_key(key: bytes, partitions: int) -> None:
    every = list(range(partitions))
    assert partition_of(key, partitions) == DefaultPartitioner()(key, every, every)


@pytest.mark.parametrize("partitions", [0, -1])
def test_partition_raises_when_there_is_none(partitions: int) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        partition_of(b"contact-1", partitions)
