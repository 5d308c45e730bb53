"""One partition while this worker owns it: take it up, then apply batches in order, until it is let go.

Taking up is the one cure for everything that can go wrong: open the transactional producer (which fences and ends
whatever was under way), read the changelog's end, catch up, read the committed offset, and only then process. A batch
that fails is never skipped: the partition is taken up anew and the batch asked for again. While one batch is being
committed, the next is merged (`processors.compactor.flight`).
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Container, Sequence
from typing import TYPE_CHECKING, Final

from aiokafka.errors import KafkaError

from processors.compactor.copy import Copy
from processors.compactor.flight import Flight
from processors.compactor.intake import Batch, Intake
from processors.compactor.merging import Merging
from processors.compactor.messages import Output
from processors.compactor.offsets import mark_of, mark_text, verify
from processors.compactor.reading import Log
from processors.compactor.warmer import end, warm_beside
from processors.compactor.writer import FencedError, TransactionError, Writer
from processors.log_record import LogRecord
from processors.waits import Wait

if TYPE_CHECKING:
    from processors.compactor.shared import Shared

logger: Final = logging.getLogger(__name__)

FIRST_RETRY_SECONDS: Final = 0.2
LAST_RETRY_SECONDS: Final = 5.0
MUCH: Final = 10_000  # changelog records followed while a partition was taken up: fingerprints begin once more then


class Ownership:
    """Owns one partition from `run` to `close`."""

    def __init__(self, copy: Copy, shared: "Shared") -> None:
        self.copy = copy
        self.partition = copy.partition
        self.active = self._at_rest = False
        self.taken_up = False  # it was active once: the copy is complete, or nearly so
        self.next_offset = 0  # all before it is in the table
        self.wait = Wait()
        self._merge_from = 0  # all before it is merged: in the table, or under way
        self._shared = shared
        self._log = Log(shared.identities.reports, copy.partition, shared.partitions)
        self._intake = Intake(copy.partition, shared.source, shared.max_batch)
        self._gap: tuple[int, int] | None = None
        self._writer: Writer | None = None
        self._flight = Flight()
        self._mark = mark_of(shared.identities)
        self._merging: Merging | None = None
        self._output: Output | None = None  # of the batch that is being merged
        self._warming: asyncio.Task[None] | None = None

    @property
    def complete(self) -> bool:
        """Whether the table holds all that it held before a rebuild: only then is an unknown selector unknown."""
        return self.next_offset >= self._mark.until

    @property
    def idle(self) -> bool:
        """Whether nothing that was fetched waits or is being applied."""
        return self._at_rest and self._intake.empty and not self._flight.under_way

    def offer(self, batch: Batch) -> None:
        """Take a fetched batch."""
        self._intake.offer(batch)

    def close(self) -> None:
        """Finish the batches under way, take no other; `run` then returns."""
        self._intake.close()

    async def run(self) -> None:
        """Own the partition until `close`.

        Raises:
            LogIdentityError: the log is not the one that the committed offset belongs to.
        """
        retry = FIRST_RETRY_SECONDS
        while not self._intake.closing.is_set():
            try:
                await self._take_up()
                retry = FIRST_RETRY_SECONDS
                await self._work()
                self._merging = None  # all that it has merged is in the table: its fingerprints may be kept
            except FencedError as error:
                # Whoever fenced us is the owner, or will learn in time that it is not: do not fence it back at once.
                await self._pause(error, self._shared.session_timeout)
            except (TransactionError, KafkaError, TimeoutError, OSError) as error:
                await self._pause(error, retry)
                retry = min(2 * retry, LAST_RETRY_SECONDS)
            finally:
                self.active = False
                self._shared.tail.release(self.partition)
                self._intake.discard()
                await self._give_up()

    async def _pause(self, error: Exception, seconds: float) -> None:
        logger.warning("partition %d: %s; taken up again in %.1f s", self.partition, error, seconds)
        self._shared.metrics.failure()
        self.active = False
        self._intake.discard()
        await self._give_up()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._intake.closing.wait()

    def _moving(self) -> tuple[Container[bytes], ...]:
        """What is merged and not in the store yet."""
        return self._flight.moves, self._output.moves if self._output else ()

    async def _give_up(self) -> None:
        await end(self._warming)
        self._output = None
        if self._merging is not None:
            self._merging = None
            self.copy.warm_anew()  # what is known may be of a batch that failed
        await self._flight.stop()
        if self._writer is not None:
            writer, self._writer = self._writer, None
            await writer.close()

    async def _take_up(self) -> None:
        shared, copy = self._shared, self.copy
        begun = time.monotonic()
        self._warming = asyncio.create_task(warm_beside(copy, shared.warming, self._moving))
        self._writer = shared.writer(self.partition)
        await self._writer.open()
        held = copy.position.latest
        shared.tail.follow(copy)
        await shared.tail.catch_up(copy, await shared.tail.ends(self.partition))
        shared.tail.release(self.partition)
        if copy.position.latest - held > MUCH:
            copy.warming.again()
        committed = await shared.offsets.committed_mark(self.partition)
        log_end = await shared.tail.source_end(self.partition)
        where = f"{shared.topic}[{self.partition}]"
        self.next_offset = verify(committed, shared.identities, log_end, copy.position.log_id, where)
        self._mark = mark_of(shared.identities, committed.mark)
        if copy.position.rebuilt != self._mark.rebuilt:
            copy.restart(self._mark.rebuilt)
            raise TransactionError("a rebuild was asked for: the local copy is made again")
        same_log = copy.position.log_id == shared.identities.reports
        if committed.offset is not None and same_log and copy.position.source > committed.offset:
            copy.restart(self._mark.rebuilt)
            raise TransactionError(f"Kafka lost commits ({copy.position.source} applied, {committed.offset} known)")
        self._merging = Merging(copy, self._log, shared, copy.warming.known)
        self._merge_from = self.next_offset
        await shared.source.seek(self.partition, self.next_offset)
        self._gap = None
        self.active = self.taken_up = True
        logger.info(
            "partition %d: taken up at offset %d of %d in %.1f s",
            *(self.partition, self.next_offset, log_end, time.monotonic() - begun),
        )

    async def _work(self) -> None:
        self._at_rest = True
        while batches := await self._flight.beside(self._intake.take()):
            self._at_rest = False
            await self._work_off(batches)
            self._at_rest = True
        await self._flight.landed()

    async def _work_off(self, batches: Sequence[Batch]) -> None:
        records = [record for batch in batches for record in batch.records if record.offset >= self._merge_from]
        if records and await self._in_order(records[0].offset):
            await self._process(records)
        else:
            if not records:
                await self._shared.check_log()  # replays, or a new log under the old name
            self._intake.discard()
            await self._shared.source.seek(self.partition, self._merge_from)
        for batch in batches:
            batch.done()

    async def _in_order(self, first: int) -> bool:
        """Whether a batch that starts at `first` may be applied now.

        Offsets may be missing (retention, aborted transactions of another producer), but a batch may also have come too
        early, left over from before a failure, and not once only: believing the second one lost records. So a gap is
        asked for again, and if it is there still, Kafka is asked for the first record after it by a separate reader.
        """
        if first == self._merge_from:
            return True
        seen, self._gap = self._gap, (self._merge_from, first)
        if seen != self._gap or await self._shared.first_offset(self.partition, self._merge_from) != first:
            return False
        logger.warning("partition %d: the log has no offsets %d to %d", self.partition, self._merge_from, first - 1)
        return True

    async def _process(self, records: Sequence[LogRecord]) -> None:
        """Merge the records, on top of what is under way, and once that has landed let them be committed."""
        assert self._merging is not None, "the partition is not taken up"
        begun = time.monotonic()
        output = self._output = Output(compress=self._shared.compress)
        await self._merging.fold(records, output, self._flight.moves)
        self._merge_from = records[-1].offset + 1
        if self._flight.under_way:
            self._shared.step("ahead")
            await asyncio.to_thread(output.pack)
            await self._flight.landed()
        self._flight.start(self._finish(output, self._merge_from, len(records), begun), output.moves)
        self._output = None

    async def _finish(self, output: Output, next_offset: int, records: int, begun: float) -> None:
        """Commit a merged batch, and write it to the store."""
        assert self._writer is not None, "the partition is not taken up"
        ends = await self._writer.commit(output, next_offset, mark_text(self._mark))
        self.copy.apply(output, ends.latest, ends.removals, next_offset)
        self._shared.step("stored")
        self.next_offset = next_offset
        self._shared.count(output, records, time.monotonic() - begun, self.wait)
