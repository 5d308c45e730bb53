"""The sink's loop: poll Kafka, gather rows by partition, let each partition's lane insert; bounded memory and time."""

import asyncio
import logging
import time
from collections.abc import Collection
from functools import partial
from typing import Final

from aiokafka import ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import KafkaError
from msgspec.structs import replace

from processors.clickhouse import AsyncClickHouse, AwayError, RefusedError
from processors.sink.batch import Batch, Gathering, Limits
from processors.sink.erasures import Erasures
from processors.sink.history import held, recount_to
from processors.sink.landing import Landing, LostLeaseError
from processors.sink.lane import Lane
from processors.sink.metrics import Metrics
from processors.sink.rows import Log, RowMaker, hashed, plain
from processors.sink.source import Lease, Source
from processors.sink.watch import Watch
from schemas.kafka_client import client_options
from schemas.settings import Settings
from schemas.topics import topics

logger: Final = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.2  # a tail waits at most this long beyond `sink.batch_seconds`
POLL_RECORDS: Final = 5000
REVOKE_SECONDS: Final = 3.0  # a range under way may end before its partition is handed over; else it is repeated
DRAIN_SECONDS: Final = 15.0
INSERTS: Final = 2  # at a time: one is parsed while the other's answer is on its way


class Runner(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Moves `reports` to ClickHouse until `stop` is set."""

    def __init__(self, settings: Settings, log_id: str, metrics: Metrics) -> None:
        self._settings, self._metrics = settings, metrics
        self._options = client_options(settings, "sink")
        self._topic = topics(settings).reports.name
        self._log_id = log_id
        self._source = Source(self._options, settings.sink, self._topic, log_id)
        self._clickhouse = AsyncClickHouse(settings, timeout=settings.sink.insert_timeout)
        self._erasures = Erasures(self._clickhouse, settings.clickhouse.database)
        self._watch = Watch(self._source, self._erasures, self._options, metrics)
        self._table = f"{settings.clickhouse.database}.reports"
        self._lanes: dict[int, Lane] = {}
        self._flushes: dict[int, asyncio.Task[None]] = {}
        self._fresh: set[int] = set()  # assigned, not taken up yet
        self._lease = Lease(-1, "")
        self._inserts = asyncio.Semaphore(INSERTS)
        self._joined = False
        self._paused = False

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then drain.

        Raises:
            LogIdentityError: the log is not the one that the committed offsets belong to.
        """
        await self._source.start(self)
        watch = asyncio.create_task(self._watch.run(self._next_offsets))
        try:
            while not stop.is_set():
                await self._turn()
                if watch.done():
                    watch.result()
            await self._drain()
        finally:
            watch.cancel()
            await self._end_flushes(set(self._flushes), 0.0)
            await asyncio.gather(watch, return_exceptions=True)
            async with asyncio.timeout(DRAIN_SECONDS):
                await self._source.stop()
                await self._clickhouse.close()

    def not_ready(self) -> str | None:
        """Why the sink cannot do its work now, or None."""
        if not self._joined or self._fresh:
            return "the partitions are being taken up"
        if not self._erasures.known or any(lane.waiting for lane in self._lanes.values()):
            return "ClickHouse or Kafka does not take what is to be written"
        return self._watch.trouble()

    def _next_offsets(self) -> dict[int, int]:
        return {partition: lane.next_offset for partition, lane in self._lanes.items()}

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Let the ranges under way end if they do so soon; whoever comes next repeats the others."""
        gone = {tp.partition for tp in revoked}
        await self._end_flushes(gone, REVOKE_SECONDS)
        for partition in gone:
            self._lanes.pop(partition, None)
            self._fresh.discard(partition)

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Read nothing of a new partition before its recorded range is known."""
        fresh = {tp.partition for tp in assigned}
        for partition in fresh:
            self._lanes.pop(partition, None)  # an earlier lease's
        self._source.pause(fresh)
        self._fresh |= fresh
        self._lease = self._source.lease()
        self._joined = True

    async def _turn(self) -> None:
        """One poll, and what follows from it."""
        if self._fresh and self._erasures.known:
            await self._take_up()
        found = await self._source.poll(POLL_SECONDS, POLL_RECORDS)
        now = time.monotonic()
        for partition, records in found.items():
            lane = self._lanes.get(partition)
            if lane is not None:
                lane.gathering.add(records, now)
                await asyncio.sleep(0)
        self._start_flushes(now)
        self._bound_memory()

    async def _take_up(self) -> None:
        for partition in sorted(self._fresh):
            lease = self._lease
            try:
                start = await self._source.take_up(partition)
                if not start.known:
                    rows = await held(self._clickhouse, self._table, self._log_id, partition)
                    where = f"{self._topic}[{partition}]"
                    start = replace(start, recount=recount_to(rows, self._log_id, where))
            except (AwayError, RefusedError, KafkaError, TimeoutError, OSError) as error:
                logger.warning("partition %d cannot be taken up yet: %s", partition, type(error).__name__)
                return
            if partition not in self._fresh or lease != self._lease:
                continue  # revoked, or assigned anew, while Kafka was asked
            self._fresh.discard(partition)
            sink = self._settings.sink
            limits = Limits(size=sink.batch_bytes, records=sink.batch_records, seconds=sink.batch_seconds)
            gathering = Gathering(start, self._row_maker(partition), limits, self._erasures.holds)
            lane = Lane(
                self._topic,
                self._log_id,
                partition,
                gathering,
                partial(self._source.commit, lease),
                partial(Landing, self._clickhouse, self._settings.clickhouse.database),
                self._metrics,
            )
            lane.next_offset = start.offset
            self._lanes[partition] = lane
            self._source.resume({partition})

    def _row_maker(self, partition: int) -> RowMaker:
        settings = self._settings
        key = settings.clickhouse.token_hash_key.reveal()
        form = hashed(key) if settings.clickhouse.token_storage == "hash" else plain
        tolerance = round(settings.compact.future_tolerance * 1000)
        return RowMaker(Log(self._log_id, partition, settings.partition_count), tolerance, form)

    def _start_flushes(self, now: float, *, drain: bool = False) -> None:
        for partition, lane in self._lanes.items():
            if partition in self._flushes:
                continue
            batch = lane.gathering.due(now, drain=drain)
            if batch is not None:
                task = asyncio.create_task(self._flush(lane, batch))
                self._flushes[partition] = task
                task.add_done_callback(partial(self._over, lane))

    async def _flush(self, lane: Lane, batch: Batch) -> None:
        async with self._inserts:
            await lane.flush(batch)

    def _over(self, lane: Lane, task: asyncio.Task[None]) -> None:
        partition = lane.partition
        if self._flushes.get(partition) is task:
            del self._flushes[partition]
        error = None if task.cancelled() else task.exception()
        if error is None or self._lanes.get(partition) is not lane:
            return  # well done, or an earlier lease's
        del self._lanes[partition]
        if isinstance(error, LostLeaseError):
            logger.info("partition %d: %s", partition, error)
        else:
            logger.error("partition %d: the batch failed and is taken up again", partition, exc_info=error)
            self._fresh.add(partition)
            self._source.pause({partition})

    def _bound_memory(self) -> None:
        """Stop fetching while `sink.batch_bytes` of rows are held, over all partitions; but a range to repeat must get
        whole (it was held once before)."""
        held = sum(lane.gathering.size for lane in self._lanes.values())
        self._metrics.buffered.set(held)
        if held >= self._settings.sink.batch_bytes:
            # Every turn anew: a lane may have been taken up, or have finished what it repeats, since the last one.
            self._source.pause({at for at, lane in self._lanes.items() if not lane.gathering.repeating})
            self._paused = True
        elif self._paused:
            self._source.resume(set(self._lanes))
            self._paused = False

    async def _end_flushes(self, partitions: set[int], seconds: float) -> None:
        tasks = [self._flushes[partition] for partition in partitions if partition in self._flushes]
        if not tasks:
            return
        _, late = await asyncio.wait(tasks, timeout=seconds)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    async def _drain(self) -> None:
        """Bring what is gathered to ClickHouse, within `DRAIN_SECONDS`; the rest is read again after the next start."""
        end = time.monotonic() + DRAIN_SECONDS
        self._source.pause(set(self._lanes))
        while time.monotonic() < end:
            self._start_flushes(time.monotonic(), drain=True)
            if not self._flushes:
                return
            await asyncio.wait(set(self._flushes.values()), timeout=max(0.0, end - time.monotonic()))
