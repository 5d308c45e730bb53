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
from processors.sink.batch import Gathering, limits
from processors.sink.erasures import Erasures
from processors.sink.flushes import Flushes
from processors.sink.history import held, recount_to
from processors.sink.landing import Landing, LostLeaseError
from processors.sink.lane import Lane
from processors.sink.metrics import Metrics
from processors.sink.rows import Log, row_maker
from processors.sink.source import Lease, Source
from processors.sink.watch import Watch
from schemas.kafka_client import following_options
from schemas.settings import Settings
from schemas.topics import topics

logger: Final = logging.getLogger(__name__)

POLL_SECONDS: Final = 0.2  # a tail waits at most this long beyond `sink.batch_seconds`
POLL_RECORDS: Final = 5000
REVOKE_SECONDS: Final = 3.0  # a range under way may end before its partition is handed over; else it is repeated
DRAIN_SECONDS: Final = 15.0
# How long polls rest while `sink.batch_bytes` are held, before partitions are paused: that drops what aiokafka fetched.
PATIENCE_SECONDS: Final = 5.0


class Runner(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Moves `reports` to ClickHouse until `stop` is set."""

    def __init__(self, settings: Settings, log_id: str, metrics: Metrics) -> None:
        self._settings, self._metrics = settings, metrics
        self._options = following_options(settings, "sink")
        self._topic = topics(settings).reports.name
        self._log_id = log_id
        self._source = Source(self._options, settings.sink, self._topic, log_id)
        self._clickhouse = AsyncClickHouse(settings, timeout=settings.sink.insert_timeout)
        self._erasures = Erasures(self._clickhouse, settings.clickhouse.database)
        self._watch = Watch(self._source, self._erasures, self._options, metrics)
        self._table = f"{settings.clickhouse.database}.reports"
        self._lanes: dict[int, Lane] = {}
        self._flushes = Flushes(self._over)
        self._fresh: set[int] = set()  # assigned, not taken up yet
        self._lease = Lease(-1, "")
        self._joined = False
        self._paused = False
        self._full_since: float | None = None  # since when `sink.batch_bytes` are held

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop`, then drain.

        Raises:
            LogIdentityError: the log is not the one that the committed offsets belong to.
        """
        await self._source.start(self)
        watch = asyncio.create_task(self._watch.run(self._lanes))
        try:
            while not stop.is_set():
                await self._turn()
                if watch.done():
                    watch.result()
            await self._drain()
        finally:
            watch.cancel()
            await self._flushes.end_all()
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

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Let the ranges under way end if they do so soon; whoever comes next repeats the others."""
        gone = {tp.partition for tp in revoked}
        await self._flushes.end(gone, REVOKE_SECONDS)
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
        if self._full_since is not None and self._flushes and not self._paused:
            await self._flushes.one_over(POLL_SECONDS)
        else:
            await self._gather()
        now = time.monotonic()
        self._start_flushes(now)
        self._relieve(now)
        self._bound_memory(now)

    async def _gather(self) -> None:
        found = await self._source.poll(POLL_SECONDS, POLL_RECORDS)
        now = time.monotonic()
        for partition, records in found.items():
            lane = self._lanes.get(partition)
            if lane is not None:
                lane.gathering.add(records, now)
                await asyncio.sleep(0)

    async def _take_up(self) -> None:
        for partition in sorted(self._fresh):
            lease = self._lease
            try:
                start = await self._source.take_up(partition)
                if not start.known:
                    rows = await held(self._clickhouse, self._table, self._log_id, partition)
                    start = replace(start, recount=recount_to(rows, self._log_id, f"{self._topic}[{partition}]"))
            except (AwayError, RefusedError, KafkaError, TimeoutError, OSError) as error:
                logger.warning("partition %d cannot be taken up yet: %s", partition, type(error).__name__)
                return
            if partition not in self._fresh or lease != self._lease:
                continue  # revoked, or assigned anew, while Kafka was asked
            self._fresh.discard(partition)
            maker = row_maker(self._settings, Log(self._log_id, partition, self._settings.partition_count))
            gathering = Gathering(start, maker, limits(self._settings.sink), self._erasures.holds)
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

    def _start_flushes(self, now: float, *, drain: bool = False) -> None:
        for partition, lane in self._lanes.items():
            if partition in self._flushes:
                continue
            batch = lane.gathering.due(now, drain=drain)
            if batch is not None:
                self._flushes.start(lane, batch)

    def _relieve(self, now: float) -> None:
        """With a backlog, half of `sink.batch_bytes` is held before any batch is old: then the largest one goes as soon
        as an insert may begin, so that ClickHouse works while the next ones are gathered."""
        if not self._flushes.may_insert or self._held() < self._settings.sink.batch_bytes / 2:
            return
        idle = [lane for partition, lane in self._lanes.items() if partition not in self._flushes]
        lane = max(idle, key=lambda lane: lane.gathering.size, default=None)
        if lane is not None and (batch := lane.gathering.due(now, drain=True)) is not None:
            self._flushes.start(lane, batch)

    def _held(self) -> int:
        return sum(lane.gathering.size for lane in self._lanes.values())

    def _over(self, lane: Lane, error: BaseException | None) -> None:
        if error is None or self._lanes.get(lane.partition) is not lane:
            return  # well done, or an earlier lease's
        del self._lanes[lane.partition]
        if isinstance(error, LostLeaseError):
            logger.info("partition %d: %s", lane.partition, error)
        else:
            logger.error("partition %d: the batch failed and is taken up again", lane.partition, exc_info=error)
            self._fresh.add(lane.partition)
            self._source.pause({lane.partition})

    def _bound_memory(self, now: float) -> None:
        """Stop fetching while `sink.batch_bytes` of rows are held, over all partitions; but a range to repeat must get
        whole (it was held once before)."""
        held = self._held()
        self._metrics.buffered.set(held)
        if held >= self._settings.sink.batch_bytes:
            self._full_since = now if self._full_since is None else self._full_since
            repeating = any(lane.gathering.repeating for lane in self._lanes.values())
            if self._paused or repeating or not self._flushes or now - self._full_since > PATIENCE_SECONDS:
                # Every turn anew: a lane may have been taken up, or have finished what it repeats, since the last one.
                self._source.pause({at for at, lane in self._lanes.items() if not lane.gathering.repeating})
                self._paused = True
            return
        self._full_since = None
        if self._paused:
            self._source.resume(set(self._lanes))
            self._paused = False

    async def _drain(self) -> None:
        """Bring what is gathered to ClickHouse, within `DRAIN_SECONDS`; the rest is read again after the next start."""
        end = time.monotonic() + DRAIN_SECONDS
        self._source.pause(set(self._lanes))
        while time.monotonic() < end:
            self._start_flushes(time.monotonic(), drain=True)
            if not self._flushes:
                return
            await self._flushes.all_over(max(0.0, end - time.monotonic()))
