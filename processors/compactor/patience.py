"""Waiting for Kafka at the start, and saying what is wrong meanwhile."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError

from schemas.kafka_reach import why_not
from schemas.settings import Settings

logger: Final = logging.getLogger(__name__)

T = TypeVar("T")

RETRY_SECONDS: Final = 1.0


class Patience:
    """Asks Kafka again and again. `said`: what a worker that is not ready waits for."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self.said = "the table is being read in"

    async def wait(self, ask: Callable[[], Awaitable[T]]) -> T:
        """What `ask` comes to, once Kafka can be reached."""
        while True:
            try:
                return await ask()
            except (KafkaError, OSError, TimeoutError) as error:
                self.said = await why_not(self._settings, "compact", create_conn, error)
                logger.warning("%s; trying again", self.said)
                await asyncio.sleep(RETRY_SECONDS)
