"""Before a lookup says that a selector is unknown: has all that is on the log been applied?

A report is on the log, and confirmed, some 20 ms before it is in the table; with a backlog, longer. What was on the log
when the question came is waited for, a little.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

WAIT_SECONDS: Final = 1.5  # less than a caller's and another worker's patience (`lookup.timeout`, 2 s)
# An owner that has nothing to do for so long, though the log is longer, has applied all records: what is left at the
# end are the markers of another producer's transactions, which never come.
STILL_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 0.01


class Owner(Protocol):
    """What is asked of a partition's owner."""

    partition: int
    next_offset: int
    active: bool

    @property
    def idle(self) -> bool:
        """Whether nothing that was fetched waits or is being applied."""


class Freshness:
    """Answers for the partitions of one worker."""

    def __init__(self, ask: Callable[[int], Awaitable[int]]) -> None:
        """`ask` gives a partition's end offset."""
        self._ask = ask
        self._locks: dict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._pending: dict[int, asyncio.Task[int]] = {}

    async def current(self, owner: Owner) -> bool:
        """Whether all is applied that was on the log when this was called; waits up to `WAIT_SECONDS` for it.

        Raises:
            aiokafka.errors.KafkaError, TimeoutError: Kafka cannot be asked now.
        """
        begun = time.monotonic()
        async with asyncio.timeout(WAIT_SECONDS):
            end = await self._end(owner.partition)
        still = time.monotonic()
        while owner.next_offset < end:
            now = time.monotonic()
            if not owner.active or now - begun > WAIT_SECONDS:
                return False
            if not owner.idle:
                still = now
            elif now - still > STILL_SECONDS:
                return True
            await asyncio.sleep(LOOK_SECONDS)
        return True

    async def _end(self, partition: int) -> int:
        """The end as it is from now on; questions that come while Kafka is being asked share the next answer."""
        pending = self._pending.get(partition)
        if pending is None:
            pending = self._pending[partition] = asyncio.create_task(self._asked(partition))
        return await asyncio.shield(pending)

    async def _asked(self, partition: int) -> int:
        async with self._locks[partition]:
            del self._pending[partition]  # who comes from here on needs another answer
            return await self._ask(partition)
