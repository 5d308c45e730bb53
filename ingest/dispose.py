"""The end of a producer, bounded in time: with idempotence aiokafka's `stop()` waits for batches that never expire."""

import asyncio
import contextlib
from typing import Final

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

_STOP_SECONDS: Final = 1.0
REQUEST_SECONDS: Final = 5.0  # below `stuck_after`: a lost answer is asked for again before the producer is given up


async def dispose(producer: AIOKafkaProducer, gone: "asyncio.Future[None] | None" = None) -> None:
    """End a producer: by `stop()` if that takes less than a second, else by force, which takes up to 8 s.

    Args:
        producer: nobody may use it any more.
        gone: a future to resolve as soon as nothing more can be expected of it.
    """
    stopping = asyncio.create_task(producer.stop())
    done, _ = await asyncio.wait({stopping}, timeout=_STOP_SECONDS)
    if gone is not None and not gone.done():
        gone.set_result(None)
    if not done:
        await _force(producer)
        stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)


async def _force(producer: AIOKafkaProducer) -> None:
    """End what `stop()` waits for. No public way leads there, so a test watches that aiokafka still has these parts."""
    sender = producer._sender.sender_task
    if sender is not None:
        # What it does when a sender fails, fails itself without transactions; nobody is left to be told.
        sender.remove_done_callback(producer._sender._fail_all)
        sender.cancel()
    with contextlib.suppress(TimeoutError, KafkaError, OSError):
        async with asyncio.timeout(_STOP_SECONDS):
            await producer.client.close()
    waited_for = producer.client._md_update_fut
    if waited_for is not None and not waited_for.done():
        waited_for.set_result(False)
    if sender is not None:
        # A connection being opened to a frozen broker lasts for a request timeout.
        await asyncio.wait({sender}, timeout=REQUEST_SECONDS + _STOP_SECONDS)
        if sender.done() and not sender.cancelled():
            sender.exception()
    # `stop()` still waits for the batches. One that was put back for another attempt is missing from the set that its
    # own callback will take it out of.
    books = producer._message_accumulator
    books._pending_batches.update(batch for batches in books._batches.values() for batch in batches)
    for batch in list(books._pending_batches):
        batch.future.cancel()
