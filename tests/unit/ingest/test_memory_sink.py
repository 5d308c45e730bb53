"""The sink in memory keeps the contract that the one in front of Kafka keeps."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from ingest.memory_sink import MemorySink
from tests.sink_contract import PARTITIONS, SinkContract, Stage


class TestMemorySink(SinkContract):
    def make_stage(self) -> AbstractAsyncContextManager[Stage]:
        return memory_stage()


@asynccontextmanager
async def memory_stage() -> AsyncIterator[Stage]:
    sink = MemorySink(PARTITIONS)

    async def arrived() -> list[Any]:
        return [
            (number, message.key, message.value, message.headers)
            for number, partition in enumerate(sink.partitions)
            for message in partition
        ]

    yield Stage(sink, arrived)
