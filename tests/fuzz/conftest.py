"""What the stage has in common: an ingress with its topics, and the count of inputs at the end."""

import asyncio
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.init import init_topics
from deploy.local.kafka import LocalKafka
from schemas.settings import Settings
from tests.engines import make_settings
from tests.fuzz.case import TOKEN
from tests.fuzz.count import COUNTS
from tests.ingress import Ingress, records, running_ingress

# Long enough for 1 MB on busy cores, short enough to wait for.
DEADLINES = {"header_timeout": 3.0, "body_timeout": 3.0, "idle_timeout": 3.5}


class Topic:
    """`push-token.reports` as it grows."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._runner = asyncio.Runner()
        topic = f"{settings.kafka.topic_prefix}.reports"
        self._places = [TopicPartition(topic, number) for number in range(settings.partition_count)]
        self._consumer: Any = self._runner.run(self._open())

    async def _open(self) -> AIOKafkaConsumer:
        # A fetch that waits for records would hold up the questions behind it on the broker's connection.
        consumer = AIOKafkaConsumer(
            bootstrap_servers=self._settings.bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=10
        )
        await consumer.start()
        consumer.assign(self._places)
        await consumer.seek_to_end()
        for place in self._places:
            await consumer.position(place)
        return consumer

    def new(self) -> list[Any]:
        """The records (ConsumerRecord) that are there now and were not the last time."""
        return self._runner.run(self._new())

    async def _new(self) -> list[Any]:
        async with asyncio.timeout(30):
            ends = await self._consumer.end_offsets(self._places)
            found: list[Any] = []
            for place in self._places:
                while await self._consumer.position(place) < ends[place]:
                    for batch in (await self._consumer.getmany(place, timeout_ms=1000)).values():
                        found.extend(batch)
            return found

    def close(self) -> None:
        """Let go of the consumer."""
        self._runner.run(self._consumer.stop())
        self._runner.close()


class Bench:
    """A running ingress with the built-in templates, and what it writes."""

    def __init__(self, settings: Settings, ingress: Ingress) -> None:
        self.settings = settings
        self.port = ingress.port
        self.log = ingress.log

    @cached_property
    def reports(self) -> Topic:
        """What it writes from now on; for tests that ask often, since nothing keeps its connection alive in between."""
        return Topic(self.settings)


@pytest.fixture(scope="module")
def bench(kafka: LocalKafka, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One ingress for the tests of a module. Whatever they send, its log holds no failure and no token."""
    directory: Path = tmp_path_factory.mktemp("fuzz")
    settings = make_settings(directory / "data", kafka.bootstrap, "http://127.0.0.1:1", ingest=DEADLINES)
    asyncio.run(init_topics(settings))
    log = directory / "ingress.log"
    with running_ingress(settings, log) as ingress:
        found = Bench(settings, ingress)
        yield found
        if "reports" in found.__dict__:
            found.reports.close()
        for record in asyncio.run(records(settings, "rejected")):
            assert TOKEN[:12].encode() not in record.value
    text = log.read_text()
    assert TOKEN[:12] not in text and "a request failed" not in text and "Error" not in text, text


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how many inputs there really were."""
    for line in COUNTS:
        terminalreporter.write_line(f"fuzz: {line}")
