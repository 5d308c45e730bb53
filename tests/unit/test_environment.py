"""A child process gets exactly its parent's settings."""

import pytest

from deploy.local.environment import environment
from schemas.secret import Secret
from schemas.settings import (
    ClickHouse,
    Compact,
    Ingest,
    Kafka,
    Local,
    Lookup,
    Settings,
    Template,
)
from schemas.settings_source import read_settings

TEMPLATES = (
    Template(name="one", url="https://h/?s=%selector%&t=%pushTokenOther%"),
    Template(
        name="two",
        url="https://h/two?s=%selector%",
        post_data='{"t": "%pushTokenIncomingCall%"}',
        content_type="application/json",
        auth="digest",
        auth_username="u",
        auth_password=Secret('p"ä'),
    ),
)


@pytest.mark.parametrize(
    "settings",
    [
        Settings(),
        Settings(data_dir="/somewhere", partitions=3, templates=TEMPLATES),
        Settings(
            kafka=Kafka(bootstrap="a:1,b:2", security_protocol="SASL_SSL", sasl_password=Secret("x y\n=z")),
            clickhouse=ClickHouse(url="https://c:8443", password=Secret("p"), replicated=True, query_timeout=1.5),
            ingest=Ingest(port=1, strict_selector=True, confirm_timeout=0.25),
            compact=Compact(store="memory", instance_id="one"),
            lookup=Lookup(api_key=Secret("key")),
            local=Local(cache_dir="/cache"),
        ),
    ],
    ids=["defaults", "templates", "sections"],
)
def test_what_is_written_reads_back_the_same(settings: Settings) -> None:
    assert read_settings(environment(settings, {})) == settings


def test_our_own_variables_are_replaced_and_others_kept() -> None:
    inherited = {"PATH": "/bin", "PUSHTOKENS_CONFIG": "/gone.toml", "PUSHTOKENS_INGEST_PORT": "1"}
    assert environment(Settings(ingest=Ingest(port=2)), inherited) == {"PATH": "/bin", "PUSHTOKENS_INGEST_PORT": "2"}
