"""The topics of one run, and whether what was answered with 200 is there."""

import asyncio
import contextlib
from typing import Final

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from msgspec.structs import replace

from deploy.init import init_topics
from schemas.kafka_client import client_options
from schemas.records import SCHEMA_VERSION, Pair, Report, decode_report
from schemas.settings import Settings
from schemas.topics import topics

_DEADLINE: Final = 60.0
_SAMPLE: Final = 500

# What the specification's examples say; of each record the selector, the id and the time are its own.
EXPECTED: Final = Report(
    schema_version=SCHEMA_VERSION,
    id="-",
    kind="report",
    received_at=0,
    selector="-",
    username="johndow",
    calls=Pair("Udl99X2JFP1bWwS5gR/wGeLE1hmAB2CMpr1Ej0wxkrY=", "com.cloudsoftphone.app.pushkit"),
    other=Pair("QVBBOTFiRzlhcVd2bW54bllCWldHOWh4dnRrZ3pUWFNvcGZpdWZ6bWM2dFAzS2J", "com.cloudsoftphone.app"),
    user_agent="CloudSoftphone/1.5.6",
)
HEADERS: Final = {"ce_specversion", "ce_type", "ce_source", "ce_id", "ce_time", "content-type"}


class WrongWorkError(RuntimeError):
    """A contender did not do what it was timed for; the text says what is wrong."""


def create(settings: Settings) -> None:
    """Create the topics under this run's prefix."""
    asyncio.run(init_topics(settings))


def check(settings: Settings, answered: int, most: int) -> int:
    """How many records the reports topic holds, once its server has ended.

    Args:
        settings: which topic.
        answered: requests that were answered with 200.
        most: how many records may be there: requests under way when wrk stopped counting are written too.

    Raises:
        WrongWorkError: too few or too many records, or one that is not the specification's example.
    """
    return asyncio.run(asyncio.wait_for(_check(settings, answered, most), _DEADLINE))


async def _check(settings: Settings, answered: int, most: int) -> int:
    topic = topics(settings).reports.name
    consumer = AIOKafkaConsumer(**client_options(settings, "bench"), auto_offset_reset="earliest")
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(settings.partition_count)]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        empty = [partition.partition for partition in partitions if not ends[partition]]
        if empty:
            raise WrongWorkError(f"{topic}: nothing in partitions {empty}")
        messages = await _sample(consumer, dict.fromkeys(partitions, 0))  # the first case's
        late = {each: ends[each] - _SAMPLE for each in partitions if ends[each] >= 2 * _SAMPLE}
        messages += await _sample(consumer, late) if late else []  # the last one's
    finally:
        await consumer.stop()
    count: int = sum(ends.values())
    if not answered <= count <= most:
        raise WrongWorkError(f"{topic} has {count} records for {answered} answers with 200 (at most {most})")
    for message in messages:
        report = decode_report(message.value)
        named = replace(report, id="-", received_at=0, selector="-")
        if (
            named != EXPECTED
            or message.key != report.selector.encode()
            or {name for name, _ in message.headers} != HEADERS
        ):
            raise WrongWorkError(f"{topic} holds something else than the request said: {named}")
    if len({message.key for message in messages}) != len(messages):
        raise WrongWorkError(f"{topic}: selectors are not distinct")
    return count


async def _sample(consumer: AIOKafkaConsumer, starts: dict[TopicPartition, int]) -> list[ConsumerRecord]:
    """Records from these offsets on, at most 500 a partition: what the first fetches bring."""
    consumer.assign(list(starts))
    for partition, offset in starts.items():
        consumer.seek(partition, offset)
    found = await consumer.getmany(timeout_ms=10_000, max_records=_SAMPLE * len(starts))
    messages = [each for partition, some in found.items() for each in some if each.offset < starts[partition] + _SAMPLE]
    if not messages:
        raise WrongWorkError("no record could be read from the topic")
    return messages


def delete(settings: Settings) -> None:
    """Delete the topics, so that the disk holds one run only."""
    asyncio.run(asyncio.wait_for(_delete(settings), _DEADLINE))


async def _delete(settings: Settings) -> None:
    admin = AIOKafkaAdminClient(**client_options(settings, "bench"))
    await admin.start()
    try:
        await admin.delete_topics([spec.name for spec in topics(settings).all()])
    finally:
        with contextlib.suppress(Exception):
            await admin.close()
