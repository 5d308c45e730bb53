"""Kafka and ClickHouse: whether they answer, whether what is in them is as it should be, and how it goes."""

import asyncio
from collections.abc import Iterator
from typing import Final

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError

from deploy.checkup.facts import clickhouse_facts, kafka_facts
from deploy.checkup.finding import Finding
from deploy.checkup.judge import judge_clickhouse, judge_kafka
from deploy.checkup.neighbours import clickhouse_is_ours, kafka_is_ours
from deploy.plan import less_safe, problems
from deploy.topic_setup import look_at_topics
from processors.clickhouse_errors import AwayError, RefusedError, UntrustedError
from processors.clickhouse_options import certificate_hint
from processors.migrations import SchemaError, pending
from schemas.kafka_reach import why_not
from schemas.settings import Settings

_SECONDS: Final = 15.0
_FACTS_SECONDS: Final = 30.0  # committed offsets of two groups, one partition after the other


def look_at_kafka(settings: Settings) -> Iterator[Finding]:
    """Reachable, topics, replicas, groups, clocks."""
    if settings.embedded_kafka and not kafka_is_ours(settings):
        yield Finding("kafka", "note", "embedded and not running: `pushtokens up` starts it")
        return
    try:
        steps = asyncio.run(asyncio.wait_for(look_at_topics(settings), _SECONDS))
    except (KafkaError, OSError, TimeoutError) as error:
        yield Finding("kafka", "fail", asyncio.run(why_not(settings, "doctor", create_conn, error)))
        return
    yield Finding("kafka", "ok", f"{settings.bootstrap} answers")
    wrong = problems(steps)
    for problem in wrong:
        yield Finding("topics", "fail", problem)
    if wrong:
        return
    text = f"{settings.kafka.topic_prefix}.*: as defined, {settings.partition_count} partitions each"
    yield Finding("topics", "ok", text)
    for difference in less_safe(steps):
        yield Finding("copies", "note", difference)
    try:
        facts = asyncio.run(asyncio.wait_for(kafka_facts(settings), _FACTS_SECONDS))
    except (KafkaError, OSError, TimeoutError) as error:
        text = f"Kafka did not say how its groups stand ({type(error).__name__}): ask again; is every broker up?"
        yield Finding("groups", "fail", text)
        return
    yield from judge_kafka(facts, settings.compact.late_after)


def look_at_clickhouse(settings: Settings) -> Iterator[Finding]:
    """Reachable, schema, clock, disks, replicas."""
    if settings.embedded_clickhouse and not clickhouse_is_ours(settings):
        yield Finding("clickhouse", "note", "embedded and not running: `pushtokens up` starts it")
        return
    try:
        waiting = pending(settings)
    except UntrustedError as error:
        yield Finding("clickhouse", "fail", f"{settings.clickhouse_url}: {error}")
        return
    except AwayError:
        text = f"{settings.clickhouse_url} does not answer: see PUSHTOKENS_CLICKHOUSE_URL{certificate_hint(settings)}"
        yield Finding("clickhouse", "fail", text)
        return
    except (RefusedError, SchemaError) as error:
        yield Finding("clickhouse", "fail", str(error))
        return
    yield Finding("clickhouse", "ok", f"{settings.clickhouse_url} answers")
    if waiting:
        yield Finding("schema", "fail", f"{', '.join(waiting)} not applied: run `pushtokens init`")
    else:
        yield Finding("schema", "ok", f"database {settings.clickhouse.database} is up to date")
    try:
        facts = clickhouse_facts(settings)
    except (AwayError, RefusedError) as error:
        text = f"not known ({error}): allow user {settings.clickhouse.user} to read system.disks and system.replicas"
        yield Finding("clickhouse disks", "note", text)
        return
    yield from judge_clickhouse(facts)
