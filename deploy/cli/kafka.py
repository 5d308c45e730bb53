"""What a command says when Kafka does not do what it was asked: one line, without a traceback."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from schemas.kafka_reach import why_not
from schemas.settings import Settings

T = TypeVar("T")

SECONDS: Final = 60.0  # for a command that only moves offsets; a fresh cluster needs some to make its offsets topic


def run_within(work: Coroutine[Any, Any, T], seconds: float = SECONDS) -> T:
    """Run `work` to its end, at most `seconds`.

    Raises:
        TimeoutError: it took longer. Else what `work` raises.
    """

    async def bounded() -> T:
        async with asyncio.timeout(seconds):
            return await work

    return asyncio.run(bounded())


def said(settings: Settings, error: Exception) -> str:
    """The line for a `KafkaError`, `OSError` or `TimeoutError` (no full stop at its end)."""
    from aiokafka.errors import (
        BrokerResponseError,
        CommitFailedError,
        IllegalGenerationError,
        RebalanceInProgressError,
        UnknownMemberIdError,
    )

    name = type(error).__name__
    if isinstance(error, CommitFailedError | IllegalGenerationError | RebalanceInProgressError | UnknownMemberIdError):
        return f"Kafka moves no offsets of a group that is at work ({name}): stop its roles first"
    if isinstance(error, BrokerResponseError) and not error.retriable:
        return f"Kafka at {settings.bootstrap} refuses ({name})"
    from aiokafka.conn import create_conn

    return asyncio.run(why_not(settings, "command", create_conn, error))
