"""The fixtures bring both real engines, and settings that fit them."""

import socket
from pathlib import Path

import clickhouse_connect
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from deploy.local.clickhouse import LocalClickHouse
from deploy.local.engine import EngineStartError
from deploy.local.kafka import LocalKafka
from deploy.local.ports import PortInUseError, check_port
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


def test_a_port_that_is_taken_is_named_and_ends_a_start_with_the_log(tmp_path: Path) -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen(1)
        port = holder.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"port {port} is in use.*PUSHTOKENS_CLICKHOUSE_PORT"):
            check_port("127.0.0.1", port, "PUSHTOKENS_CLICKHOUSE_PORT")
        engine = LocalClickHouse(tmp_path / "clickhouse", port)
        with pytest.raises(EngineStartError, match="clickhouse ended while starting") as caught:
            engine.start(60.0)
    assert "address already in use" in str(caught.value)
    assert not engine.running


def test_an_engine_that_gives_no_answer_in_time_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = LocalClickHouse(tmp_path / "clickhouse", 1)
    monkeypatch.setattr(engine, "command", lambda: ["/bin/sleep", "60"])
    with pytest.raises(EngineStartError, match="no answer within"):
        engine.start(0.5)
    assert engine.exit_code == -9
