"""One partition while this worker owns it: take it up, then apply batches in order, until it is let go.

Taking up is the one cure for everything that can go wrong: open the transactional producer (which fences and ends
whatever was under way), read the changelog's end, catch up, read the committed offset, and only then process. A batch
that fails is never skipped: the partition is taken up anew and the batch asked for again.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Sequence
from typing import TYPE_CHECKING, Final

from aiokafka.errors import KafkaError

from processors.compactor.batch import Folded, fold
from processors.compactor.copy import Copy
from processors.compactor.intake import Batch, Intake
from processors.compactor.messages import Output
from processors.compactor.offsets import mark_of, mark_text, verify
from processors.compactor.reading import Log, Read, read
from processors.compactor.rules import UNCHANGED, State
from processors.compactor.values import Values, decode
from processors.compactor.writer import FencedError, TransactionError, Writer
from processors.log_record import LogRecord

if TYPE_CHECKING:
    from processors.compactor.shared import Shared

logger: Final = logging.getLogger(__name__)

# Records merged in one turn of the event loop, about 3 ms. Every partition takes its turn, and a transaction needs ten
# of them: with 1000, four partitions spent half of the time waiting for each other (20,000 instead of 29,000 a second).
SLICE: Final = 128
# Records read in one turn, about 2 ms. In a pause of the loop the consumer's thread takes Python's lock for 0.5 ms.
READ_SLICE: Final = 1024
CHUNK: Final = 4096  # records whose states are read at once, in a thread: 1 to 5 ms
FIRST_RETRY_SECONDS: Final = 0.2
LAST_RETRY_SECONDS: Final = 5.0


class Ownership:
    """Owns one partition from `run` to `close`."""

    def __init__(self, copy: Copy, shared: "Shared") -> None:
        self.copy = copy
        self.partition = copy.partition
        self.active = False
        self.taken_up = False  # it was active once: the copy is complete, or nearly so
        self.next_offset = 0
        self._shared = shared
        self._log = Log(shared.identities.reports, copy.partition, shared.partitions)
        self._intake = Intake(copy.partition, shared.source, shared.max_batch)
        self._gap: tuple[int, int] | None = None
        self._writer: Writer | None = None
        self._mark = mark_of(shared.identities)
        self._known = shared.known()

    @property
    def complete(self) -> bool:
        """Whether the table holds all that it held before a rebuild: only then is an unknown selector unknown."""
        return self.next_offset >= self._mark.until

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
        self._known, copy.known = copy.known or shared.known(), None
        await shared.source.seek(self.partition, self.next_offset)
        self._gap = None
        self.active = self.taken_up = True
        logger.info(
            "partition %d: taken up at offset %d of %d in %.1f s",
            *(self.partition, self.next_offset, end, time.monotonic() - begun),
        )

    async def _work(self) -> None:
        while batches := await self._intake.take():
            await self._work_off(batches)

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
        assert self._writer is not None
        begun = time.monotonic()
        output = Output(compress=self._shared.compress)
        await self._fold(records, output)
        next_offset = records[-1].offset + 1
        ends = await self._writer.commit(output, next_offset, mark_text(self._mark))
        self.copy.apply(output, ends.latest, ends.removals, next_offset)
        self._shared.step("stored")
        self.next_offset = next_offset
        self._shared.count(output, len(records), time.monotonic() - begun)

    async def _fold(self, records: Sequence[LogRecord], output: Output) -> None:
        """Merge the records into `output`; the states of what may change something are read in a thread."""
        states: dict[bytes, State] = {}
        for start in range(0, len(records), CHUNK):
            news = await self._news(records[start : start + CHUNK], output)
            if wanted := {record[0] for record in news} - states.keys():
                states.update(decode(await self._load(list(wanted))))
            for at in range(0, len(news), SLICE):
                self._merge(news[at : at + SLICE], states, output)
                await asyncio.sleep(0)

    async def _news(self, records: Sequence[LogRecord], output: Output) -> list[Read]:
        """Those of `records` that may change something; the others are counted."""
        found: list[Read] = []
        moving: set[bytes] = set()
        for at in range(0, len(records), READ_SLICE):
            part = records[at : at + READ_SLICE]
            good, bad = read(part, self._log, self._shared.rules.future_tolerance)
            news = self._known.news(good, moving)
            output.add(Folded({}, [], bad, {UNCHANGED: len(good) - len(news)}))
            found += news
            await asyncio.sleep(0)
        return found

    def _merge(self, records: Sequence[Read], states: dict[bytes, State], output: Output) -> None:
        part = fold(records, states, self._log, self._shared.rules)
        output.add(part)
        after = {key: move[1] for key, move in part.moves.items()}
        self._known.learn(records, states, after)
        states.update(after)

    def _load(self, keys: Sequence[bytes]) -> Awaitable[Values]:
        return asyncio.get_running_loop().run_in_executor(self._shared.readers, self.copy.values, keys)
