"""What the doctor asks Kafka and ClickHouse for; nothing is changed by it."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from msgspec import Struct

from deploy.checkup.finding import Disk
from deploy.checkup.log_dirs import log_dirs
from processors.clickhouse import ClickHouse
from processors.compactor.offsets import Committed, read_mark, verify
from processors.compactor.shared import read_identities
from processors.group_offsets import GroupOffset, GroupOffsets
from processors.log_identity import LogIdentityError
from processors.sink.mark import resume
from schemas.kafka_client import client_options
from schemas.records import InvalidRecordError, decode_report
from schemas.settings import Settings
from schemas.topics import topics

_READ_SECONDS: Final = 5.0
_TAIL: Final = 20  # offsets looked at for the newest record: a transaction ends with one that is none

Offsets = Mapping[int, int]
"""By partition."""


class Group(Struct, frozen=True, kw_only=True):
    """A consumer group on `reports`.

    `role`: the command that is a member; `lag`: records it has not dealt with; `oldest`: when Kafka took the oldest of
    them (s since the epoch; None: none waits); `trouble`: why its offsets are not of this log (None: they are).
    """

    role: str
    name: str
    members: int
    lag: int
    oldest: float | None
    trouble: str | None


class Replicas(Struct, frozen=True, kw_only=True):
    """A partition: has it a leader, how many replicas, how many of them in sync, how many the topic asks for."""

    topic: str
    partition: int
    led: bool
    replicas: int
    in_sync: int
    needed: int


class Newest(Struct, frozen=True, kw_only=True):
    """The newest record of a partition of `reports`: when Kafka took it, when an ingress had it (s since the epoch)."""

    appended: float
    received: float | None


class KafkaFacts(Struct, frozen=True, kw_only=True):
    """What Kafka said. `now`: this machine's clock then (s since the epoch)."""

    now: float
    replicas: tuple[Replicas, ...]
    groups: tuple[Group, ...]
    newest: tuple[Newest, ...]
    disks: tuple[Disk, ...]


class ClickHouseFacts(Struct, frozen=True, kw_only=True):
    """What ClickHouse said. `ahead`: its clock less this machine's (s), `doubt`: half of the time that asking took."""

    ahead: float
    doubt: float
    disks: tuple[Disk, ...]
    read_only: tuple[str, ...]


def clickhouse_facts(settings: Settings) -> ClickHouseFacts:
    """Ask ClickHouse. Raises AwayError, RefusedError."""
    database = {"database": settings.clickhouse.database}
    with ClickHouse(settings, database="system") as clickhouse:
        clickhouse.query("SELECT 1")  # the connection is made by now
        before = time.time()
        there = clickhouse.query("SELECT toUnixTimestamp64Milli(now64(3))").scalar() / 1000
        after = time.time()
        disks = clickhouse.query("SELECT name, free_space, total_space FROM disks").rows
        stuck = clickhouse.query(
            "SELECT table FROM replicas WHERE database = {database:String} AND is_readonly", database
        ).rows
    return ClickHouseFacts(
        ahead=there - (before + after) / 2,
        doubt=(after - before) / 2,
        disks=tuple(Disk(name=str(name), free=int(free), total=int(total)) for name, free, total in disks),
        read_only=tuple(str(row[0]) for row in stuck),
    )


async def kafka_facts(settings: Settings) -> KafkaFacts:
    """Ask Kafka; the topics are there. Raises aiokafka.errors.KafkaError, TimeoutError."""
    options = client_options(settings, "doctor")
    topic = topics(settings).reports.name
    consumer = AIOKafkaConsumer(**options, enable_auto_commit=False, isolation_level="read_committed")
    admin = AIOKafkaAdminClient(**options)
    try:
        await consumer.start()
        await admin.start()
        parts = [TopicPartition(topic, number) for number in range(settings.partition_count)]
        begins, ends = await asyncio.gather(consumer.beginning_offsets(parts), consumer.end_offsets(parts))
        consumer.assign(parts)
        tails = {part: max(begins[part], ends[part] - _TAIL) for part in parts if ends[part] > begins[part]}
        newest = [_newest(records[-1]) for records in (await _read(consumer, tails)).values()]
        by_number = {part.partition: end for part, end in ends.items()}
        found = [await _group(settings, options, admin, consumer, role, by_number) for role in ("compact", "sink")]
        replicas = await _replicas(settings, admin)
        disks = await _disks(admin)
    finally:
        await consumer.stop()
        await admin.close()
    return KafkaFacts(now=time.time(), replicas=replicas, groups=tuple(found), newest=tuple(newest), disks=tuple(disks))


