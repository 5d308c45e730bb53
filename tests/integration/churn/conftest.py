"""A database of its own for each test file, and rows to put in it."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

import pytest

from processors.clickhouse import ClickHouse
from processors.migrations import migrate
from schemas.settings import Settings
from tests.churn_reference import Record
from tests.engines import make_settings


@pytest.fixture(scope="module")
def churn_settings(clickhouse: str, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = make_settings(tmp_path_factory.mktemp("churn"), "127.0.0.1:1", clickhouse)
    migrate(settings)
    return settings


@pytest.fixture(scope="module")
def engine(churn_settings: Settings) -> Iterator[ClickHouse]:
    with ClickHouse(churn_settings) as connected:
        yield connected


def insert(engine: ClickHouse, records: Sequence[Record], token: str = "") -> None:
    """Insert rows as the sink does, in one block; `token`: the insert's deduplication token."""
    data = "\n".join(json.dumps(row(record)) for record in records).encode()
    engine.insert_raw("reports", data, settings={"insert_deduplication_token": token} if token else {})


def empty(engine: ClickHouse) -> None:
    engine.command("TRUNCATE TABLE reports")
    engine.command("TRUNCATE TABLE token_lifetimes_rollup")


def row(record: Record) -> dict[str, object]:
    at = datetime.fromtimestamp(record.at // 1000, UTC).strftime("%Y-%m-%d %H:%M:%S") + f".{record.at % 1000:03d}"
    return {
        "received_at": at,
        "appended_at": at,
        "kind": record.kind,
        "origin": record.origin,
        "selector": record.selector,
        "username": record.username,
        "calls_token": record.calls_token,
        "calls_app_id": record.calls_app_id,
        "other_token": record.other_token,
        "other_app_id": record.other_app_id,
        "install_id": record.install_id,
        "user_agent": record.user_agent,
        "log_id": "log",
        "kafka_partition": 0,
        "kafka_offset": record.offset,
        "id": f"{record.selector}-{record.offset}",
    }
