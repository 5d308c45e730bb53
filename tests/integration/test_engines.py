"""The fixtures bring both real engines, and settings that fit them."""

import clickhouse_connect
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.kafka import LocalKafka
from schemas.kafka_client import client_options
from tests.conftest import SettingsFor


async def test_settings_reach_kafka(kafka: LocalKafka, settings_for: SettingsFor) -> None:
    settings = settings_for(partitions=2)
    admin = AIOKafkaAdminClient(**client_options(settings, "test"))
    await admin.start()
    try:
        cluster = await admin.describe_cluster()
    finally:
        await admin.close()
    assert [broker["port"] for broker in cluster["brokers"]] == [kafka.port]
    assert settings.partition_count == 2


def test_settings_reach_clickhouse(settings_for: SettingsFor, clickhouse: str) -> None:
    settings = settings_for()
    assert settings.clickhouse_url == clickhouse
    with clickhouse_connect.get_client(dsn=settings.clickhouse_url, autogenerate_session_id=False) as client:
        assert client.query("SELECT 40 + 2").result_rows == [(42,)]


def test_each_test_has_names_of_its_own(settings_for: SettingsFor) -> None:
    one, other = settings_for(), settings_for(compact={"max_batch": 7})
    assert one.kafka.topic_prefix != other.kafka.topic_prefix
    assert one.clickhouse.database != other.clickhouse.database
    assert one.ingest.port != other.ingest.port
    assert other.compact.max_batch == 7
    assert other.compact.group.startswith(other.kafka.topic_prefix)
