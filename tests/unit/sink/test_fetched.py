"""Fetched bytes to records: the same as aiokafka reads, less the headers; what is broken is not taken for a record."""

from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c
from hypothesis import given
from hypothesis import strategies as st

from processors import fetched

PART = TopicPartition("reports", 0)
NOW = 1_790_000_000_000
LOG_APPEND_TIME, CONTROL = 0x08, 0x20
ABORT, COMMIT = b"\0\0\0\0", b"\0\0\0\1"  # keys of control records: version, type

some_bytes = st.none() | st.binary(max_size=40) | st.integers(0, 20_000).map(bytes)
headers = st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=200)), max_size=3)
record = st.tuples(st.integers(-10_000, 10**9), some_bytes, some_bytes, headers)


def batch(records: list[Any], base: int = 0, codec: int = 0, flags: int = 0, producer: int = -1) -> bytes:
    """A batch by aiokafka's builder, at the offset `base` as a broker would have put it there."""
    transactional = int(producer >= 0)
    builder = DefaultRecordBatchBuilder(2, codec, transactional, producer, 0 if producer >= 0 else -1, 0, 1 << 30)
    for at, (delta, key, value, some) in enumerate(records):
        assert builder.append(at, NOW + delta, key, value, some) is not None
    made = bytearray(builder.build())
    made[0:8] = base.to_bytes(8, "big")
    made[22] |= flags
    made[17:21] = calc_crc32c(bytes(made[21:])).to_bytes(4, "big")
    return bytes(made)


def read(data: bytes, ours: bool, start: int = 0, aborted: list[tuple[int, int]] | None = None) -> list[Any]:
    batches: Any = fetched.Batches if ours else MemoryRecords
    kind: Any = fetched._PartitionRecords if ours else fetcher.PartitionRecords
    records = kind(PART, batches(data), aborted, start, None, None, True, fetcher.READ_COMMITTED)
    return [(one.offset, one.timestamp, one.key, one.value) for one in records]


@given(
    st.lists(
        st.tuples(
            st.lists(record, min_size=1, max_size=100),
            st.sampled_from([0, 1, 3]),  # codecs whose libraries are dependencies: none, gzip, lz4
            st.sampled_from([0, LOG_APPEND_TIME]),
        ),
        max_size=3,
    ),
    st.integers(0, 10**12),
    st.integers(0, 5),
    st.integers(0, 70),
)
def test_as_aiokafka_reads_them(parts: list[Any], base: int, skipped: int, cut: int) -> None:
    data, at = b"", base
    for records, codec, flags in parts:
        data += batch(records, at, codec, flags)
        at += len(records) + 2  # compaction leaves holes
    data = data[: len(data) - cut]
    assert read(data, True, base + skipped) == read(data, False, base + skipped)


def test_what_was_aborted_and_markers_are_left_out() -> None:
    def one(value: bytes) -> list[Any]:
        return [(0, b"k", value, [])]

    data = b"".join(
        [
            batch(one(b"gone"), 0, producer=7),
            batch(one(b"kept"), 1, producer=8),
            batch([(0, ABORT, b"\0" * 6, [])], 2, flags=CONTROL, producer=7),
            batch(one(b"later"), 3, producer=7),
            batch([(0, COMMIT, b"\0" * 6, [])], 4, flags=CONTROL, producer=7),
        ]
    )
    found = read(data, True, aborted=[(7, 0)])
    assert found == read(data, False, aborted=[(7, 0)])
    assert [value for _, _, _, value in found] == [b"kept", b"later"]


def test_a_wrong_checksum_is_noticed() -> None:
    data = bytearray(batch([(0, b"key", b"value", [])]))
    data[-3] ^= 1
    with pytest.raises(CorruptRecordException):
        read(bytes(data), True)


def test_a_length_that_leads_out_of_its_record_is_noticed() -> None:
    data = bytearray(batch([(0, b"key", b"value", [])]))
    at = data.index(b"\x0avalue")  # 5 in ZigZag
    data[at] = 60
    data[17:21] = calc_crc32c(bytes(data[21:])).to_bytes(4, "big")
    with pytest.raises(CorruptRecordException):
        read(bytes(data), True)


def test_a_batch_shorter_than_its_header_is_noticed() -> None:
    data = b"\0" * 8 + (8).to_bytes(4, "big") + b"\0\0\0\0\x02\0\0\0"
    with pytest.raises(CorruptRecordException):
        read(data, True)
