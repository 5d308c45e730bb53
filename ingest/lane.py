"""One partition's way into Kafka: a queue, and a batch of our own under way, one at a time.

Why own batches (design.md section 8): `await producer.send()` costs a third of the speed, and a batch of ours tells
exactly which requests a confirmation is for.
"""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from ingest import metrics
from ingest.producer_keeper import Held, ProducerKeeper
from ingest.record import Message
from ingest.refusal import BusyError

UNCONFIRMED = "Kafka has not confirmed the report; send it again"


class Entry:
    """A message waiting for its confirmation: `done` (a future) resolves, or fails with `BusyError` at `deadline`."""

    __slots__ = ("deadline", "done", "message", "size")

    def __init__(self, message: Message, size: int, deadline: float, done: "asyncio.Future[None]") -> None:
        self.message = message
        self.size = size
        self.deadline = deadline
        self.done = done

    def fail(self) -> None:
        """Tell the waiting request that it is not confirmed."""
        if not self.done.done():
            self.done.set_exception(BusyError(503, UNCONFIRMED, cause="unconfirmed"))
            self.done.exception()  # whoever waits still gets it; if nobody does, that is no error


class Lane:
    """A partition's queue and the batch under way. `leave(entry)` is called once for each entry that is over."""

    def __init__(
        self, topic: str, partition: int, keeper: ProducerKeeper, stuck_after: float, leave: Callable[[Entry], None]
    ) -> None:
        self._place = TopicPartition(topic, partition)
        self._keeper = keeper
        self._stuck_after = stuck_after
        self._leave = leave
        self._queue: deque[Entry] = deque()
        self._busy = False
        self._sending: list[Entry] = []
        self._overdue = 0  # how many of `_sending` have been told so
        self._headless = False  # no leader for longer than a request waits

    @property
    def waiting(self) -> bool:
        """Whether a batch can begin: something waits, nothing is under way, and the partition has a leader."""
        return bool(self._queue) and not self._busy and self._keeper.led(self._place)

    @property
    def unled(self) -> bool:
        """Whether what waits does so for a leader. aiokafka would ask for one without a pause, in a loop of its own."""
        return bool(self._queue) and not self._keeper.led(self._place)

    @property
    def stuck(self) -> bool:
        """Whether the batch under way, or the wait for a leader, has outlived the patience of its first request."""
        return self._headless or (bool(self._sending) and self._overdue > 0)

    def add(self, entry: Entry) -> None:
        """Queue an entry."""
        self._queue.append(entry)

    def expire(self, now: float) -> None:
        """Fail what is overdue at `now` (loop time, s): unsent entries are dropped, sent ones may still land."""
        led = self._keeper.led(self._place)
        self._headless = not led and (self._headless or bool(self._queue and self._queue[0].deadline <= now))
        while self._queue and self._queue[0].deadline <= now:
            entry = self._queue.popleft()
            entry.fail()
            self._leave(entry)
        while self._overdue < len(self._sending) and self._sending[self._overdue].deadline <= now:
            self._sending[self._overdue].fail()
            self._overdue += 1

    def begin(self, held: Held) -> "asyncio.Task[None]":
        """Begin a batch of what waits; only while `waiting`. The task never fails, and tells the batch's requests."""
        self._busy = True
        return asyncio.create_task(self._round(held))

    async def _round(self, held: Held) -> None:
        confirmed = False
        try:
            batch = self._fill(held)
            confirmed = not self._sending or await self._send(held, batch)
        except Exception as error:
            self._keeper.note(error)
        finally:
            if late := self._overdue if confirmed else len(self._sending):
                metrics.late("confirmed" if confirmed else "given_up", late)
            for entry in self._sending:
                if not confirmed:
                    entry.fail()
                elif not entry.done.done():
                    entry.done.set_result(None)
                self._leave(entry)
            self._sending = []
            self._overdue = 0
            self._busy = False
        if not confirmed:
            self._keeper.abandon(held)

    def _fill(self, held: Held) -> Any:
        """A batch of what waits, as much as it holds; requests that are gone are left out."""
        batch = held.producer.create_batch()
        while self._queue:
            entry = self._queue[0]
            if entry.done.done():
                self._leave(self._queue.popleft())
                continue
            message = entry.message
            if batch.append(key=message.key, value=message.value, timestamp=None, headers=message.headers) is None:
                break
            self._sending.append(self._queue.popleft())
        batch.close()
        return batch

    async def _send(self, held: Held, batch: Any) -> bool:
        """Whether Kafka confirmed the batch. A batch that neither lands nor fails is given up after `stuck_after`."""
        try:
            async with asyncio.timeout(self._stuck_after):
                delivery = await held.producer.send_batch(batch, self._place.topic, partition=self._place.partition)
        except (KafkaError, TimeoutError) as error:
            self._keeper.note(error)
            return False
        delivery.add_done_callback(_retrieve)
        # Not `wait_for`: a cancelled delivery breaks the producer's own books.
        await asyncio.wait({delivery, held.gone}, timeout=self._stuck_after, return_when=asyncio.FIRST_COMPLETED)
        if not delivery.done() or delivery.cancelled():
            self._keeper.note(TimeoutError())
            return False
        failure = delivery.exception()
        if failure is not None:
            self._keeper.note(failure)
            return False
        self._keeper.confirmed()
        return True


def _retrieve(delivery: "asyncio.Future[Any]") -> None:
    if not delivery.cancelled():
        delivery.exception()
