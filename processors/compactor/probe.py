"""One question to Kafka, by a reader of its own: which is the first record from an offset on?"""

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition


async def first_offset(
    options: Mapping[str, Any], topic: str, partition: int, at: int, deadline: float = 10.0
) -> int | None:
    """The offset of the first committed record of a partition from `at` on.

    Returns:
        The offset, or None when there is no record within `deadline` seconds.

    Raises:
        aiokafka.errors.KafkaError: Kafka cannot be asked now.
    """
    part = TopicPartition(topic, partition)
    consumer = AIOKafkaConsumer(**options, isolation_level="read_committed", enable_auto_commit=False)
    await consumer.start()
    try:
        consumer.assign([part])
        start = (await consumer.beginning_offsets([part]))[part]
        consumer.seek(part, max(at, start))
        async with asyncio.timeout(deadline):
            return int((await consumer.getone()).offset)
    except TimeoutError:
        return None
    finally:
        await consumer.stop()
