"""The partition of many keys at once is the one of each key."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.partition import partition_of
from schemas.partitions import partitions_of


@given(st.lists(st.binary(max_size=70), max_size=60), st.integers(1, 64))
def test_as_one_by_one(keys: list[bytes], partitions: int) -> None:
    assert partitions_of(keys, partitions) == [partition_of(key, partitions) for key in keys]


@given(st.integers(0, 60), st.integers(8, 40), st.integers(1, 64))
def test_of_many_keys_of_one_length(length: int, count: int, partitions: int) -> None:
    keys = [bytes((at * 7 + byte * 31 + 13) & 0xFF for byte in range(length)) for at in range(count)]
    assert partitions_of(keys, partitions) == [partition_of(key, partitions) for key in keys]
