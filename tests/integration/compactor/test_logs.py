"""The log under the table: recreated topics stop the role, and `adopt-log` and `rebuild` are the ways on."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.records_to_delete import RecordsToDelete
from aiokafka.errors import KafkaError

from deploy.topic_setup import set_up_topics
from processors.compactor.exit_codes import WRONG, WRONG_LOG
from processors.compactor.reset import ResetError, adopt, rebuild
from processors.log_identity import TopicMissingError, read_log_id, read_log_ids
from schemas.kafka_client import client_options
from schemas.settings import Settings
from schemas.topics import topics
from tests.compaction import Feed, Worker, committed, differences, last_values, model_of, read_all, wait_applied
from tests.conftest import SettingsFor
from tests.integration.compactor.conftest import SettingsWithTopics, StartWorker
from tests.poll import until_async
from tests.reference import Reference


async def fed(settings: Settings, count: int, seed: int = 5) -> None:
    async with Feed(settings, seed, selectors=100) as feed:
        await feed.write(count)


async def recreate(settings: Settings, *names: str) -> None:
    """Delete topics and make them again under the same names."""
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap)
    await admin.start()
    try:
        await admin.delete_topics(list(names))

        async def gone() -> bool:
            return not set(names) & set(await admin.list_topics())

        await until_async(gone, "the topics are deleted", 30.0, bearing=(KafkaError,))
    finally:
        await admin.close()

    async def made() -> bool:
        await set_up_topics(settings)
        return True

    await until_async(made, "the topics are there again", 30.0, bearing=(KafkaError, RuntimeError))


async def ended(worker: Worker, code: int) -> str:
    """Wait for a worker's end; what it logged."""
    assert await asyncio.to_thread(worker.process.wait, 60.0), worker.output()[-3000:]
    assert worker.process.exit_code == code, worker.output()[-3000:]
    return worker.output()


async def applied(settings: Settings, start_worker: StartWorker, name: str = "w") -> None:
    """Let a worker apply everything, and stop it."""
    worker = start_worker(settings, name)
    await wait_applied(settings)
    await asyncio.to_thread(worker.stop)


async def test_a_topics_identity(topics_for: SettingsWithTopics) -> None:
    settings = await topics_for()
    options, reports = client_options(settings, "test"), topics(settings).reports.name
    first = await read_log_id(options, reports)
    assert len(first) == 22
    assert await read_log_id(options, reports) == first
    assert (await read_log_ids(options, [reports, topics(settings).latest.name]))[reports] == first
    await recreate(settings, reports)
    assert await read_log_id(options, reports) != first
    with pytest.raises(TopicMissingError, match="init"):
        await read_log_id(options, "no-such-topic")


async def test_missing_topics_say_what_to_do(settings_for: SettingsFor, start_worker: StartWorker) -> None:
    assert "pushtokens init" in await ended(start_worker(settings_for()), WRONG)


@pytest.mark.parametrize("running", [False, True])
async def test_a_recreated_log_stops_the_worker_and_adopt_log_goes_on(
    topics_for: SettingsWithTopics, start_worker: StartWorker, running: bool
) -> None:
    """Whether it happens while the worker runs or not: nothing is taken for a replay, and what was known stays."""
    settings = await topics_for()
    reports = topics(settings).reports.name
    await fed(settings, 800)
    if running:
        worker = start_worker(settings)
        await wait_applied(settings)
        before = await model_of(settings)
        await recreate(settings, reports)
        await ended(worker, WRONG_LOG)
    else:
        await applied(settings, start_worker)
        before = await model_of(settings)
        await recreate(settings, reports)
    await fed(settings, 300, seed=6)
    assert "adopt-log" in await ended(start_worker(settings), WRONG_LOG)
    lines = await adopt(settings)
    assert len([line for line in lines if "to 0" in line]) == 4
    await applied(settings, start_worker)
    assert await lost(settings, before) == set()


async def lost(settings: Settings, before: Reference) -> set[str]:
    """Selectors that were known and are not on `latest` now, though no removal on the new log named them."""
    now = last_values(await read_all(settings, topics(settings).latest.name))
    removed = set(last_values(await read_all(settings, topics(settings).removals.name)))
    return {selector for selector, known in before.known.items() if known.present} - now.keys() - removed


async def test_a_commit_past_the_end_stops_the_worker(
    topics_for: SettingsWithTopics, start_worker: StartWorker
) -> None:
    from aiokafka import AIOKafkaConsumer

    settings = await topics_for()
    await fed(settings, 100)
    consumer = AIOKafkaConsumer(
        bootstrap_servers=settings.bootstrap, group_id=settings.compact.group, enable_auto_commit=False
    )
    await consumer.start()
    part = TopicPartition(topics(settings).reports.name, 2)
    consumer.assign([part])
    await consumer.commit({part: 1_000_000})
    await consumer.stop()
    assert "past the log's end" in await ended(start_worker(settings), WRONG_LOG)
    await adopt(settings)
    await applied(settings, start_worker)
    assert await differences(settings) == []


async def test_adopt_log_and_rebuild_refuse_while_a_worker_runs(
    topics_for: SettingsWithTopics, start_worker: StartWorker
) -> None:
    settings = await topics_for()
    await fed(settings, 100)
    start_worker(settings)
    await wait_applied(settings)
    with pytest.raises(ResetError, match="Stop every"):
        await rebuild(settings)
    assert len(await adopt(settings)) == 4  # nothing to move, so nothing is refused


async def test_rebuild_drops_nothing_and_resurrects_nothing(
    topics_for: SettingsWithTopics, start_worker: StartWorker
) -> None:
    """Half of the reports have expired; the table after a rebuild is the one before it, made from an empty store."""
    settings = await topics_for()
    await fed(settings, 1500)
    await applied(settings, start_worker)
    before = await model_of(settings)
    changes = len(await read_all(settings, topics(settings).changes.name))
    _, ends = await committed(settings)
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap)
    await admin.start()
    reports = topics(settings).reports.name
    expired = {TopicPartition(reports, at): RecordsToDelete(end // 2) for at, end in ends.items()}
    await admin.delete_records(expired)
    await admin.close()
    await rebuild(settings)
    worker = start_worker(settings)
    await wait_applied(settings)
    assert "a rebuild was asked for" in worker.output()
    assert await found(settings) == (before.latest().keys(), before.removals().keys())
    assert len(await read_all(settings, topics(settings).changes.name)) == changes
    selectors: list[str] = [*before.latest()]
    assert {worker.get(f"/v1/selectors/{selector}").status_code for selector in selectors[::5]} == {200}


async def found(settings: Settings) -> tuple[Any, Any]:
    """The selectors on the two table topics."""
    named = topics(settings)
    return (
        last_values(await read_all(settings, named.latest.name)).keys(),
        last_values(await read_all(settings, named.removals.name)).keys(),
    )


async def test_a_lost_table_stops_the_worker_and_rebuild_makes_it_again(
    topics_for: SettingsWithTopics, start_worker: StartWorker, tmp_path: Path
) -> None:
    settings = await topics_for()
    named = topics(settings)
    await fed(settings, 800)
    await applied(settings, start_worker)
    await recreate(settings, named.latest.name, named.removals.name)
    assert "pushtokens rebuild" in await ended(start_worker(settings), WRONG_LOG)
    await rebuild(settings)
    await applied(settings, start_worker)
    model = await model_of(settings)
    assert await found(settings) == (model.latest().keys(), model.removals().keys())
