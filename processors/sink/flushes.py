"""The batches that are on their way to ClickHouse: one of a partition at a time, a few inserts at once."""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from processors.sink.batch import Batch
from processors.sink.lane import Lane

INSERTS: Final = 2  # at a time: one is parsed while the other's answer is on its way

Over = Callable[[Lane, BaseException | None], None]
"""Told of each batch that is over: its lane, and what went wrong (None: well done, or cancelled)."""


class Flushes:
    """Tasks by partition."""

    def __init__(self, over: Over) -> None:
        self._over = over
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._inserts = asyncio.Semaphore(INSERTS)

    def __contains__(self, partition: int) -> bool:
        return partition in self._tasks

    def __len__(self) -> int:
        return len(self._tasks)

    @property
    def may_insert(self) -> bool:
        """Whether an insert that is started now would begin at once."""
        return len(self._tasks) < INSERTS

    def start(self, lane: Lane, batch: Batch) -> None:
        """Set a batch on its way; the partition has none there."""
        task = asyncio.create_task(self._flush(lane, batch))
        self._tasks[lane.partition] = task
        task.add_done_callback(partial(self._done, lane))

    async def _flush(self, lane: Lane, batch: Batch) -> None:
        async with self._inserts:
            await lane.flush(batch)

    def _done(self, lane: Lane, task: asyncio.Task[None]) -> None:
        if self._tasks.get(lane.partition) is task:
            del self._tasks[lane.partition]
        self._over(lane, None if task.cancelled() else task.exception())

    async def one_over(self, seconds: float) -> None:
        """Wait until a batch is over, at most so long."""
        if self._tasks:
            await asyncio.wait(set(self._tasks.values()), timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    async def all_over(self, seconds: float) -> None:
        """Wait until every batch is over, at most so long."""
        if self._tasks:
            await asyncio.wait(set(self._tasks.values()), timeout=seconds)

    async def end(self, partitions: Iterable[int], seconds: float) -> None:
        """Give the batches of these partitions so long to be over, then cancel them."""
        tasks = [self._tasks[partition] for partition in partitions if partition in self._tasks]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def end_all(self) -> None:
        """Cancel every batch."""
        await self.end(set(self._tasks), 0.0)