async def _read(consumer: AIOKafkaConsumer, starts: Mapping[TopicPartition, int]) -> dict[TopicPartition, list[Any]]:
    """The records from these offsets on that come first, of as many partitions as answer in time."""
    found: dict[TopicPartition, list[Any]] = {}
    for part in consumer.assignment():
        consumer.pause(part)
    for part, offset in starts.items():
        consumer.seek(part, offset)
        consumer.resume(part)
    end = time.monotonic() + _READ_SECONDS
    while found.keys() != starts.keys() and time.monotonic() < end:
        for part, records in (await consumer.getmany(*starts, timeout_ms=200)).items():
            found.setdefault(part, []).extend(records)
    return found


def _newest(record: Any) -> Newest:
    try:
        received = decode_report(record.value or b"").received_at / 1000
    except InvalidRecordError:
        received = None
    return Newest(appended=record.timestamp / 1000, received=received)


async def _group(
    settings: Settings, options: dict[str, Any], admin: Any, consumer: AIOKafkaConsumer, role: str, ends: Offsets
) -> Group:
    topic = topics(settings).reports.name
    name = settings.compact.group if role == "compact" else settings.sink.group
    offsets = GroupOffsets(options, name, topic)
    await offsets.start()
    try:
        committed = {partition: await offsets.committed(partition) for partition in ends}
    finally:
        await offsets.close()
    (answer,) = await admin.describe_consumer_groups([name])
    behind = {at: found.offset or 0 for at, found in committed.items() if (found.offset or 0) < ends[at]}
    begins = await consumer.beginning_offsets([TopicPartition(topic, at) for at in behind]) if behind else {}
    waiting = {
        part: max(begin, behind[part.partition]) for part, begin in begins.items() if begin < ends[part.partition]
    }
    oldest = [records[0].timestamp / 1000 for records in (await _read(consumer, waiting)).values()]
    return Group(
        role=role,
        name=name,
        members=len(answer.groups[0][5]),
        lag=sum(ends[part.partition] - start for part, start in waiting.items()),
        oldest=min(oldest, default=None),
        trouble=await _trouble(settings, options, role, committed, ends),
    )


async def _trouble(
    settings: Settings, options: dict[str, Any], role: str, committed: Mapping[int, GroupOffset], ends: Offsets
) -> str | None:
    """What the role would end with (exit code 3) if it were started now."""
    named = topics(settings)
    identities = await read_identities(options, named)
    for partition, found in committed.items():
        where = f"{named.reports.name}[{partition}]"
        try:
            if role == "sink":
                resume(found, identities.reports, ends[partition], where)
            else:
                mark = read_mark(found.metadata)
                verify(Committed(found.offset, mark), identities, ends[partition], "", where)
        except LogIdentityError as error:
            return str(error)
    return None


async def _disks(admin: Any) -> list[Disk]:
    """None where the brokers are older than 3.3, or this user may not ask."""
    try:
        return await log_dirs(admin._client)
    except KafkaError:
        return []


async def _replicas(settings: Settings, admin: Any) -> tuple[Replicas, ...]:
    specs = {spec.name: spec for spec in topics(settings).all()}
    return tuple(
        Replicas(
            topic=entry["topic"],
            partition=part["partition"],
            led=part["leader"] >= 0,
            replicas=len(part["replicas"]),
            in_sync=len(part["isr"]),
            needed=int(specs[entry["topic"]].config["min.insync.replicas"]),
        )
        for entry in await admin.describe_topics(list(specs))
        for part in entry["partitions"]
    )
