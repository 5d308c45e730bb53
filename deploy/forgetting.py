"""Forgetting selectors everywhere: through the log, so that every reader of it hears, then in ClickHouse.

Order: the list of the erased first (from then on no sink writes their old records), then one removal record a selector
(reason `forget`), then the wait until compactor and sink have passed them, then the deletion of what is there.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from msgspec import Struct

from ingest.uuid7 import uuid7
from processors import erasure
from processors.clickhouse import ClickHouse
from processors.group_offsets import GroupOffsets
from processors.log_identity import read_log_id
from schemas.cloudevents import headers
from schemas.kafka_client import client_options
from schemas.partition import partition_of
from schemas.records import SCHEMA_VERSION, Report, encode
from schemas.settings import Settings
from schemas.topics import topics

_POLL: Final = 0.2
_SEND_SECONDS: Final = 30.0
_CONFIGS: Final = ("retention.ms", "segment.ms", "max.compaction.lag.ms")

Say = Callable[[str], None]


class ForgetError(RuntimeError):
    """Not finished; the text says what was done, and that the same command may be run again."""


class Holding(Struct, frozen=True):
    """A topic that still holds copies, and until when at the latest (UTC; None: without end)."""

    topic: str
    until: datetime | None


async def forget(
    settings: Settings, selectors: Sequence[str], username: str | None, seconds: float, say: Say
) -> list[Holding]:
    """Forget `selectors`. May be repeated at any point.

    Args:
        selectors: whom, as the app reports them.
        username: the account that was asked for, to go on the list too; None when selectors were.
        seconds: how long to wait for compactor and sink.
        say: hears of each step (one line, no selector in it).

    Raises:
        ForgetError: compactor or sink did not get there in time.
        RefusedError, AwayError: ClickHouse.
        aiokafka.errors.KafkaError, TimeoutError: Kafka.
    """
    at = time.time_ns() // 1_000_000
    log_id = await read_log_id(client_options(settings, "forget"), topics(settings).reports.name)
    with ClickHouse(settings, timeout=seconds) as clickhouse:
        await asyncio.to_thread(erasure.list_erased, clickhouse, selectors, username, at)
        ends = await publish(settings, selectors, at)
        say(f"{len(selectors)} removal(s) on the log")
        await _wait(settings, ends, seconds)
        say("compactor and sink have passed them")
        newest = await asyncio.to_thread(erasure.newest_before, clickhouse, selectors, log_id, ends)
        if newest is not None and newest > at:  # an ingress whose clock is ahead of this machine's
            at = newest
            await asyncio.to_thread(erasure.list_erased, clickhouse, selectors, username, at)
        await asyncio.to_thread(erasure.delete_rows, clickhouse, settings.clickhouse, selectors, at)
        if left := await asyncio.to_thread(erasure.rows_left, clickhouse, selectors, at):
            raise ForgetError(f"{left} rows are still in ClickHouse: run the same command again")
    say("ClickHouse rows deleted")
    return await holdings(settings)


def removal(selector: str, at: int) -> Report:
    """The record that makes every reader of the log forget `selector`; `at` in ms since the epoch."""
    return Report(
        schema_version=SCHEMA_VERSION,
        id=uuid7(at),
        kind="removal",
        received_at=at,
        selector=selector,
        username=None,
        calls=None,
        other=None,
        origin="operator",
        reason="forget",
    )


async def publish(settings: Settings, selectors: Sequence[str], at: int) -> dict[int, int]:
    """Put a removal of each selector onto `reports`, confirmed by Kafka: partition to the last one's offset."""
    topic, ends = topics(settings).reports.name, dict[int, int]()
    producer = AIOKafkaProducer(**client_options(settings, "forget"), acks="all", enable_idempotence=True)
    async with asyncio.timeout(_SEND_SECONDS):
        await producer.start()
    try:
        for selector in selectors:
            record, key = removal(selector, at), selector.encode()
            partition = partition_of(key, settings.partition_count)
            about = headers("removal", record.id, at)
            async with asyncio.timeout(_SEND_SECONDS):
                done = await producer.send_and_wait(topic, encode(record), key=key, partition=partition, headers=about)
            ends[partition] = max(ends.get(partition, -1), done.offset)
    finally:
        await producer.stop()
    return ends


async def _wait(settings: Settings, ends: Mapping[int, int], seconds: float) -> None:
    """Until both groups have committed beyond the removals: the compactor's commit is one transaction with its
    tombstones, the sink's follows its insert."""
    end = time.monotonic() + seconds
    for role, group in (("compactor", settings.compact.group), ("sink", settings.sink.group)):
        offsets = GroupOffsets(client_options(settings, "forget"), group, topics(settings).reports.name)
        await offsets.start()
        try:
            while not await _passed(offsets, ends):
                if time.monotonic() > end:
                    raise ForgetError(
                        f"the {role} has not passed the removal within {seconds:.0f} s: is it running? The removal is "
                        "on the log and takes effect; run the same command again to delete the ClickHouse rows"
                    )
                await asyncio.sleep(_POLL)
        finally:
            await offsets.close()


async def _passed(offsets: GroupOffsets, ends: Mapping[int, int]) -> bool:
    try:
        found = {partition: (await offsets.committed(partition)).offset for partition in ends}
    except (KafkaError, TimeoutError):
        return False
    return all((found[partition] or 0) > offset for partition, offset in ends.items())


async def holdings(settings: Settings, now: datetime | None = None) -> list[Holding]:
    """Until when each topic may still hold copies, from the topics' own configs."""
    found = topics(settings)
    names = [found.reports.name, found.changes.name, found.latest.name]
    asked = [ConfigResource(ConfigResourceType.TOPIC, name, dict.fromkeys(_CONFIGS, "")) for name in names]
    admin = AIOKafkaAdminClient(**client_options(settings, "forget"), request_timeout_ms=10_000)
    await admin.start()
    try:
        configs = {
            resource[3]: {entry[0]: entry[1] for entry in resource[4]}
            for response in await admin.describe_configs(asked)
            for resource in response.resources
        }
    finally:
        await admin.close()
    moment = now or datetime.now(UTC)
    return [Holding(name, held_until(configs[name], moment, compacted=name == names[2])) for name in names]


def held_until(config: Mapping[str, str], now: datetime, *, compacted: bool) -> datetime | None:
    """When the last copy written before `now` is gone at the latest, by a topic's configs (Kafka, "Topic Configs").

    A segment is deleted `retention.ms` after its newest record, and takes records for `segment.ms`. A compacted topic
    keeps the tombstone's predecessors for `max.compaction.lag.ms`. None: no such limit is set. The cleaner's own time
    (minutes) comes on top.
    """
    if compacted:
        wait = int(config.get("max.compaction.lag.ms", "9223372036854775807"))
    else:
        retention = int(config.get("retention.ms", "-1"))
        wait = retention + int(config.get("segment.ms", "604800000")) if retention >= 0 else -1
    longest = 1000 * 365 * 86_400_000
    return now + timedelta(milliseconds=wait) if 0 <= wait <= longest else None
