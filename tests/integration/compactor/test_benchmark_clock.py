"""The clock of the benchmark looks at committed offsets: a transaction that is under way must not hold the look up."""

import asyncio
from contextlib import closing

from aiokafka import AIOKafkaProducer, TopicPartition

from benchmarks.compaction.broker import Broker
from schemas.kafka_client import client_options
from tests.integration.compactor.conftest import SettingsWithTopics


async def test_an_open_transaction_is_neither_waited_for_nor_counted(topics_for: SettingsWithTopics) -> None:
    settings = await topics_for()
    group, topic = settings.compact.group, f"{settings.kafka.topic_prefix}.reports"
    with closing(Broker(settings.bootstrap, deadline=5.0)) as broker:
        async with AIOKafkaProducer(**client_options(settings, "compact"), transactional_id=f"{group}-0") as producer:
            for done in (0, 5):
                await producer.begin_transaction()
                await producer.send_offsets_to_transaction({TopicPartition(topic, 0): done + 5}, group)
                # (A look that waits for open transactions fails here, at its deadline.)
                assert await asyncio.to_thread(broker.committed, group, topic, 2) == [done, 0]
                await producer.commit_transaction()
