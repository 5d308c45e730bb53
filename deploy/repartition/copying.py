"""Copies a compacted topic into one with more partitions; each selector's records stay in order."""

import asyncio
from collections.abc import Callable
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from deploy.repartition.moving import routed
from schemas.kafka_client import client_options
from schemas.settings import Settings
from schemas.topics import TopicSpec

SILENCE: Final = 60.0  # seconds without any progress
_RECORDS: Final = 5000  # read at once, and sent before the next: about 2.5 MB
_BATCH_BYTES: Final = 262_144


async def copy(settings: Settings, source: TopicSpec, target: TopicSpec, told: Callable[[int], None]) -> int:
    """Copy every committed record of `source`, tombstones too, and wait until Kafka has confirmed all of them.

    A selector's records are all in one partition of `source`, are read in order and sent in order by one idempotent
    producer. Done twice, it comes to the same: the last value of each key is the same.

    Args:
        settings: how to reach Kafka.
        source, target: the topics, with their partitions.
        told: hears how many records are done, now and then.

    Returns:
        How many records.

    Raises:
        aiokafka.errors.KafkaError: Kafka cannot be reached, or refuses.
        TimeoutError: nothing happened for `SILENCE` seconds.
    """
    options = client_options(settings, "repartition")
    consumer = AIOKafkaConsumer(
        **options, enable_auto_commit=False, isolation_level="read_committed", max_poll_records=_RECORDS
    )
    producer = AIOKafkaProducer(
        **options,
        acks="all",
        enable_idempotence=True,
        max_batch_size=_BATCH_BYTES,
        compression_type=None if settings.compact.compression == "none" else settings.compact.compression,
    )
    try:
        async with asyncio.timeout(SILENCE):
            await asyncio.gather(consumer.start(), producer.start())
        return await _copy(consumer, producer, source, target, told)
    finally:
        await consumer.stop()
        async with asyncio.timeout(SILENCE):
            await producer.stop()


async def _copy(consumer: Any, producer: Any, source: TopicSpec, target: TopicSpec, told: Callable[[int], None]) -> int:
    parts = [TopicPartition(source.name, number) for number in range(source.partitions)]
    consumer.assign(parts)
    async with asyncio.timeout(SILENCE):
        await consumer.seek_to_beginning(*parts)
        ends = await consumer.end_offsets(parts)
    done, loop = 0, asyncio.get_running_loop()
    patience = loop.time() + SILENCE
    while [part for part in parts if await consumer.position(part) < ends[part]]:
        async with asyncio.timeout_at(patience):
            batches = await consumer.getmany(timeout_ms=500)
            sent = [
                await producer.send(target.name, to.value, to.key, to.partition, to.timestamp_ms, list(to.headers))
                for batch in batches.values()
                for record in batch
                if (to := routed(record, target.partitions)) is not None
            ]
            await asyncio.gather(*sent)
        if sent:
            patience = loop.time() + SILENCE
            done += len(sent)
            told(done)
    return done
