"""A report sink in memory, for tests of what stands in front of it."""

import asyncio
import contextlib
from collections.abc import Awaitable

from ingest.record import Message
from ingest.refusal import BusyError
from schemas.partition import partition_of


class MemorySink:
    """Keeps messages by partition in `partitions` (lists). `away` (a reason) makes it refuse; `held` lets them wait."""

    def __init__(self, partitions: int = 4) -> None:
        self.partitions: list[list[Message]] = [[] for _ in range(partitions)]
        self.away: str | None = None
        self.held: asyncio.Event | None = None
        self._closed = False
        self._waiting = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def messages(self) -> list[Message]:
        """All messages, partition by partition."""
        return [message for partition in self.partitions for message in partition]

    def publish(self, message: Message) -> Awaitable[None]:
        """As `ReportSink.publish`."""
        if self._closed or self.away is not None:
            raise BusyError(503, "Kafka does not confirm")
        return self._publish(message)

    async def _publish(self, message: Message) -> None:
        self._waiting += 1
        self._idle.clear()
        try:
            if self.held is not None:
                await self.held.wait()
            self.partitions[partition_of(message.key, len(self.partitions))].append(message)
        finally:
            self._waiting -= 1
            if not self._waiting:
                self._idle.set()

    def trouble(self) -> str | None:
        """As `ReportSink.trouble`."""
        return "closed" if self._closed else self.away

    async def close(self, timeout: float) -> None:
        """As `ReportSink.close`."""
        self._closed = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._idle.wait()
