"""One log for all tests in here: what a fleet reported, what the compactor made of it, and what was given up."""

import asyncio
from collections.abc import Iterator
from typing import Any, Final

import pytest
from aiokafka import AIOKafkaProducer
from msgspec.structs import replace

from deploy.local.kafka import LocalKafka
from deploy.topic_setup import set_up_topics
from schemas.records import encode
from schemas.settings import Settings
from schemas.topics import topics
from tests.compaction import Feed, Worker, model_of, wait_applied
from tests.engines import make_settings
from tests.reference import Reference
from tests.unit.schemas.consumer.test_latest_copy import latest
from tests.unit.schemas.test_records import CHANGE

SELECTORS: Final = 60
GIVEN_UP: Final = "given-up"  # a selector that only aborted transactions name


class Stage:
    """The settings, and the compactor at work on them."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.names = topics(settings)

    async def report(self, count: int, seed: int) -> Reference:
        """Let the fleet report, wait until that is applied, and say what it comes to."""
        async with Feed(self.settings, seed, SELECTORS) as feed:
            await feed.write(count)
        await wait_applied(self.settings)
        return await self.model()

    async def model(self) -> Reference:
        """The reference model of the log as it is."""
        return await model_of(self.settings)

    async def give_up(self) -> None:
        """Write to the compactor's topics, and abort."""
        producer = AIOKafkaProducer(
            bootstrap_servers=self.settings.bootstrap, transactional_id=f"{self.settings.kafka.topic_prefix}-given-up"
        )
        async with producer:
            await producer.begin_transaction()
            change = encode(replace(CHANGE, selector=GIVEN_UP))
            for topic, value in (
                (self.names.latest.name, encode(latest(GIVEN_UP, 0))),
                (self.names.changes.name, change),
            ):
                for partition in range(self.settings.partition_count):
                    await producer.send_and_wait(topic, value, GIVEN_UP.encode(), partition)
            await producer.abort_transaction()


@pytest.fixture(scope="package")
def stage(kafka: LocalKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A log with rotations, removals and aborted transactions in the midst, all applied."""
    directory = tmp_path_factory.mktemp("downstream")
    made = Stage(make_settings(directory, kafka.bootstrap, "http://127.0.0.1:1"))
    asyncio.run(set_up_topics(made.settings))
    worker = Worker(made.settings, directory, "w").start()
    try:
        asyncio.run(_act(made))
        yield made
    finally:
        worker.process.kill()


async def _act(stage: Stage) -> None:
    await stage.report(200, seed=3)
    await stage.give_up()
    model = await stage.report(200, seed=4)
    said: set[Any] = {change["change"] for change in model.changes}
    assert said == {"registered", "rotated", "app_changed", "account_changed", "removed"}
    assert model.removals() and model.latest()
