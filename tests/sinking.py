"""What the suites of the sink share: topics and schema, reports on the log, and the count of what arrived."""

import random
from collections.abc import Sequence
from urllib.request import urlopen

from aiokafka import AIOKafkaProducer
from msgspec import Struct

from deploy.topic_setup import set_up_topics
from processors.clickhouse import ClickHouse
from processors.migrations import migrate
from schemas.kafka_client import client_options
from schemas.partition import partition_of
from schemas.records import Pair, Report, encode
from schemas.settings import Settings
from schemas.topics import topics

NOW = 1_790_000_000_000


class Tally(Struct, frozen=True, kw_only=True):
    """What ClickHouse holds: rows, distinct places on the log, reports by the lifetimes roll-up."""

    rows: int
    places: int
    lifetimes: int


async def prepare(settings: Settings) -> None:
    """Topics and schema."""
    await set_up_topics(settings)
    migrate(settings)


def report(number: int, seed: int = 0, at: int = NOW) -> Report:
    """A report of one of 500 selectors, its calls token always there."""
    rng = random.Random(seed * 1_000_003 + number)
    return Report(
        schema_version=1,
        id=f"r-{seed}-{number}",
        kind="report",
        received_at=at + number,
        selector=f"SEL{rng.randrange(500):05d}:7C3A0D14",
        username=f"user{rng.randrange(100)}",
        calls=Pair(token=f"calls-{rng.randrange(1000)}", app_id="com.example.app.pushkit"),
        other=Pair(token=f"other-{rng.randrange(1000)}") if rng.random() < 0.5 else None,
        user_agent="CloudSoftphone/1.5.6",
    )


async def publish(settings: Settings, reports: Sequence[Report | bytes]) -> None:
    """Put reports onto the log; bytes are put there as they are, under a key of their own."""
    producer = AIOKafkaProducer(**client_options(settings, "test"), acks="all", linger_ms=5)
    await producer.start()
    try:
        topic = topics(settings).reports.name
        sent = []
        for entry in reports:
            key = b"bad" if isinstance(entry, bytes) else entry.selector.encode()
            value = entry if isinstance(entry, bytes) else encode(entry)
            partition = partition_of(key, settings.partition_count)
            sent.append(await producer.send(topic, value, key=key, partition=partition))
        for done in sent:
            await done
    finally:
        await producer.stop()


def tally(settings: Settings) -> Tally:
    """Count what has arrived."""
    database = settings.clickhouse.database
    with ClickHouse(settings) as clickhouse:
        row = clickhouse.query(
            f"SELECT count(), uniqExact(log_id, kafka_partition, kafka_offset) FROM {database}.reports"
        ).rows[0]
        lifetimes = clickhouse.query(f"SELECT sum(reports) FROM {database}.token_lifetimes").scalar()
    return Tally(rows=int(row[0]), places=int(row[1]), lifetimes=int(lifetimes or 0))


def pairs(reports: Sequence[Report]) -> int:
    """Tokens that these reports name: what the lifetimes must add up to."""
    return sum((one.calls is not None) + (one.other is not None) for one in reports)


Life = tuple[str, str, str, str]
"""Whose life: selector, slot, token, app id (empty: none)."""


def lives_of(reports: Sequence[Report]) -> dict[Life, tuple[int, int, int]]:
    """What `token_lifetimes` must say of these reports, worked out plainly: first and last seen (ms), how many."""
    found: dict[Life, tuple[int, int, int]] = {}
    for one in reports:
        if one.kind != "report":
            continue  # a removal names tokens, it does not report them
        for slot, pair in (("calls", one.calls), ("other", one.other)):
            if pair is not None:
                life, at = (one.selector, slot, pair.token, pair.app_id or ""), one.received_at
                first, last, count = found.get(life, (at, at, 0))
                found[life] = (min(first, at), max(last, at), count + 1)
    return found


def lives(settings: Settings) -> dict[Life, tuple[int, int, int]]:
    """What `token_lifetimes` says, in the form of `lives_of`."""
    with ClickHouse(settings) as clickhouse:
        found = clickhouse.query(
            "SELECT selector, slot, token, app_id, toUnixTimestamp64Milli(first_seen), "
            f"toUnixTimestamp64Milli(last_seen), reports FROM {settings.clickhouse.database}.token_lifetimes"
        )
    return {(str(a), str(b), str(c), str(d)): (int(e), int(f), int(g)) for a, b, c, d, e, f, g in found.rows}


def ready(settings: Settings) -> bool:
    """Whether the sink says that it is ready."""
    try:
        with urlopen(f"http://127.0.0.1:{settings.sink.port}/readyz", timeout=2) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def metric(settings: Settings, name: str) -> float:
    """One number of the sink's `/metrics`; `name` with its labels, as Prometheus writes it."""
    with urlopen(f"http://127.0.0.1:{settings.sink.port}/metrics", timeout=2) as answer:
        lines = answer.read().decode().splitlines()
    return next(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(f"{name} "))


def doubled(settings: Settings) -> list[tuple[object, ...]]:
    """Which offsets have several rows: partition, first and last of them, how many (for a failure's text)."""
    with ClickHouse(settings) as clickhouse:
        found = clickhouse.query(
            "SELECT kafka_partition, min(kafka_offset), max(kafka_offset), count() FROM (SELECT kafka_partition, "
            f"kafka_offset FROM {settings.clickhouse.database}.reports GROUP BY ALL HAVING count() > 1) GROUP BY ALL"
        )
    return [tuple(row) for row in found.rows]
