"""The migration runner against the real engine, and the replicated variant as far as a parser goes."""

import pytest
from msgspec.structs import replace

from processors import ddl
from processors.clickhouse import ClickHouse
from processors.migrations import SchemaError, migrate, pending
from tests.conftest import SettingsFor


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
