"""Ids are UUIDs of version 7 that carry their time and nothing twice."""

from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from ingest.uuid7 import uuid7


@given(time_ms=st.integers(0, 2**48 - 1))
def test_an_id_is_a_uuid_of_version_7_with_its_time_in_front(time_ms: int) -> None:
    text = uuid7(time_ms)
    found = UUID(text)
    assert str(found) == text
    assert (found.version, found.variant) == (7, RFC_4122)
    assert found.int >> 80 == time_ms


def test_all_bits_that_may_be_random_are() -> None:
    ones, zeros = 0, 0
    found = [UUID(uuid7(0)).int for _ in range(500)]
    for number in found:
        ones, zeros = ones | number, zeros | ~number
    free = 2**80 - 1 - (0xF << 76) - (0x3 << 62)
    assert ones & free == zeros & free == free
    assert len(set(found)) == len(found)
