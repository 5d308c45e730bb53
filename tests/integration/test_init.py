"""`init` against both engines: it creates, it may be repeated, it names what does not fit."""

import argparse
import asyncio
import json

import msgspec
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.cli import init as cli
from deploy.init import InitError, init, init_topics
from deploy.local.ports import free_port
from deploy.plan import problems
from deploy.topic_configs import change_configs, read_configs
from deploy.topic_setup import admin_of, look_at_topics, set_up_topics
from processors.migrations import pending
from schemas.kafka_client import client_options
from schemas.settings import Settings
from schemas.topics import topics
from tests.conftest import SettingsFor
from tests.engines import run_command


@pytest.fixture(autouse=True)
def logging_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands run in this process leave its logging alone."""
    monkeypatch.setattr("deploy.cli.init.set_up", lambda *_: None)


async def create(settings: Settings, name: str, partitions: int, config: dict[str, str] | None = None) -> None:
    admin = AIOKafkaAdminClient(**client_options(settings, "test"))
    await admin.start()
    try:
        made = await admin.create_topics([NewTopic(name, partitions, 1, topic_configs=config or {})])
    finally:
        await admin.close()
    assert [code for _, code, _ in made.topic_errors] == [0]


async def test_topics_are_created_as_defined_and_once(settings_for: SettingsFor) -> None:
    settings = settings_for(partitions=3)
    before = problems(await look_at_topics(settings))
    assert len(before) == len(topics(settings).all())
    assert await set_up_topics(settings) == [spec.name for spec in topics(settings).all()]
    assert await set_up_topics(settings) == []
    assert problems(await look_at_topics(settings)) == []


async def test_several_at_once_all_succeed(settings_for: SettingsFor) -> None:
    settings = settings_for()
    created = await asyncio.gather(*(set_up_topics(settings) for _ in range(4)))
    assert sorted(name for names in created for name in names) == sorted(spec.name for spec in topics(settings).all())


async def test_another_partition_count_stops_init(settings_for: SettingsFor) -> None:
    settings = settings_for(partitions=3)
    name = topics(settings).changes.name
    await create(settings, name, 5)
    with pytest.raises(InitError, match=f"{name} has 5 partitions.*PUSHTOKENS_PARTITIONS=5") as caught:
        await init_topics(settings)
    assert not caught.value.passing


async def test_reports_stamped_by_their_producers_stop_init(settings_for: SettingsFor) -> None:
    settings = settings_for(partitions=1)
    name = topics(settings).reports.name
    await create(settings, name, 1, {"message.timestamp.type": "CreateTime"})
    with pytest.raises(InitError, match="CreateTime"):
        await init_topics(settings)


async def test_too_few_brokers_for_the_replicas_are_named(settings_for: SettingsFor) -> None:
    with pytest.raises(InitError, match="does not create topic"):
        await init_topics(settings_for(replication_factor=3))


async def test_no_kafka_is_a_passing_error_that_names_the_address(settings_for: SettingsFor) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    with pytest.raises(InitError, match=f"Kafka at {nobody} does not answer") as caught:
        await init_topics(settings_for(kafka={"bootstrap": nobody}))
    assert caught.value.passing


async def test_no_clickhouse_is_a_passing_error_that_names_the_address(settings_for: SettingsFor) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(InitError, match=f"ClickHouse at {nobody} does not answer") as caught:
        await init(settings_for(clickhouse={"url": nobody}))
    assert caught.value.passing


def test_the_command_does_both_halves_and_may_be_repeated(settings_for: SettingsFor, clickhouse: str) -> None:
    settings = settings_for()
    for _ in range(2):
        done = run_command(settings, "init", "--wait", "5")
        assert done.returncode == 0, done.stderr
        assert settings.clickhouse.database in done.stdout
    assert problems(asyncio.run(look_at_topics(settings))) == []
    assert pending(settings) == []


def test_the_command_fails_and_says_why(settings_for: SettingsFor) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    done = run_command(settings_for(kafka={"bootstrap": nobody}), "init")
    assert done.returncode == 1
    assert f"Kafka at {nobody} does not answer" in done.stderr


def test_a_dry_run_says_what_is_there_and_changes_nothing(
    settings_for: SettingsFor, clickhouse: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_for(partitions=2)

    def dry(*words: str) -> tuple[int, dict[str, str]]:
        """Exit code, and verdict by name."""
        code = command(settings, "--dry-run", "--json", *words)
        return code, {step["name"]: step["verdict"] for step in json.loads(capsys.readouterr().out)}

    code, before = dry()
    assert (code, set(before.values())) == (4, {"create"})
    assert len(problems(asyncio.run(look_at_topics(settings)))) == len(topics(settings).all())
    assert pending(settings) != []
    assert command(settings) == 0
    capsys.readouterr()
    code, after = dry()
    assert (code, set(after.values())) == (0, {"ok"})

    reports = topics(settings).reports.name
    asyncio.run(set_config(settings, reports, {"retention.ms": "3600000", "max.message.bytes": "2000000"}))
    code, differing = dry()
    assert (code, differing[f"{reports}/retention.ms"]) == (5, "differs")
    assert command(settings) == 0  # as it was: told, and left alone
    assert "DIFFERS  config" in capsys.readouterr().out
    assert asyncio.run(config_of(settings, reports, "retention.ms")) == "3600000"
    assert dry("--change-configs")[0] == 4
    assert command(settings, "--change-configs") == 0
    capsys.readouterr()
    assert dry()[0] == 0
    assert asyncio.run(config_of(settings, reports, "max.message.bytes")) == "2000000"  # the operator's own: kept


def test_a_dry_run_tells_of_a_table_that_would_expire(
    settings_for: SettingsFor, clickhouse: str, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_for(partitions=1)
    assert command(settings) == 0
    capsys.readouterr()
    limited = msgspec.structs.replace(settings, clickhouse=msgspec.structs.replace(settings.clickhouse, ttl_days=9))
    assert command(limited, "--dry-run") == 4
    assert f"change   expiry {settings.clickhouse.database}.reports: no TTL to TTL" in capsys.readouterr().out
    replicated = msgspec.structs.replace(
        settings, clickhouse=msgspec.structs.replace(settings.clickhouse, replicated=True)
    )
    assert command(replicated, "--dry-run") == 5
    assert "PUSHTOKENS_CLICKHOUSE_REPLICATED is true" in capsys.readouterr().out


def command(settings: Settings, *words: str) -> int:
    """`pushtokens init WORDS`, in this process."""
    parser = argparse.ArgumentParser()
    cli.add_arguments(parser)
    return cli.run(parser.parse_args(words), settings)


async def set_config(settings: Settings, topic: str, configs: dict[str, str]) -> None:
    """As `kafka-configs.sh --alter`."""
    async with admin_of(settings) as admin:
        await change_configs(admin, {topic: configs})


async def config_of(settings: Settings, topic: str, name: str) -> str:
    """A config of a topic."""
    async with admin_of(settings) as admin:
        return (await read_configs(admin, {topic: [name]}))[topic][name]
