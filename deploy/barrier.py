"""Waiting until compactor and sink have read the log up to a point: both commit only what has taken effect."""

import asyncio
import time
from collections.abc import Collection, Mapping
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from processors.group_offsets import GroupOffsets
from processors.log_identity import read_log_id
from schemas.kafka_client import client_options
from schemas.settings import Settings
from schemas.topics import topics

_POLL: Final = 0.2
_READ_SECONDS: Final = 30.0
_TAIL: Final = 100  # offsets looked at for the last record: a transaction ends with one that is none


class UnfinishedError(RuntimeError):
    """Not finished; the text says what was done, and that the same command may be run again."""


async def last_records(settings: Settings) -> dict[int, int]:
    """The offset of the last record of each partition of `reports`; partitions without one are left out.

    Not the end offset: behind a transaction of somebody else's producer stands a control record, which no group's
    committed offset ever passes until another record comes.

    Raises:
        TopicMissingError: there is no log.
        aiokafka.errors.KafkaError, TimeoutError: Kafka.
    """
    topic, options = topics(settings).reports.name, client_options(settings, "forget")
    await read_log_id(options, topic)  # a consumer would wait for a missing topic
    parts = [TopicPartition(topic, number) for number in range(settings.partition_count)]
    consumer = AIOKafkaConsumer(**options, enable_auto_commit=False, isolation_level="read_committed")
    found: dict[int, int] = {}
    async with asyncio.timeout(_READ_SECONDS):
        await consumer.start()
        try:
            consumer.assign(parts)
            begins, ends = await asyncio.gather(consumer.beginning_offsets(parts), consumer.end_offsets(parts))
            for part in parts:
                consumer.seek(part, max(begins[part], ends[part] - _TAIL))
            waiting = {part for part in parts if begins[part] < ends[part]}
            while waiting:
                for part, records in (await consumer.getmany(timeout_ms=200)).items():
                    found[part.partition] = max(record.offset for record in records)
                waiting = {part for part in waiting if await consumer.position(part) < ends[part]}
        finally:
            await consumer.stop()
    return found


async def wait_passed(
    settings: Settings,
    offsets: Mapping[int, int],
    seconds: float,
    left: str,
    roles: Collection[str] = ("compactor", "sink"),
) -> None:
    """Until the groups of `roles` have committed beyond `offsets` (by partition): the compactor's commit is one
    transaction with what it writes, the sink's follows its insert.

    Args:
        offsets: partition to offset of `reports`.
        seconds: how long at most.
        left: for the error, what that leaves behind and what to do.
        roles: who has to get there.

    Raises:
        UnfinishedError: one of them did not get there in time.
        aiokafka.errors.KafkaError: Kafka cannot be reached.
    """
    end = time.monotonic() + seconds
    groups = {"compactor": settings.compact.group, "sink": settings.sink.group}
    for role in roles:
        group = groups[role]
        committed = GroupOffsets(client_options(settings, "forget"), group, topics(settings).reports.name)
        await committed.start()
        try:
            while not await _passed(committed, offsets):
                if time.monotonic() > end:
                    raise UnfinishedError(
                        f"the {role} has not come that far within {seconds:.0f} s: is it running? {left}"
                    )
                await asyncio.sleep(_POLL)
        finally:
            await committed.close()


async def _passed(committed: GroupOffsets, offsets: Mapping[int, int]) -> bool:
    try:
        found = {partition: (await committed.committed(partition)).offset for partition in offsets}
    except (KafkaError, TimeoutError):
        return False
    return all((found[partition] or 0) > offset for partition, offset in offsets.items())
