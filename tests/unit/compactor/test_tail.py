"""A partition that is released and followed again within one fetch of the tail."""

import asyncio
from typing import Any

from aiokafka import TopicPartition

from processors.compactor.batch import Folded
from processors.compactor.copy import Copy, Identities
from processors.compactor.memory_store import MemoryStore
from processors.compactor.messages import Output
from processors.compactor.tail import Tail
from schemas.records import Latest
from schemas.settings import Settings
from schemas.topics import topics
from tests.unit.compactor.logs import T0, Entry, compact, entry, report

IDENTITIES = Identities(reports="log-A", latest="L", removals="R")
TOPICS = topics(Settings())


class Held:
    """A consumer whose one fetch ends when the test says so (no broker can be held like that)."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[dict[TopicPartition, list[Entry]]] = asyncio.get_running_loop().create_future()
        self.positions: dict[TopicPartition, int] = {}
        self.fetching = asyncio.Event()

    def assign(self, _partitions: Any) -> None:
        """Nothing to do."""

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """As aiokafka's."""
        self.positions[partition] = offset

    async def position(self, partition: TopicPartition) -> int:
        """As aiokafka's."""
        return self.positions[partition]

    async def getmany(self, **_limits: int) -> dict[TopicPartition, list[Entry]]:
        """As aiokafka's: the positions move with what is returned."""
        self.fetching.set()
        found = await self.answer
        self.positions |= {partition: entries[-1].offset + 1 for partition, entries in found.items()}
        return found


def token(copy: Copy) -> str:
    state = copy.load([b"S:1"])[b"S:1"]
    assert isinstance(state, Latest)
    assert state.calls is not None
    return state.calls.token


async def test_what_was_fetched_before_is_not_written_over_what_was_committed_since() -> None:
    parts: list[Folded] = compact(
        [entry(0, report(calls="old")), entry(1, report(calls="new", at=T0 + 1))], [1, 1]
    ).parts
    (old,) = Output(parts[0]).latest_values.values()
    tail = Tail.__new__(Tail)
    tail._topics, tail._count = TOPICS, lambda _records: None
    tail._copies, tail._assigned = {}, frozenset()
    tail._changed, tail._moved = asyncio.Event(), asyncio.Condition()
    consumer = tail._consumer = Held()
    copy = Copy(MemoryStore(), 0, IDENTITIES, clock=lambda: T0, fresh_ms=10**12)
    tail.follow(copy)
    turn = asyncio.create_task(tail._turn())
    await consumer.fetching.wait()
    tail.release(0)
    for count, part in enumerate(parts, 1):
        copy.apply(Output(part), count, 0, count)
    tail.follow(copy)
    consumer.answer.set_result({TopicPartition(TOPICS.latest.name, 0): [Entry(0, T0, b"S:1", old)]})
    await turn
    assert (token(copy), copy.position.latest) == ("new", len(parts))
