"""Records as our roles need them, read from what aiokafka fetched: offset, time, key and value, without the headers.

aiokafka makes a `ConsumerRecord` of eleven fields of each record, and a list of every header: 5.0 µs for a report as
the ingress writes it (six headers). No role needs a header, and a record's length says where the next begins: 1.9 µs.
"""

import struct
from collections.abc import Callable, Iterator
from types import FunctionType, MethodType
from typing import Any, Final

from aiokafka import AIOKafkaConsumer
from aiokafka.codec import gzip_decode, lz4_decode, snappy_decode, zstd_decode
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.legacy_records import LegacyRecordBatch
from aiokafka.record.util import calc_crc32c
from msgspec import Struct

# KIP-98, "Message Format": base offset, length, leader epoch, magic, checksum; attributes, last offset delta, first and
# last time, producer's id, epoch and sequence, number of records. The length counts from behind itself on, the checksum
# from the attributes on.
_HEADER: Final = struct.Struct(">qiibIhiqqqhii")
_LENGTH: Final = struct.Struct(">i")
_LENGTH_AT, _COUNTED_FROM, _MAGIC_AT, _SUMMED_FROM = 8, 12, 16, 21
_OLD_LENGTH: Final = 14  # of the shortest batch of the formats before v2
_CODEC, _LOG_APPEND_TIME, _TRANSACTIONAL, _CONTROL = 0x07, 0x08, 0x10, 0x20
_CODECS: Final[dict[int, Callable[[bytes], bytes]]] = {
    1: gzip_decode,
    2: snappy_decode,
    3: lz4_decode,
    4: zstd_decode,
}


class Fetched(Struct, frozen=True, gc=False):
    """A `LogRecord`; `timestamp` in ms since the epoch."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None


class RecordBatch:
    """A batch of the format v2; the part of aiokafka's `DefaultRecordBatch` that its `PartitionRecords` uses."""

    def __init__(self, data: bytes) -> None:
        """`data`: the whole batch."""
        self._data = data
        fields = _HEADER.unpack_from(data)
        self.base_offset: int = fields[0]
        self._checksum: int = fields[4]
        self._attributes: int = fields[5]
        self.next_offset: int = fields[0] + fields[6] + 1
        self._first_time, self._last_time = fields[7], fields[8]
        self.producer_id: int = fields[9]
        self._count: int = fields[12]
        self.is_transactional = bool(self._attributes & _TRANSACTIONAL)
        self.is_control_batch = bool(self._attributes & _CONTROL)
        self._records = self._read()

    def validate_crc(self) -> bool:
        """Whether the checksum (CRC-32C) is right."""
        return bool(calc_crc32c(self._data[_SUMMED_FROM:]) == self._checksum)

    def __iter__(self) -> Iterator[Fetched]:
        return self._records

    def __next__(self) -> Fetched:
        return next(self._records)

    def _read(self) -> Iterator[Fetched]:
        """Records one after the other; lengths of one and two bytes, nearly all, are read in place.

        Raises:
            CorruptRecordException: a length leads out of its record, or out of the batch.
        """
        data, at = self._data, _HEADER.size
        if codec := self._attributes & _CODEC:
            data, at = _CODECS[codec](data[at:]), 0
        base, first = self.base_offset, self._first_time
        fixed = self._last_time if self._attributes & _LOG_APPEND_TIME else None
        size = len(data)
        for _ in range(self._count):
            number, at = data[at], at + 1
            if number > 0x7F:
                number, at = _longer(data, at)
            end = at + (number >> 1)
            number, at = data[at + 1], at + 2  # behind the attributes, which v2 does not use: the time
            if number > 0x7F:
                number, at = _longer(data, at)
            timestamp = first + (number >> 1 ^ -(number & 1)) if fixed is None else fixed
            number, at = data[at], at + 1
            if number > 0x7F:
                number, at = _longer(data, at)
            offset = base + (number >> 1)
            number, at = data[at], at + 1
            if number > 0x7F:
                number, at = _longer(data, at)
            key = None if number == _NULL else data[at : (at := at + (number >> 1))]
            number, at = data[at], at + 1
            if number > 0x7F:
                number, at = _longer(data, at)
            value = None if number == _NULL else data[at : (at := at + (number >> 1))]
            if at > end or end > size:
                raise CorruptRecordException(f"a record of the batch at {base} does not end where its length says")
            at = end
            yield Fetched(offset, timestamp, key, value)


_NULL: Final = 1  # -1 in ZigZag, in which all these numbers are


def _longer(data: bytes, at: int) -> tuple[int, int]:
    """A variable-length number whose first byte, just before `at`, says that more follow; and where it ends."""
    number, byte, shift = data[at - 1] & 0x7F, data[at], 7
    while byte > 0x7F:
        number |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        byte = data[at]
    return number | byte << shift, at + 1


class Batches:
    """The batches of one partition's fetched bytes; aiokafka's `MemoryRecords` with batches of ours."""

    def __init__(self, data: bytes) -> None:
        """`data`: what a broker answered; its last batch may be cut off."""
        self._data, self._at, self._end = data, 0, 0
        self._look()

    def _look(self) -> None:
        self._at = self._end
        if self._at + _COUNTED_FROM <= len(self._data):
            (length,) = _LENGTH.unpack_from(self._data, self._at + _LENGTH_AT)
            end = self._at + _COUNTED_FROM + length
            self._end = end if length > 0 and end <= len(self._data) else self._at

    def size_in_bytes(self) -> int:
        """Bytes of the answer."""
        return len(self._data)

    def has_next(self) -> bool:
        """Whether another whole batch is there."""
        return self._end > self._at

    def next_batch(self) -> "RecordBatch | LegacyRecordBatch":
        """The next batch.

        Raises:
            CorruptRecordException: it is shorter than a batch can be.
        """
        data = self._data[self._at : self._end]
        self._look()
        magic = data[_MAGIC_AT] if len(data) > _MAGIC_AT else 0
        if len(data) < (_HEADER.size if magic >= 2 else _OLD_LENGTH):
            raise CorruptRecordException("a batch is shorter than its header")
        return RecordBatch(data) if magic >= 2 else LegacyRecordBatch(data, magic)


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka has no types here
    """aiokafka's own, which leaves out what was aborted; a record stays as it is."""

    def _consumer_record(self, _: Any, record: Fetched) -> Fetched:
        return record


def read_by_ours(consumer: AIOKafkaConsumer) -> None:
    """Have a started consumer hand out `Fetched`.

    aiokafka has no place to say so: its fetcher names both classes as globals of its module. Its method is given
    globals of its own here, so no other consumer of the process is changed.
    """
    method = fetcher.Fetcher._proc_fetch_request
    names = {**vars(fetcher), "MemoryRecords": Batches, "PartitionRecords": _PartitionRecords}
    changed = FunctionType(method.__code__, names, method.__name__, method.__defaults__, method.__closure__)
    consumer._fetcher._proc_fetch_request = MethodType(changed, consumer._fetcher)
