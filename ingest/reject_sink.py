"""Where refused requests are noted: best effort, apart from the accepted ones, so that it can never delay them."""

import asyncio
import contextlib
import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from aiokafka import AIOKafkaProducer

from ingest.dispose import dispose
from ingest.record import Message
from ingest.token_bucket import TokenBucket
from schemas.kafka_client import client_options
from schemas.settings import Settings
from schemas.topics import topics

log = logging.getLogger(__name__)

_SEND_SECONDS: Final = 2.0
_STOP_SECONDS: Final = 3.0
_PAUSE_SECONDS: Final = 2.0  # between attempts to reach Kafka; what comes meanwhile is queued, then dropped


def make_reject_producer(settings: Settings) -> AIOKafkaProducer:
    """A producer of its own: acks=1, no idempotence, so that its batches expire."""
    return AIOKafkaProducer(**client_options(settings, "ingest-rejected"), acks=1, request_timeout_ms=2000)


class RejectSink:
    """Publishes to `push-token.rejected` from a bounded queue under a byte quota; drops what does not fit."""

    def __init__(
        self,
        settings: Settings,
        dropped: Callable[[int], None],
        make: Callable[[Settings], AIOKafkaProducer] = make_reject_producer,
    ) -> None:
        self._settings = settings
        self._dropped = dropped
        self._make = make
        self._topic = topics(settings).rejected.name
        self._loop = asyncio.get_running_loop()
        self._bucket = TokenBucket(settings.ingest.rejected_bytes_per_second, self._loop.time())
        self._queue: deque[Message] = deque()
        self._wake = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._task = asyncio.create_task(self._run())

    def offer(self, message: Message) -> None:
        """Queue a message, or drop and count it; never waits."""
        full = len(self._queue) >= self._settings.ingest.rejected_queue
        if full or not self._bucket.take(len(message.key) + len(message.value), self._loop.time()):
            self._dropped(1)
            return
        self._queue.append(message)
        self._empty.clear()
        self._wake.set()

    async def close(self, timeout: float) -> None:
        """Send what is queued for at most `timeout` seconds, drop the rest; letting go of Kafka may take 3 s more."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._empty.wait()
        self._task.cancel()
        await asyncio.wait({self._task}, timeout=_STOP_SECONDS)
        if self._queue:
            self._dropped(len(self._queue))

    async def _run(self) -> None:
        while True:
            try:
                producer = self._make(self._settings)
                try:
                    async with asyncio.timeout(_SEND_SECONDS):
                        await producer.start()
                    await self._send(producer)
                finally:
                    await dispose(producer)
            except Exception as error:
                log.warning("refused requests cannot be noted now: %s", type(error).__name__)
            await asyncio.sleep(_PAUSE_SECONDS)

    async def _send(self, producer: AIOKafkaProducer) -> None:
        """Send until it fails; the message that failed is dropped, for it may be the reason."""
        while True:
            await self._wake.wait()
            while self._queue:
                message = self._queue.popleft()
                try:
                    async with asyncio.timeout(_SEND_SECONDS):
                        await producer.send_and_wait(
                            self._topic, message.value, key=message.key or None, headers=message.headers
                        )
                except BaseException:
                    self._dropped(1)
                    raise
            self._wake.clear()
            self._empty.set()
