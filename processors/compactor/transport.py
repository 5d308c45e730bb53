"""Faust's transport, fed with whole partition batches: one event is the list that one fetch brought for one partition.

What is changed of Faust 0.15.3, and why (a test compares the sources of what is leaned on with the ones read here):

- `getmany` yields one message per partition and fetch, at the last offset of its list: Faust spends two tasks and a
  turn of the loop on every message, which bounds a stock agent to 12,000 events/s here.
- Offsets are committed by the partition's transaction, so Faust's own commit does nothing, and neither does its gap
  bookkeeping (which would crawl: `_add_gap` includes the event's own offset, and `_new_offset` stops at the duplicate).
- A rebalance lets the table finish its batches (with a deadline) where Faust would wait for acknowledgements for ever.
- The time of the last heartbeat is noted: a worker that cannot confirm its partitions says so in lookups.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, cast

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError
from faust.transport.consumer import ensure_TP
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.transport.drivers.aiokafka import Consumer as FaustConsumer
from faust.transport.drivers.aiokafka import Transport as FaustTransport
from faust.types import TP, ConsumerMessage, Message

from processors.compactor.table import Table
from processors.fetched import read_by_ours
from processors.log_record import LogRecord

NEVER: Final = float("-inf")
# How long the broker may hold a fetch that finds nothing. Faust asks for 1,500 ms; meanwhile aiokafka does not fetch
# the partitions of that broker whose records it has just handed out.
FETCH_WAIT_MS: Final = 100
# How long one poll may wait. It asks only for the partitions that want records at that moment, so while it waits (in
# Faust a second) one that has worked off what it had is not asked for.
POLL_SECONDS: Final = 0.1


class ConsumerThread(AIOKafkaConsumerThread):
    """Faust's consumer thread, which notes when the group's coordinator last confirmed this worker's membership."""

    heartbeat_at: float = NEVER

    def _create_worker_consumer(self, transport: FaustTransport) -> AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        consumer._isolation_level = "read_committed"  # other producers of `reports` may use transactions
        consumer._fetch_max_wait_ms = FETCH_WAIT_MS
        return consumer

    async def on_start(self) -> None:
        """Connect, read records without their headers, and watch the heartbeat."""
        await super().on_start()
        read_by_ours(self._ensure_consumer())
        coordinator = self._ensure_consumer()._coordinator
        beat = coordinator._do_heartbeat

        async def watched() -> bool:
            asked = time.monotonic()
            success: bool = await beat()
            if success:
                self.heartbeat_at = asked
            return success

        coordinator._do_heartbeat = watched


class _NoOffsets(dict[TP, int | None]):
    """In place of Faust's read offsets, which answer that nothing was read yet.

    Faust drops a message whose offset is below the last one it handed on, also after a seek back: the drain loop notes
    the offset of what it is handing on when that is done, over the one that the seek has just set. Which records are
    replays is the owner's to decide.
    """

    def __getitem__(self, tp: TP) -> None:
        return None

    def __setitem__(self, tp: TP, offset: int | None) -> None:
        return

    def update(self, *_: Any, **__: Any) -> None:
        return


class Consumer(FaustConsumer):
    """Faust's consumer with a batch for a message, and without commits of its own."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._resumed = asyncio.Event()
        self._read_offset = _NoOffsets()

    def _new_consumer_thread(self) -> ConsumerThread:
        # asyncio's own loop: on uvloop the heartbeat did not come back after one kill of Kafka in a dozen.
        return ConsumerThread(self, loop=self.loop, beacon=self.beacon)

    @property
    def _table(self) -> Table:
        return cast(Table, vars(self.app)["table"])

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, Message]]:
        """Fetch; one message per partition, whose value is the list of its records."""
        if self.flow_active and not self._get_active_partitions():
            await self._wait_resumed()
            return
        records, active = await self._wait_next_records(POLL_SECONDS)
        generation = self.app.consumer_generation_id
        if records is None or self.should_stop:
            return
        if not self.flow_active:
            with contextlib.suppress(KafkaError):  # as in Faust: after the rebalance it is done again
                await self.perform_seek()
            return
        for at, found in records.items():
            if not self.flow_active or self.app.consumer_generation_id != generation:
                return
            tp = ensure_TP(at)
            if found and (active is None or tp in active or tp in self._buffered_partitions):
                yield tp, self._batch(tp, found)

    async def _wait_resumed(self) -> None:
        """All partitions have enough waiting: Faust would sleep for a second, longer than they have work for."""
        self._resumed.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):
                await self._resumed.wait()

    def on_buffer_drop(self, tp: TP) -> None:
        """Fetch a partition again."""
        super().on_buffer_drop(tp)
        self._resumed.set()

    def _batch(self, tp: TP, found: Sequence[LogRecord]) -> ConsumerMessage:
        last = found[-1]
        return ConsumerMessage(
            topic=tp.topic,
            partition=tp.partition,
            offset=last.offset,
            timestamp=last.timestamp / 1000,
            timestamp_type=0,
            headers=None,
            key=None,
            value=cast(bytes, found),  # Faust hands it through untouched
            checksum=None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    def ack(self, message: Message) -> bool:
        """Note that a batch is done with; its offset was committed by its transaction."""
        self._unacked_messages.discard(message)
        message.acked = True
        return True

    async def _add_gap(self, tp: TP, offset_from: int, offset_to: int) -> None:
        return

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Do nothing: the offsets move with the transactions."""
        return False

    async def wait_empty(self) -> None:
        """Let the table finish what is under way; called when partitions are revoked and at the end."""
        await self._table.revoke(self.app.conf.broker_session_timeout * DRAIN_SHARE)

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Faust's livelock warnings look at its own commits; the table watches itself."""

    @property
    def heartbeat_age(self) -> float:
        """Seconds since the coordinator last confirmed this worker."""
        return time.monotonic() - cast(ConsumerThread, self._thread).heartbeat_at


# Of the session timeout: a batch under way may be finished, but the group must not give us up meanwhile.
DRAIN_SHARE: Final = 0.6


class Transport(FaustTransport):
    """The transport that `broker` names by its class."""

    Consumer = Consumer


class Reports:
    """The consumer of `reports`, as the table sees it (`processors.compactor.intake.Source`)."""

    def __init__(self, topic: str) -> None:
        self._topic = topic
        self.consumer: Consumer | None = None

    def _at(self, partition: int) -> TP:
        return TP(self._topic, partition)

    async def seek(self, partition: int, offset: int) -> None:
        """Read on from `offset`; nothing happens when the partition is no longer assigned."""
        at = self._at(partition)
        if self.consumer is not None and at in self.consumer.assignment():
            await self.consumer.seek_wait({at: offset})

    def pause(self, partition: int) -> None:
        """Fetch no more of a partition for now."""
        if self.consumer is not None:
            self.consumer.on_buffer_full(self._at(partition))

    def resume(self, partition: int) -> None:
        """Fetch a partition again."""
        if self.consumer is not None:
            self.consumer.on_buffer_drop(self._at(partition))

    def highwater(self, partition: int) -> int | None:
        """The log's end as the last fetch saw it."""
        at, consumer = self._at(partition), self.consumer
        return cast("int | None", consumer.highwater(at)) if consumer and at in consumer.assignment() else None

    def confirmed(self, seconds: float) -> bool:
        """Whether the group's coordinator confirmed this worker within the last `seconds`."""
        return self.consumer is not None and self.consumer.heartbeat_age <= seconds
