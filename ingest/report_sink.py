"""Where accepted reports go: a port of three members, with Kafka behind it in production and a list in tests."""

from collections.abc import Awaitable
from typing import Protocol

from ingest.record import Message


class ReportSink(Protocol):
    """Takes messages and says when each is safe."""

    def publish(self, message: Message) -> Awaitable[None]:
        """Hand one over; the awaitable is done once it is confirmed, exactly once in the topic.

        Raises:
            BusyError: 503, too much is waiting, or none to be expected (both at once); no confirmation in time (from
                the awaitable), when the message may still appear in the topic later.
        """

    def trouble(self) -> str | None:
        """Why nothing can be confirmed now (a text for operators), or None if all is well."""

    async def close(self, timeout: float) -> None:
        """Take nothing more, wait at most `timeout` seconds for what was handed over, and let go of everything."""
