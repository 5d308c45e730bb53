"""One partition on its way to ClickHouse: record the range, insert it, commit what comes after, one batch at a time."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Final

from aiokafka.errors import KafkaError

from processors.clickhouse import AwayError
from processors.sink.batch import Batch, Gathering
from processors.sink.landing import Landing, LostLeaseError, Range
from processors.sink.mark import Mark, mark_text
from processors.sink.metrics import Metrics
from processors.waits import Wait

logger: Final = logging.getLogger(__name__)

FIRST_RETRY_SECONDS: Final = 0.2
LAST_RETRY_SECONDS: Final = 10.0

Commit = Callable[[int, int, str], Awaitable[None]]
"""Commits (partition, offset, metadata); raises `LostLeaseError`, or a `KafkaError` or `TimeoutError` for "not now"."""


class Lane:
    """The batches of one partition from `run` until it is cancelled or the lease is lost."""

    def __init__(
        self,
        topic: str,
        log_id: str,
        partition: int,
        gathering: Gathering,
        commit: Commit,
        make_landing: Callable[[Callable[[], Awaitable[None]]], Landing],
        metrics: Metrics,
    ) -> None:
        self.gathering = gathering
        self.partition = partition
        self.waiting = False  # ClickHouse or Kafka is away: readiness is red
        self.next_offset = 0
        self.wait = Wait()
        self._topic, self._log_id = topic, log_id
        self._commit = commit
        self._landing = make_landing(self._record)
        self._metrics = metrics
        self._under_way: Batch | None = None

    async def flush(self, batch: Batch) -> None:
        """Bring one batch to ClickHouse, however long that takes.

        Raises:
            LostLeaseError: the partition is somebody else's now; they repeat the range.
        """
        self._under_way = batch
        retry, begun = FIRST_RETRY_SECONDS, time.monotonic()
        while True:
            try:
                await self._once(batch)
            except (AwayError, KafkaError, TimeoutError, OSError) as error:
                self.waiting = True
                self._metrics.retries.inc()
                logger.warning("partition %d: %s; again in %.1f s", self.partition, _text(error), retry)
                await asyncio.sleep(retry)
                retry = min(2 * retry, LAST_RETRY_SECONDS)
            else:
                break
        self.waiting = False
        self.next_offset = batch.last + 1
        self._metrics.seconds.observe(time.monotonic() - begun)
        if batch.times is not None:
            self.wait.applied(batch.times[1])
            self._metrics.age.observe(self.wait.age(batch.times[0]))
        self.gathering.done()

    async def _once(self, batch: Batch) -> None:
        work = Range(
            log_id=self._log_id,
            topic=self._topic,
            partition=self.partition,
            first=batch.first,
            last=batch.last,
            rows=batch.rows,
        )
        doubtful, batch.doubtful = batch.doubtful, True  # from here on an insert may have happened
        landed = await self._landing.land(work, doubtful=doubtful, recount=batch.recount)
        mark = Mark(log_id=self._log_id, recount=self.gathering.recount_after(batch.last))
        await self._commit(self.partition, batch.last + 1, mark_text(mark))
        self._metrics.rows.inc(landed.rows)
        for why, count in (("refused", landed.refused), ("bad", batch.bad), ("erased", batch.erased)):
            self._metrics.left_out.labels(why).inc(count)

    async def _record(self) -> None:
        """Record the range under way. The group's coordinator takes the commit only from the partition's owner, so this
        is the lease check as well; it happens just before every insert."""
        batch = self._under_way
        assert batch is not None
        recount = self.gathering.recount_after(batch.first - 1)
        mark = Mark(log_id=self._log_id, last=batch.last, recount=recount)
        await self._commit(self.partition, batch.first, mark_text(mark))


def _text(error: BaseException) -> str:
    """What may be logged: our own errors are free of data, of the others only the kind is shown."""
    return str(error) if isinstance(error, AwayError | LostLeaseError) else type(error).__name__
