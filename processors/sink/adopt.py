"""The sink's half of `adopt-log`: its group goes on with `reports` as it is now."""

import asyncio
from typing import Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.structs import OffsetAndMetadata

from processors.group_offsets import GroupOffsets
from processors.log_identity import LogIdentityError, read_log_id
from processors.sink.mark import Mark, mark_text, resume
from schemas.kafka_client import client_options
from schemas.settings import Settings
from schemas.topics import topics

COMMIT_SECONDS: Final = 15.0


async def adopt(settings: Settings) -> list[str]:
    """Commit the beginning of the log for every partition whose committed offset is none, or belongs to another log.
    The rows that are there stay; `log_id` tells them apart.

    Returns:
        What was done, a line a partition.

    Raises:
        TopicMissingError: there is no topic.
        aiokafka.errors.KafkaError: Kafka cannot be reached, or a sink is running.
        TimeoutError: no answer in time.
    """
    options, topic = client_options(settings, "reset"), topics(settings).reports.name
    log_id = await read_log_id(options, topic)
    parts = [TopicPartition(topic, number) for number in range(settings.partition_count)]
    consumer = AIOKafkaConsumer(**options, group_id=settings.sink.group, enable_auto_commit=False)
    offsets = GroupOffsets(options, settings.sink.group, topic)
    await asyncio.gather(consumer.start(), offsets.start())
    try:
        consumer.assign(parts)
        starts, ends = await asyncio.gather(consumer.beginning_offsets(parts), consumer.end_offsets(parts))
        moves: dict[TopicPartition, OffsetAndMetadata] = {}
        for part in parts:
            committed = await offsets.committed(part.partition)
            try:
                known = resume(committed, log_id, ends[part], topic).known
            except LogIdentityError:
                known = False
            if not known:
                # Rows of this very log may be there (Kafka forgets offsets): whatever is on it now is counted first.
                recount = ends[part] - 1 if ends[part] else None
                moves[part] = OffsetAndMetadata(starts[part], mark_text(Mark(log_id=log_id, recount=recount)))
        if moves:
            async with asyncio.timeout(COMMIT_SECONDS):
                await consumer.commit(moves)
        return [
            f"sink, partition {part.partition}: " + (f"from {starts[part]}" if part in moves else "stays")
            for part in parts
        ]
    finally:
        await asyncio.gather(consumer.stop(), offsets.close())
