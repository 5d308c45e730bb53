"""The partitioner is Kafka's own."""

import pytest
from aiokafka.partitioner import murmur2 as aiokafka_murmur2
from hypothesis import given
from hypothesis import strategies as st

from schemas.partition import murmur2, partition_of

# org.apache.kafka.common.utils.UtilsTest.testMurmur2, Kafka 4.x; signed there.
KAFKAS = [
    (b"21", -973932308),
    (b"foobar", -790332482),
    (b"a-little-bit-long-string", -985981536),
    (b"a-little-bit-longer-string", -1486304829),
    (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
    (b"abc", 479470107),
]


@pytest.mark.parametrize(("key", "expected"), KAFKAS)
def test_kafkas_own_cases(key: bytes, expected: int) -> None:
    assert murmur2(key) == expected % 2**32


@given(key=st.binary(max_size=200))
def test_as_aiokafka_has_it(key: bytes) -> None:
    assert murmur2(key) == aiokafka_murmur2(key) % 2**32


@pytest.mark.parametrize("filling", [b"\x00", b"\x7f", b"\x80", b"\xff"])
def test_keys_of_every_length_up_to_the_longest(filling: bytes) -> None:
    for length in [*range(70), 4095, 4096]:
        assert murmur2(filling * length) == aiokafka_murmur2(filling * length) % 2**32


@given(key=st.binary(max_size=200), partitions=st.integers(1, 10_000))
def test_the_partition_is_one_of_them(key: bytes, partitions: int) -> None:
    found = partition_of(key, partitions)
    assert 0 <= found < partitions
    assert found == (aiokafka_murmur2(key) & 0x7FFFFFFF) % partitions
