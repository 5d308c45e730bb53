"""Puts an import onto the log, each record once whatever happens to the process.

Before each batch a mark goes to Kafka: the counts so far, as the metadata of a consumer group's offsets, and as those
offsets the place from which the batch may stand on the log. A run that was killed left a mark; the next one reads the
log from there and passes over what it finds (a record's id is made of its content). The checkpoint file says the same,
for when Kafka has forgotten the group. Transactions would be simpler, but
their control records at the log's end look like reports that nobody has read yet (measured: a lag that stays).
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgspec
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.structs import OffsetAndMetadata, RecordMetadata

from deploy.importing.progress import Checkpoint, Counts
from processors.group_offsets import GroupOffsets
from processors.log_identity import read_log_id
from schemas.cloudevents import headers
from schemas.kafka_client import client_options
from schemas.partition import partition_of
from schemas.records import Report, encode
from schemas.settings import Settings
from schemas.topics import topics

SECONDS: Final = 30.0  # for one batch; it takes 0.1 s
_PREFIX: Final = b"import-"  # of an imported record's id (`deploy.importing.lines`)


class ImportLog:
    """The log's side of importing one file (`identity`: SHA-256 in hex). One run of a file at a time."""

    def __init__(self, settings: Settings, identity: str) -> None:
        self._topic, self._partitions = topics(settings).reports.name, settings.partition_count
        group = f"{settings.kafka.topic_prefix}-import-{identity[:32]}"
        self._options = options = client_options(settings, "import")
        self._offsets = GroupOffsets(options, group, self._topic)
        self._reader = AIOKafkaConsumer(
            **options, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest"
        )
        self._producer = AIOKafkaProducer(**options, acks="all", enable_idempotence=True, linger_ms=5)
        self.log_id = ""
        self.starts: dict[int, int] = {}  # partition to offset: what is written next stands behind these
        self._there: set[str] = set()

    async def start(self, earlier: Checkpoint | None) -> Counts:
        """Find out how far an earlier run had come, and what it put onto the log after its last mark.

        Args:
            earlier: that run's checkpoint; whichever of it and Kafka's mark is further on is believed.

        Raises:
            TopicMissingError: there is no log.
            aiokafka.errors.KafkaError, TimeoutError: Kafka.
        """
        self.log_id = await read_log_id(self._options, self._topic)
        parts = [TopicPartition(self._topic, number) for number in range(self._partitions)]
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(self._offsets.start(), self._producer.start(), self._reader.start())
            self._reader.assign(parts)
            marks = {part: await self._offsets.committed(part.partition) for part in parts}
            ends: dict[TopicPartition, int] = await self._reader.end_offsets(parts)
        self.starts = {part.partition: end for part, end in ends.items()}
        text = next((mark.metadata for mark in marks.values() if mark.metadata), None)
        marked = None if text is None else msgspec.json.decode(text, type=Counts)
        if earlier is not None and (marked is None or earlier.counts.done > marked.done):
            known = earlier.starts if earlier.log_id == self.log_id else {}  # of another log: all of this one is read
            await self._read({part: known.get(part.partition, 0) for part in parts}, ends)
            return earlier.counts
        if marked is None:
            return Counts()
        await self._read({part: mark.offset or 0 for part, mark in marks.items()}, ends)
        return marked

    def has(self, report: Report) -> bool:
        """Whether an earlier run put it onto the log after its last mark."""
        return report.id in self._there

    async def mark(self, counts: Counts) -> None:
        """Record that `counts` are dealt with; what comes next stands behind the offsets known now.

        Raises:
            aiokafka.errors.KafkaError, TimeoutError: Kafka.
        """
        text = msgspec.json.encode(counts).decode()
        mark = {TopicPartition(self._topic, at): OffsetAndMetadata(offset, text) for at, offset in self.starts.items()}
        async with asyncio.timeout(SECONDS):
            await self._reader.commit(mark)

    async def write(self, reports: Sequence[Report]) -> None:
        """Put one batch onto the log, less what an earlier run has put there, and wait for Kafka's confirmation.

        Raises:
            aiokafka.errors.KafkaError, TimeoutError: what is on the log, the next `start` finds out.
        """
        async with asyncio.timeout(SECONDS):
            sent = [await self._send(report) for report in reports if not self.has(report)]
            for done in await asyncio.gather(*sent):
                self.starts[done.partition] = max(self.starts[done.partition], done.offset + 1)

    async def close(self) -> None:
        """Disconnect."""
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(self._producer.stop(), self._reader.stop(), self._offsets.close())

    async def _send(self, report: Report) -> asyncio.Future[RecordMetadata]:
        key = report.selector.encode()
        about = headers("report", report.id, report.received_at)
        future: asyncio.Future[RecordMetadata] = await self._producer.send(
            self._topic, encode(report), key=key, partition=partition_of(key, self._partitions), headers=about
        )
        return future

    async def _read(self, starts: dict[TopicPartition, int], ends: dict[TopicPartition, int]) -> None:
        """Collect the ids of imported records between the mark and the end of the log."""
        for part, offset in starts.items():
            self._reader.seek(part, offset)
        waiting = {part for part in starts if starts[part] < ends[part]}
        while waiting:
            async with asyncio.timeout(SECONDS):
                found = await self._reader.getmany(timeout_ms=200)
            for records in found.values():
                self._there.update(value.decode() for record in records for value in _import_ids(record.headers))
            waiting = {part for part in waiting if await self._reader.position(part) < ends[part]}


def _import_ids(found: Sequence[tuple[str, bytes]]) -> list[bytes]:
    return [value for name, value in found if name == "ce_id" and value.startswith(_PREFIX)]
