"""`init` against both engines: it creates, it may be repeated, it names what does not fit."""

import asyncio

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from deploy.init import InitError, init, init_topics
from deploy.local.ports import free_port
from deploy.topic_setup import check_topics, set_up_topics
from processors.migrations import pending
from schemas.kafka_client import client_options
from schemas.settings import Settings
from schemas.topics import topics
from tests.conftest import SettingsFor
from tests.engines import run_command


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
    before = await check_topics(settings)
    assert len(before) == len(topics(settings).all())
    assert await set_up_topics(settings) == [spec.name for spec in topics(settings).all()]
    assert await set_up_topics(settings) == []
    assert await check_topics(settings) == []


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
    assert asyncio.run(check_topics(settings)) == []
    assert pending(settings) == []


def test_the_command_fails_and_says_why(settings_for: SettingsFor) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    done = run_command(settings_for(kafka={"bootstrap": nobody}), "init")
    assert done.returncode == 1
    assert f"Kafka at {nobody} does not answer" in done.stderr
