"""One partition while this worker owns it: take it up, then apply batches in order, until it is let go.

Taking up is the one cure for everything that can go wrong: open the transactional producer (which fences and ends
whatever was under way), read the changelog's end, catch up, read the committed offset, and only then process. A batch
that fails is never skipped: the partition is taken up anew and the batch asked for again.
"""

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from aiokafka.errors import KafkaError

from processors.compactor.batch import Folded, fold, join
from processors.compactor.copy import Copy
from processors.compactor.messages import Output
from processors.compactor.offsets import verify
from processors.compactor.reading import Log, LogRecord, read
from processors.compactor.rules import State
from processors.compactor.writer import FencedError, TransactionError, Writer

if TYPE_CHECKING:
    from processors.compactor.shared import Shared

logger: Final = logging.getLogger(__name__)

# Records merged in one turn of the event loop: about 10 ms, which is what a lookup waits for at most.
SLICE: Final = 250
FIRST_RETRY_SECONDS: Final = 0.2
LAST_RETRY_SECONDS: Final = 5.0
QUEUE: Final = 2  # batches that wait per partition: one to go on with at once, one on its way from the fetcher


class Batch:
    """Records of one partition as the consumer fetched them, and how to say that they are done with."""

    __slots__ = ("done", "records")

    def __init__(self, records: Sequence[LogRecord], done: Callable[[], object]) -> None:
        self.records = records
        self.done = done


class Source(Protocol):
    """What an owner needs of the consumer of `reports`."""

    async def seek(self, partition: int, offset: int) -> None:
        """Read on from `offset`; nothing happens when the partition is no longer assigned."""

    def pause(self, partition: int) -> None:
        """Fetch no more of a partition for now."""

    def resume(self, partition: int) -> None:
        """Fetch a partition again."""

    def highwater(self, partition: int) -> int | None:
        """The log's end as the last fetch saw it; None: not fetched yet."""


