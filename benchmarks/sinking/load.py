"""The backlog: reports in the lengths of the specification's examples, with the headers that the ingress writes."""

import asyncio
import base64
import random
import uuid

from aiokafka import AIOKafkaProducer

from schemas.cloudevents import headers
from schemas.kafka_client import client_options
from schemas.partition import partition_of
from schemas.records import Pair, Report, encode
from schemas.settings import Settings
from schemas.topics import topics

PHONES = 200_000
_AT_ONCE = 5_000


def report(number: int) -> Report:
    """A report of one of 200,000 phones: the same one for the same number."""
    rng = random.Random(number % PHONES)  # noqa: S311  # a load, not a secret
    token = rng.randbytes(32 + 122)
    return Report(
        schema_version=1,
        id=str(uuid.UUID(int=number)),
        kind="report",
        received_at=1_790_000_000_000 + number,
        selector=f"{rng.getrandbits(160):040X}:{rng.getrandbits(32):08X}",
        username=f"+44{rng.randrange(10**9):09d}",
        calls=Pair(token=base64.b64encode(token[:32]).decode(), app_id="com.cloudsoftphone.app.pushkit"),
        other=Pair(token=base64.b64encode(token[32:]).decode(), app_id="com.cloudsoftphone.app"),
        install_id=str(uuid.UUID(int=rng.getrandbits(128))),
        user_agent="CloudSoftphone/1.5.6",
    )


async def fill(settings: Settings, count: int) -> None:
    """Put the first `count` reports on the log."""
    producer = AIOKafkaProducer(**client_options(settings, "bench"), acks="all", linger_ms=5, max_batch_size=256 * 1024)
    await producer.start()
    try:
        for start in range(0, count, _AT_ONCE):
            sent = [await _send(producer, settings, number) for number in range(start, min(count, start + _AT_ONCE))]
            await asyncio.gather(*sent)
    finally:
        await producer.stop()


async def _send(producer: AIOKafkaProducer, settings: Settings, number: int) -> "asyncio.Future[object]":
    one = report(number)
    key = one.selector.encode()
    sent: asyncio.Future[object] = await producer.send(
        topics(settings).reports.name,
        encode(one),
        key=key,
        partition=partition_of(key, settings.partition_count),
        headers=headers("report", one.id, one.received_at),
    )
    return sent
