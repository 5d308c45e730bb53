"""The transactional producer of one partition: its batches go to Kafka whole or not at all.

The transactional id is `<group>-<partition>`, so whoever opens it next ends an unfinished transaction and fences the
one before (KIP-98): a paused worker that wakes up cannot write its stale batch. Every failure has one cure: give this
producer up, open another, read the changelog's end and the committed offset, and go on from there.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced
from aiokafka.structs import OffsetAndMetadata

from processors.compactor.messages import Message, Output
from schemas.topics import Topics

logger: Final = logging.getLogger(__name__)

# Bytes of one record batch. The broker's default limit (message.max.bytes) is 1,048,588; a single record of ours stays
# under 400 KB even with every field full of characters that JSON escapes.
BATCH_BYTES: Final = 900_000
YIELD_EVERY: Final = 200  # messages made and appended between two turns of the event loop: about 4 ms
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


class _Sent:
    """What was handed over for one topic: the batches' futures, and how many records the last one has."""

    def __init__(self, topic: str, futures: list[asyncio.Future[Any]], last_count: int) -> None:
        self._topic, self._futures, self._last_count = topic, futures, last_count

    async def confirmed(self) -> int:
        """Wait until Kafka has all of it; the topic's next offset (0 when nothing was sent)."""
        next_offset = 0
        for result in await asyncio.gather(*self._futures, return_exceptions=True):
            if isinstance(result, BaseException):
                raise result
            if result.offset < 0:  # the broker had it already, and has forgotten where (DUPLICATE_SEQUENCE_NUMBER)
                raise KafkaError(f"{self._topic}: confirmed without an offset")
            next_offset = result.offset + self._last_count
        return next_offset


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
            max_batch_size=BATCH_BYTES,
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
        """One batch as one transaction: changes, then the state, all of it confirmed, then the source offset, then the
        commit. Until the commit no reader sees any of it; after it, all.

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
        except ProducerFenced as error:
            raise FencedError("fenced by another worker") from error
        except (KafkaError, TimeoutError, OSError, AssertionError) as error:  # aiokafka asserts its state machine
            raise TransactionError(f"{type(error).__name__}: {error}") from error

    async def _commit(self, output: Output, next_offset: int, mark: str) -> Ends:
        await self._producer.begin_transaction()
        self._step("begun")
        sent = [
            await self._send(self._topics.changes.name, output.changes()),
            await self._send(self._topics.rejected.name, output.rejected()),
        ]
        self._step("changes")
        latest = await self._send(self._topics.latest.name, output.latest())
        removals = await self._send(self._topics.removals.name, output.removals())
        for found in (*sent, latest, removals):
            await found.confirmed()
        self._step("state")
        source = TopicPartition(self._topics.reports.name, self._partition)
        await self._producer.send_offsets_to_transaction({source: OffsetAndMetadata(next_offset, mark)}, self._group)
        self._step("offset")
        await self._producer.commit_transaction()
        self._step("committed")
        return Ends(await latest.confirmed(), await removals.confirmed())

    async def _send(self, topic: str, messages: Iterable[Message]) -> "_Sent":
        """Hand the messages to the producer; it sends while the next ones are made."""
        sent: list[asyncio.Future[Any]] = []
        batch = self._producer.create_batch()
        now = time.time_ns() // 1_000_000
        for count, (key, value, headers) in enumerate(messages, 1):
            if batch.append(timestamp=now, key=key, value=value, headers=headers) is None:
                sent.append(await self._producer.send_batch(batch, topic, partition=self._partition))
                batch = self._producer.create_batch()
                batch.append(timestamp=now, key=key, value=value, headers=headers)
            if count % YIELD_EVERY == 0:
                await asyncio.sleep(0)
        if batch.record_count():
            sent.append(await self._producer.send_batch(batch, topic, partition=self._partition))
        for future in sent:
            future.add_done_callback(_seen)
        return _Sent(topic, sent, batch.record_count())

    async def close(self) -> None:
        """Let go of it within `CLOSE_SECONDS`, whatever Kafka does; an open transaction is left to the next owner."""
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
