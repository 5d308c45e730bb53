"""Workers for the tests in here, and topics that exist."""

import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.topic_setup import set_up_topics
from schemas.settings import Settings
from tests.compaction import Worker
from tests.conftest import SettingsFor

SettingsWithTopics = Callable[..., Awaitable[Settings]]
StartWorker = Callable[..., Worker]


@pytest.fixture
def topics_for(settings_for: SettingsFor) -> SettingsWithTopics:
    """As `settings_for`, with the topics created."""

    async def make(**given: Any) -> Settings:
        made = settings_for(**given)
        await set_up_topics(made)
        return made

    return make


@pytest.fixture
def start_worker(tmp_path: Path) -> Iterator[StartWorker]:
    """Starts workers by name; the same name finds the same store. All are gone when the test is over."""
    started: list[Worker] = []

    def start(settings: Settings, name: str = "w", *order: str) -> Worker:
        started.append(Worker(settings, tmp_path / "workers", name, *order).start())
        return started[-1]

    yield start
    for worker in started:
        sys.stdout.write(f"{worker.name} at {worker.url}:\n{worker.output()[-8000:]}\n")  # shown if the test failed
        if worker.running:
            worker.process.kill()
