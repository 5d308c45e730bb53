"""Puts records of the operator's own onto `reports`: `pushtokens forget`, `pushtokens release`."""

import asyncio
from collections.abc import Iterable
from typing import Final

from aiokafka import AIOKafkaProducer
from msgspec import UNSET

from ingest.uuid7 import uuid7
from schemas.cloudevents import headers
from schemas.kafka_client import client_options
from schemas.partition import partition_of
from schemas.records import SCHEMA_VERSION, Report, encode
from schemas.settings import Settings
from schemas.topics import topics

_SEND_SECONDS: Final = 30.0


def operator_record(
    kind: str, selector: str, at: int, *, reason: str | None = None, account: str | None = None
) -> Report:
    """A record of `kind` by which an operator says something of `selector`, without any pair.

    Args:
        kind, selector, reason: as of `Report`.
        at: ms since the epoch.
        account: its `authenticated_username`, if there is one.
    """
    return Report(
        schema_version=SCHEMA_VERSION,
        id=uuid7(at),
        kind=kind,
        received_at=at,
        selector=selector,
        username=None,
        calls=None,
        other=None,
        origin="operator",
        reason=reason,
        authenticated_username=account or UNSET,
    )


async def publish(settings: Settings, role: str, records: Iterable[Report]) -> dict[int, int]:
    """Put each of `records` onto `reports`, confirmed by Kafka (`acks=all`): partition to the last one's offset.

    Raises:
        aiokafka.errors.KafkaError, TimeoutError: Kafka; those that came before may be on the log.
    """
    topic, ends = topics(settings).reports.name, dict[int, int]()
    producer = AIOKafkaProducer(**client_options(settings, role), acks="all", enable_idempotence=True)
    async with asyncio.timeout(_SEND_SECONDS):
        await producer.start()
    try:
        for record in records:
            key = record.selector.encode()
            partition = partition_of(key, settings.partition_count)
            about = headers(record.kind, record.id, record.received_at)
            async with asyncio.timeout(_SEND_SECONDS):
                done = await producer.send_and_wait(topic, encode(record), key=key, partition=partition, headers=about)
            ends[partition] = max(ends.get(partition, -1), done.offset)
    finally:
        await producer.stop()
    return ends
