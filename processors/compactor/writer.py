"""The transactional producer of one partition: its batches go to Kafka whole or not at all.

The transactional id is `<group>-<partition>`, so whoever opens it next ends an unfinished transaction and fences the
one before (KIP-98): a paused worker that wakes up cannot write its stale batch. Every failure has one cure: give this
producer up, open another, read the changelog's end and the committed offset, and go on from there.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import IllegalOperation, KafkaError, ProducerFenced
from aiokafka.structs import OffsetAndMetadata

from processors.compactor.messages import Output
from processors.compactor.record_batch import RecordBatch
from schemas.topics import Topics

logger: Final = logging.getLogger(__name__)

CLOSE_SECONDS: Final = 2.0

Step = Callable[[str], None]
"""Called after each step of a batch with its name; tests kill the process there."""


class TransactionError(Exception):
    """A batch did not get through, or nobody knows whether it did: the partition has to be taken up anew."""


class FencedError(TransactionError):
    """Another worker has taken the partition over."""


class Ends(NamedTuple):
    """The next offsets of the two changelog topics after a batch; 0 where nothing was written."""

    latest: int
    removals: int


def _seen(future: asyncio.Future[Any]) -> None:
    """After a failure elsewhere nobody asks this one; asyncio need not complain about it."""
    if not future.cancelled():
        future.exception()


async def _all(*under_way: Awaitable[Any]) -> list[Any]:
    """What each comes to; when one fails, its error (a fence before any other), once all have ended."""
    results = await asyncio.gather(*under_way, return_exceptions=True)
    errors = [result for result in results if isinstance(result, BaseException)]
    if errors:
        raise next((error for error in errors if isinstance(error, ProducerFenced)), errors[0])
    return results


class Writer:
    """Writes the batches of one partition; opened once, and given up after the first error."""

    def __init__(
        self, options: Mapping[str, Any], topics: Topics, group: str, partition: int, timeout: float, step: Step
    ) -> None:
        """Nothing is sent yet.

        Args:
            options: how to reach Kafka.
            topics: where to write.
            group: the consumer group whose offsets move with the batches.
            partition: of every topic.
            timeout: seconds for one batch, and Kafka's transaction.timeout.ms.
            step: told about every step.
        """
        self._topics, self._group, self._partition = topics, group, partition
        self._timeout, self._step = timeout, step
        self._producer = AIOKafkaProducer(
            **options,
            transactional_id=f"{group}-{partition}",
            transaction_timeout_ms=round(timeout * 1000),
        )

    async def open(self) -> None:
        """Fence whoever wrote before, and end what they left open.

        Raises:
            TransactionError: not within the time.
        """
        try:
            async with asyncio.timeout(self._timeout):
                await self._producer.start()
        except (KafkaError, TimeoutError, OSError) as error:
            raise TransactionError(f"cannot open the transactional producer: {error!r}") from error

    async def commit(self, output: Output, next_offset: int, mark: str) -> Ends:
        """One batch as one transaction: changes, state and source offset, and when all of it is confirmed, the commit.
        Until the commit no reader sees any of it; after it, all. So what goes before it may go at the same time.

        Args:
            output: what to write.
            next_offset: of `reports`, the first one not in this batch.
            mark: the offset's metadata (`processors.compactor.offsets`).

        Raises:
            FencedError: another worker owns the partition.
            TransactionError: anything else; whether it was committed is not known.
        """
        try:
            async with asyncio.timeout(self._timeout):
                return await self._commit(output, next_offset, mark)
        # aiokafka asserts its state machine; an IllegalOperation is what is sent after its sender has died.
        except (KafkaError, IllegalOperation, TimeoutError, OSError, AssertionError) as error:
            if isinstance(error, ProducerFenced) or self._fenced():
                raise FencedError("fenced by another worker") from error
            raise TransactionError(f"{type(error).__name__}: {error}") from error

    def _fenced(self) -> bool:
        """Whether the producer's sender has died of a fence: then whatever else failed, failed of that."""
        task = self._producer._sender.sender_task
        return (
            task is not None and task.done() and not task.cancelled() and isinstance(task.exception(), ProducerFenced)
        )

    async def _commit(self, output: Output, next_offset: int, mark: str) -> Ends:
        await self._producer.begin_transaction()
        self._step("begun")
        named, source = self._topics, TopicPartition(self._topics.reports.name, self._partition)
        changes, rejected, latest, removals = output.packed or await asyncio.to_thread(output.pack)
        _, ends, _ = await _all(
            self._deliver({named.changes.name: changes, named.rejected.name: rejected}, "changes"),
            self._deliver({named.latest.name: latest, named.removals.name: removals}, "state"),
            self._move({source: OffsetAndMetadata(next_offset, mark)}),
        )
        await self._producer.commit_transaction()
        self._step("committed")
        return Ends(*ends)

    async def _move(self, offsets: Mapping[TopicPartition, OffsetAndMetadata]) -> None:
        await self._producer.send_offsets_to_transaction(offsets, self._group)
        self._step("offset")

    async def _deliver(self, packed: Mapping[str, Sequence[RecordBatch]], step: str) -> list[int]:
        """Send, and wait until Kafka has all of it; each topic's next offset (0 when nothing was sent)."""
        ends = await _all(*(self._send(topic, batches) for topic, batches in packed.items()))
        self._step(step)
        return ends

    async def _send(self, topic: str, batches: Sequence[RecordBatch]) -> int:
        sent: list[asyncio.Future[Any]] = []
        next_offset = 0
        for batch in batches:
            sent.append(await self._producer.send_batch(batch, topic, partition=self._partition))
            sent[-1].add_done_callback(_seen)
        for result, batch in zip(await _all(*sent), batches, strict=True):
            if result.offset < 0:  # the broker had it already, and has forgotten where (DUPLICATE_SEQUENCE_NUMBER)
                raise KafkaError(f"{topic}: confirmed without an offset")
            next_offset = result.offset + batch.record_count()
        return next_offset

    async def close(self) -> None:
        """Let go of it within `CLOSE_SECONDS`, whatever Kafka does; an open transaction is left to the next owner."""
        waiter = self._producer._txn_manager._transaction_waiter
        if waiter is not None and waiter.done():  # after a fence, with an error that nobody has waited for
            _seen(waiter)
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._producer.stop()
                return
        # aiokafka waits for batches that never expire while Kafka is away (design.md section 8): cut it off.
        task = self._producer._sender.sender_task
        if task is not None:
            task.cancel()
        with contextlib.suppress(Exception):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._producer.client.close()
