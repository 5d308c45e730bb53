"""The migration runner against the real engine, and the replicated variant as far as a parser goes."""

import pytest
from msgspec.structs import replace

from processors import ddl
from processors.clickhouse import AsyncClickHouse, ClickHouse
from processors.migrations import SchemaError, migrate, pending
from tests.conftest import SettingsFor
from tests.lossy_proxy import LossyProxy


def test_once_and_again(settings_for: SettingsFor, clickhouse: str) -> None:
    settings = settings_for()
    names = [file.name for file in ddl.load()]
    assert pending(settings) == names
    assert migrate(settings) == names
    assert migrate(settings) == []
    assert pending(settings) == []


def test_a_changed_file_is_refused(settings_for: SettingsFor, clickhouse: str) -> None:
    settings = settings_for()
    migrate(settings)
    with ClickHouse(settings) as engine:
        engine.command(
            "INSERT INTO migrations (number, name, checksum) "
            "SELECT number, name, repeat('0', 64) FROM migrations WHERE number = 1"
        )
    with pytest.raises(SchemaError, match=r"0001_reports\.sql has changed"):
        migrate(settings)


def test_the_time_to_live_follows_the_setting(settings_for: SettingsFor, clickhouse: str) -> None:
    settings = settings_for()

    def ttl() -> str:
        with ClickHouse(settings) as engine:
            return str(
                engine.query(
                    "SELECT engine_full FROM system.tables WHERE name = 'reports' AND database = currentDatabase()"
                ).scalar()
            )

    for days, said in ((0, False), (400, True), (400, True), (0, False)):
        migrate(replace(settings, clickhouse=replace(settings.clickhouse, ttl_days=days)))
        assert ("toIntervalDay(400)" in ttl()) is said


def test_the_replicated_variant_is_valid_syntax(settings_for: SettingsFor, clickhouse: str) -> None:
    """Syntax is all that one engine can say of it."""
    settings = settings_for()
    chosen = replace(settings.clickhouse, replicated=True, cluster="carrier")
    statements = [statement for file in ddl.load() for statement in ddl.render(file.text, chosen)]
    assert any("ReplicatedMergeTree" in statement for statement in statements)
    with ClickHouse(settings, database="system") as engine:
        for statement in statements:
            found = engine.query("SELECT formatQuery({sql:String})", {"sql": statement})
            assert str(found.scalar()).startswith(("CREATE", "ALTER", "INSERT")), statement


async def test_a_quorum_is_asked_for_where_there_are_replicas(
    settings_for: SettingsFor, clickhouse: str, clickhouse_port: int
) -> None:
    """The server knows the settings, and the sink's inserts carry them; that they hold on a cluster is not proven."""
    settings = settings_for()
    migrate(settings)
    wanted = "SELECT getSetting('insert_quorum'), getSetting('insert_quorum_timeout')"
    for replicated, quorum, expected in ((True, 2, ("2", 7000)), (True, 1, ("0", 600000)), (False, 2, ("0", 600000))):
        proxy = LossyProxy(clickhouse_port, 0.0, 0, record=True)
        url = f"http://127.0.0.1:{proxy.port}"
        chosen = replace(settings.clickhouse, replicated=replicated, insert_quorum=quorum, url=url)
        given = replace(settings, clickhouse=chosen)
        with ClickHouse(given, timeout=7.0) as engine:
            row = engine.query(wanted).rows[0]
        assert (str(row[0]), int(row[1])) == expected
        proxy.asked.clear()
        sink = AsyncClickHouse(given, timeout=7.0)
        await sink.insert_raw("erasures (what, digest, erased_at)", [b'["x","",0]\n'], "JSONCompactEachRow", {})
        await sink.close()
        proxy.close()
        assert (b"insert_quorum=2" in proxy.asked) is (replicated and quorum == 2)
