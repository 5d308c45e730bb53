"""The sink with a backlog; and with records as other producers write them: compressed, with headers, transactional."""

from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from schemas.cloudevents import headers
from schemas.kafka_client import client_options
from schemas.partition import partition_of
from schemas.records import Report, encode
from schemas.settings import Settings
from schemas.topics import topics
from tests.conftest import SettingsFor
from tests.engines import start_command
from tests.poll import until
from tests.sinking import lives, lives_of, prepare, publish, ready, report, tally

WAIT_SECONDS = 30.0  # both cores busy


async def test_a_backlog_is_inserted_while_it_is_read(
    settings_for: SettingsFor, clickhouse: str, tmp_path: Path
) -> None:
    """No batch gets old, or as large as the limit: only that much is held makes the sink insert."""
    settings = settings_for(sink={"batch_seconds": 600.0, "batch_bytes": 1_200_000})
    await prepare(settings)
    sent = [report(number) for number in range(12_000)]  # 2 MB of rows, a quarter of it in each partition
    await publish(settings, sent)
    sink = start_command(settings, tmp_path / "sink.log", "sink")
    try:
        until(lambda: ready(settings), "the sink is ready", WAIT_SECONDS)
        until(lambda: tally(settings).rows >= 8_000, "all but what half of the bound may be", WAIT_SECONDS)
    finally:
        sink.stop(20.0)
    assert tally(settings).rows == tally(settings).places == 12_000
    assert lives(settings) == lives_of(sent)


@pytest.mark.parametrize("compression", [None, "gzip", "lz4"])
async def test_transactions_headers_and_compression(
    compression: str | None, settings_for: SettingsFor, clickhouse: str, tmp_path: Path
) -> None:
    settings = settings_for(sink={"batch_seconds": 0.2})
    await prepare(settings)
    sink = start_command(settings, tmp_path / "sink.log", "sink")
    kept = [report(number, seed=1) for number in range(300)]
    later = [report(number, seed=3) for number in range(300)]
    try:
        producer = AIOKafkaProducer(
            **client_options(settings, "test"),
            transactional_id=f"{settings.kafka.topic_prefix}-test",
            compression_type=compression,
        )
        await producer.start()
        try:
            async with producer.transaction():
                await _send(producer, settings, kept)
            await producer.begin_transaction()
            await _send(producer, settings, [report(number, seed=2) for number in range(300)])
            await producer.flush()
            await producer.abort_transaction()
            async with producer.transaction():
                await _send(producer, settings, later)
        finally:
            await producer.stop()
        until(lambda: tally(settings).rows >= 600, "what was committed has rows", WAIT_SECONDS)
    finally:
        sink.stop(20.0)
    assert (tally(settings).rows, tally(settings).places) == (600, 600)
    assert lives(settings) == lives_of([*kept, *later])


async def _send(producer: AIOKafkaProducer, settings: Settings, reports: list[Report]) -> None:
    for one in reports:
        key = one.selector.encode()
        await producer.send(
            topics(settings).reports.name,
            encode(one),
            key=key,
            partition=partition_of(key, settings.partition_count),
            headers=headers("report", one.id, one.received_at),
        )
