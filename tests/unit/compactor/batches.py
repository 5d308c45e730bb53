"""Reads record batches the way a consumer does."""

from collections.abc import Sequence
from typing import NamedTuple

from aiokafka.record.memory_records import MemoryRecords

from processors.compactor.record_batch import RecordBatch


class Sent(NamedTuple):
    """What a consumer sees of a record."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: list[tuple[str, bytes | None]]


def sent(batches: Sequence[RecordBatch]) -> list[Sent]:
    """All records; offsets are those within their batch."""
    found: list[Sent] = []
    for batch in batches:
        batch._set_producer_state(5, 6, 7)
        records = MemoryRecords(batch._build())
        while (read := records.next_batch()) is not None:
            assert read.validate_crc()
            assert read.is_transactional
            found += [Sent(one.offset, one.timestamp, one.key, one.value, list(one.headers)) for one in read]
    return found