class Ownership:
    """Owns one partition from `run` to `close`."""

    def __init__(self, copy: Copy, shared: "Shared") -> None:
        self.copy = copy
        self.partition = copy.partition
        self.active = False
        self.next_offset = 0
        self._shared = shared
        self._log = Log(shared.identities.reports, copy.partition, shared.partitions)
        self._queue: deque[Batch] = deque()
        self._wake = asyncio.Event()
        self._closing = asyncio.Event()
        self._gap: tuple[int, int] | None = None
        self._writer: Writer | None = None

    def offer(self, batch: Batch) -> None:
        """Take a fetched batch; while two wait, the partition is not fetched."""
        if self._closing.is_set():
            batch.done()
            return
        self._queue.append(batch)
        self._wake.set()
        if len(self._queue) >= QUEUE:
            self._shared.source.pause(self.partition)

    def close(self) -> None:
        """Finish the batch under way, take no other; `run` then returns."""
        self._closing.set()
        self._wake.set()

    async def run(self) -> None:
        """Own the partition until `close`.

        Raises:
            LogIdentityError: the log is not the one that the committed offset belongs to.
        """
        retry = FIRST_RETRY_SECONDS
        while not self._closing.is_set():
            try:
                await self._take_up()
                retry = FIRST_RETRY_SECONDS
                await self._work()
            except FencedError as error:
                # Whoever fenced us is the owner, or will learn in time that it is not: do not fence it back at once.
                await self._pause(error, self._shared.session_timeout)
            except (TransactionError, KafkaError, TimeoutError, OSError) as error:
                await self._pause(error, retry)
                retry = min(2 * retry, LAST_RETRY_SECONDS)
            finally:
                self.active = False
                self._shared.tail.release(self.partition)
                self._discard()
                await self._give_up()

    async def _pause(self, error: Exception, seconds: float) -> None:
        logger.warning("partition %d: %s; taken up again in %.1f s", self.partition, error, seconds)
        self._shared.metrics.failure()
        self.active = False
        self._discard()
        await self._give_up()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()

    async def _give_up(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            await writer.close()

    def _discard(self) -> None:
        """What is queued will be fetched again from the committed offset."""
        while self._queue:
            self._queue.popleft().done()
        self._shared.source.resume(self.partition)

    async def _take_up(self) -> None:
        shared, copy = self._shared, self.copy
        begun = time.monotonic()
        self._writer = shared.writer(self.partition)
        await self._writer.open()
        shared.tail.follow(copy)
        await shared.tail.catch_up(copy, await shared.tail.ends(self.partition))
        shared.tail.release(self.partition)
        committed = await shared.offsets.committed(self.partition)
        end = await shared.tail.source_end(self.partition)
        self.next_offset = verify(committed, shared.identities, end, f"{shared.topic}[{self.partition}]")
        if committed.offset is not None and copy.position.source > committed.offset:
            copy.restart()
            raise TransactionError(f"Kafka lost commits ({copy.position.source} applied, {committed.offset} known)")
        await shared.source.seek(self.partition, self.next_offset)
        self._gap = None
        self.active = True
        logger.info(
            "partition %d: taken up at offset %d of %d in %.1f s",
            *(self.partition, self.next_offset, end, time.monotonic() - begun),
        )

    async def _work(self) -> None:
        while True:
            while not self._queue and not self._closing.is_set():
                self._wake.clear()
                await self._wake.wait()
            if self._closing.is_set():
                return
            batches = self._take()
            records = [record for batch in batches for record in batch.records if record.offset >= self.next_offset]
            if not records:
                await self._shared.check_log()  # replays, or a new log under the old name
            elif self._in_order(records[0].offset):
                await self._process(records)
            else:
                self._discard()
                await self._shared.source.seek(self.partition, self.next_offset)
            for batch in batches:
                batch.done()

    def _take(self) -> list[Batch]:
        """The queued batches up to `max_batch` records: one transaction costs the same for one as for thousands."""
        taken = [self._queue.popleft()]
        size = len(taken[0].records)
        while self._queue and size + len(self._queue[0].records) <= self._shared.max_batch:
            size += len(self._queue[0].records)
            taken.append(self._queue.popleft())
        if len(self._queue) < QUEUE:
            self._shared.source.resume(self.partition)
        return taken

    def _in_order(self, first: int) -> bool:
        """Whether a batch that starts at `first` may be applied now.

        Offsets may be missing (retention, aborted transactions of another producer), but a batch may also come too
        early, left over from before a failure: so a gap is asked for again, and believed the second time.
        """
        if first == self.next_offset or self._gap == (self.next_offset, first):
            if first != self.next_offset:
                logger.warning("partition %d: the log has no offsets %d to %d", self.partition, self.next_offset, first)
            return True
        self._gap = (self.next_offset, first)
        return False

    async def _process(self, records: Sequence[LogRecord]) -> None:
        assert self._writer is not None
        begun = time.monotonic()
        folded = await self._fold(records)
        found = Output(folded)
        next_offset = records[-1].offset + 1
        ends = await self._writer.commit(found, next_offset, self._shared.mark)
        self.copy.apply(folded, found, ends.latest, ends.removals, next_offset)
        self._shared.step("stored")
        self.next_offset = next_offset
        self._shared.count(folded, len(records), time.monotonic() - begun)

    async def _fold(self, records: Sequence[LogRecord]) -> Folded:
        rules = self._shared.rules
        states: dict[bytes, State] = {}
        parts: list[Folded] = []
        for start in range(0, len(records), SLICE):
            good, bad = read(records[start : start + SLICE], self._log, rules.future_tolerance)
            states.update(self.copy.load([key for key in {record[0] for record in good} if key not in states]))
            part = fold(good, states, self._log, rules)
            part.rejected.extend(bad)
            states.update((key, move[1]) for key, move in part.moves.items())
            parts.append(part)
            await asyncio.sleep(0)
        return join(parts)
