"""One partition while this worker owns it: take it up, then apply batches in order, until it is let go.

Taking up is the one cure for everything that can go wrong: open the transactional producer (which fences and ends
whatever was under way), read the changelog's end, catch up, read the committed offset, and only then process. A batch
that fails is never skipped: the partition is taken up anew and the batch asked for again.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from aiokafka.errors import KafkaError

from processors.compactor.copy import Copy
from processors.compactor.intake import Batch, Intake
from processors.compactor.merging import Merging
from processors.compactor.messages import Output
from processors.compactor.offsets import mark_of, mark_text, verify
from processors.compactor.reading import Log
from processors.compactor.writer import FencedError, TransactionError, Writer
from processors.log_record import LogRecord

if TYPE_CHECKING:
    from processors.compactor.shared import Shared

logger: Final = logging.getLogger(__name__)

FIRST_RETRY_SECONDS: Final = 0.2
LAST_RETRY_SECONDS: Final = 5.0


class Ownership:
    """Owns one partition from `run` to `close`."""

    def __init__(self, copy: Copy, shared: "Shared") -> None:
        self.copy = copy
        self.partition = copy.partition
        self.active = False
        self._at_rest = False
        self.taken_up = False  # it was active once: the copy is complete, or nearly so
        self.next_offset = 0
        self._shared = shared
        self._log = Log(shared.identities.reports, copy.partition, shared.partitions)
        self._intake = Intake(copy.partition, shared.source, shared.max_batch)
        self._gap: tuple[int, int] | None = None
        self._writer: Writer | None = None
        self._mark = mark_of(shared.identities)
        self._merging: Merging | None = None

    @property
    def complete(self) -> bool:
        """Whether the table holds all that it held before a rebuild: only then is an unknown selector unknown."""
        return self.next_offset >= self._mark.until

    @property
    def idle(self) -> bool:
        """Whether nothing that was fetched waits or is being applied."""
        return self._at_rest and self._intake.empty

    def offer(self, batch: Batch) -> None:
        """Take a fetched batch."""
        self._intake.offer(batch)

    def close(self) -> None:
        """Finish the batch under way, take no other; `run` then returns."""
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

    async def _give_up(self) -> None:
        if self._writer is not None:
            writer, self._writer = self._writer, None
            await writer.close()

    async def _take_up(self) -> None:
        shared, copy = self._shared, self.copy
        begun = time.monotonic()
        self._writer = shared.writer(self.partition)
        await self._writer.open()
        shared.tail.follow(copy)
        await shared.tail.catch_up(copy, await shared.tail.ends(self.partition))
        shared.tail.release(self.partition)
        committed = await shared.offsets.committed_mark(self.partition)
        end = await shared.tail.source_end(self.partition)
        where = f"{shared.topic}[{self.partition}]"
        self.next_offset = verify(committed, shared.identities, end, copy.position.log_id, where)
        self._mark = mark_of(shared.identities, committed.mark)
        if copy.position.rebuilt != self._mark.rebuilt:
            copy.restart(self._mark.rebuilt)
            raise TransactionError("a rebuild was asked for: the local copy is made again")
        same_log = copy.position.log_id == shared.identities.reports
        if committed.offset is not None and same_log and copy.position.source > committed.offset:
            copy.restart(self._mark.rebuilt)
            raise TransactionError(f"Kafka lost commits ({copy.position.source} applied, {committed.offset} known)")
        # New ones: those of before may know of a batch that failed. The copy's own are of what it holds.
        self._merging = Merging(copy, self._log, shared, copy.known or shared.known())
        copy.known = None
        await shared.source.seek(self.partition, self.next_offset)
        self._gap = None
        self.active = self.taken_up = True
        logger.info(
            "partition %d: taken up at offset %d of %d in %.1f s",
            *(self.partition, self.next_offset, end, time.monotonic() - begun),
        )

    async def _work(self) -> None:
        self._at_rest = True
        while batches := await self._intake.take():
            self._at_rest = False
            await self._work_off(batches)
            self._at_rest = True

    async def _work_off(self, batches: Sequence[Batch]) -> None:
        records = [record for batch in batches for record in batch.records if record.offset >= self.next_offset]
        if records and await self._in_order(records[0].offset):
            await self._process(records)
        else:
            if not records:
                await self._shared.check_log()  # replays, or a new log under the old name
            self._intake.discard()
            await self._shared.source.seek(self.partition, self.next_offset)
        for batch in batches:
            batch.done()

    async def _in_order(self, first: int) -> bool:
        """Whether a batch that starts at `first` may be applied now.

        Offsets may be missing (retention, aborted transactions of another producer), but a batch may also have come too
        early, left over from before a failure, and not once only: believing the second one lost records. So a gap is
        asked for again, and if it is there still, Kafka is asked for the first record after it by a separate reader.
        """
        if first == self.next_offset:
            return True
        seen, self._gap = self._gap, (self.next_offset, first)
        if seen != self._gap or await self._shared.first_offset(self.partition, self.next_offset) != first:
            return False
        logger.warning("partition %d: the log has no offsets %d to %d", self.partition, self.next_offset, first - 1)
        return True

    async def _process(self, records: Sequence[LogRecord]) -> None:
        assert self._writer is not None and self._merging is not None, "the partition is not taken up"
        begun = time.monotonic()
        output = Output(compress=self._shared.compress)
        await self._merging.fold(records, output)
        next_offset = records[-1].offset + 1
        ends = await self._writer.commit(output, next_offset, mark_text(self._mark))
        self.copy.apply(output, ends.latest, ends.removals, next_offset)
        self._shared.step("stored")
        self.next_offset = next_offset
        self._shared.count(output, len(records), time.monotonic() - begun)
