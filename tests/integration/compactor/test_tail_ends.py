"""The changelog's ends are asked for while it is followed: a fetch that waits must not hold the question up."""

import asyncio

from processors.compactor.copy import Copy
from processors.compactor.memory_store import MemoryStore
from processors.compactor.shared import read_identities
from processors.compactor.tail import Ends, Tail
from schemas.kafka_client import client_options
from schemas.topics import topics
from tests.integration.compactor.conftest import SettingsWithTopics

WAITING_FETCH = {"fetch_max_wait_ms": 60_000, "request_timeout_ms": 70_000}  # of an empty log, at the broker


async def test_asking_for_ends_does_not_wait_for_a_fetch(topics_for: SettingsWithTopics) -> None:
    settings = await topics_for()
    options = client_options(settings, "compact")
    identities = await read_identities(options, topics(settings))
    tail = Tail(options | WAITING_FETCH, topics(settings), lambda _records: None)
    await tail.start()
    try:
        tail.follow(Copy(MemoryStore(), 0, identities, clock=lambda: 0, fresh_ms=1))
        async with asyncio.timeout(20.0):
            for _ in range(20):
                assert await tail.ends(0) == Ends(0, 0)
                assert await tail.source_end(0) == 0
    finally:
        await tail.stop()
