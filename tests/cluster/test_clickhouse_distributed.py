"""The variant with `Distributed` tables on a real engine, as far as the embedded one goes: one shard, itself.

Without `ON CLUSTER` (error 392 there) and without `Replicated…` (its tables stay read-only): docs/clickhouse.md.
"""

from pathlib import Path

import pytest

from deploy.local.ports import free_port
from deploy.schema_plan import look_at_schema
from processors import ddl
from processors.clickhouse import ClickHouse
from processors.migrations import migrate
from processors.sink.landing import INSERT_SETTINGS
from tests.cluster.clickhouse_node import CLUSTER, ClusterNode
from tests.engines import START_SECONDS, make_settings

_SETTINGS = ", ".join(f"{name} = {value}" for name, value in INSERT_SETTINGS.items())
_INSERT = f"""INSERT INTO reports (received_at, appended_at, kind, selector, calls_token, calls_app_id, log_id,
kafka_partition, kafka_offset) SETTINGS {_SETTINGS}, insert_deduplication_token = '{{token}}'
SELECT now64(3) - number * 60, now64(3), 'report', concat('s', toString(number % 50)),
concat('t', toString(number % 70)), 'app', 'L', 0, {{first}} + number FROM numbers(500)"""


def test_rows_land_once_behind_distributed_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered = ddl._engine
    monkeypatch.setattr(ddl, "on_cluster", lambda _: "")
    monkeypatch.setattr(ddl, "_engine", lambda family, arguments, _: rendered(family, arguments, False))
    node = ClusterNode(tmp_path / "engine", free_port())
    try:
        node.start(START_SECONDS)
        chosen = {"replicated": True, "cluster": CLUSTER}
        settings = make_settings(tmp_path / "data", "127.0.0.1:1", node.url, clickhouse=chosen)
        assert migrate(settings) == [file.name for file in ddl.load()]
        assert migrate(settings) == []
        assert [step.verdict for step in look_at_schema(settings)] == ["ok"]
        with ClickHouse(settings) as engine:
            for first in (0, 500):
                for _ in range(2):
                    engine.command(_INSERT.format(token=f"range-{first}", first=first))
            for table in ("reports", "reports_local"):
                found = engine.query(f"SELECT count(), uniqExact(kafka_offset) FROM {table}").rows[0]
                assert [int(number) for number in found] == [1000, 1000]
            assert int(engine.query("SELECT sum(reports) FROM token_lifetimes").scalar()) == 1000
            assert int(engine.query("SELECT count() FROM churn_histories").scalar()) == 50
            for view in ("churn_events_now", "churn_levels_now", "churn_lifetimes_now"):
                assert int(engine.query(f"SELECT count() FROM {view}").scalar()) > 0
    finally:
        node.kill()
