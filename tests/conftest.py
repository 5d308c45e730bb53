"""Fixtures of every suite: the engines (one of each a session, started when first asked for) and fitting settings.

    async def test_it(settings_for, clickhouse): ...

`settings_for` brings Kafka; a test that needs ClickHouse names `clickhouse` too (it takes 4 s to start, so the others
do not pay for it). Tests that kill an engine make one of their own: `tests.engines.running_kafka`,
`running_clickhouse`.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from deploy.local.kafka import LocalKafka
from deploy.local.ports import free_port
from schemas.settings import Settings
from tests.engines import make_settings, running_clickhouse, running_kafka

SettingsFor = Callable[..., Settings]

# In a fresh clone the first text that hypothesis makes builds its table of characters (over a second on busy cores),
# which its clock would take for a slow test.
settings.register_profile("house", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")


@pytest.fixture(scope="session")
def kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """The session's broker; `.bootstrap` is its address. Never stop or kill this one."""
    with running_kafka(tmp_path_factory.mktemp("kafka")) as broker:
        yield broker


@pytest.fixture(scope="session")
def clickhouse_port() -> int:
    """Where the session's ClickHouse is, or will be when a test names `clickhouse`."""
    return free_port()


@pytest.fixture(scope="session")
def clickhouse(clickhouse_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The session's ClickHouse engine: its address, `http://127.0.0.1:PORT`. Never stop or kill this one."""
    with running_clickhouse(tmp_path_factory.mktemp("clickhouse"), clickhouse_port) as engine:
        yield engine.url


@pytest.fixture
def settings_for(kafka: LocalKafka, clickhouse_port: int, tmp_path: Path) -> SettingsFor:
    """Makes Settings for this test: `settings_for(partitions=2, compact={"max_batch": 10})`; see `make_settings`."""

    def make(**given: Any) -> Settings:
        return make_settings(tmp_path / "data", kafka.bootstrap, f"http://127.0.0.1:{clickhouse_port}", **given)

    return make
