"""The report sink in front of Kafka: bounded, with a deadline for every report (design.md sections 3 and 8)."""

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable
from typing import Final

from aiokafka import AIOKafkaProducer

from ingest.lane import Entry, Lane
from ingest.producer_keeper import ProducerKeeper, make_producer
from ingest.record import Message
from ingest.refusal import BusyError
from schemas.partition import partition_of
from schemas.partitions import partitions_of
from schemas.settings import Settings
from schemas.topics import topics

_TICK_SECONDS: Final = 0.05  # how late a deadline may be noticed
_ROUND_SECONDS: Final = 0.05  # one partition that does not land holds the others up for no longer; ten usual rounds
_OVERHEAD: Final = 512  # bytes of objects and headers around a message in memory


class KafkaSink:
    """Publishes to `push-token.reports`; made inside a running loop, closed with `close`."""

    def __init__(self, settings: Settings, make: Callable[[Settings], AIOKafkaProducer] = make_producer) -> None:
        self._ingest = settings.ingest
        self._loop = asyncio.get_running_loop()
        topic = topics(settings).reports.name
        self._keeper = ProducerKeeper(settings, topic, make)
        self._lanes = [
            Lane(topic, partition, self._keeper, self._ingest.stuck_after, self._leave)
            for partition in range(settings.partition_count)
        ]
        self._fresh: list[Entry] = []  # not sorted into lanes yet
        self._stuck = False  # some lane was when last looked
        self._count = 0
        self._bytes = 0
        self._empty = asyncio.Event()
        self._empty.set()
        self._closing = False
        self._work = asyncio.Event()
        self._landed = asyncio.Event()
        self._sending: set[asyncio.Task[None]] = set()
        self._tasks = [asyncio.create_task(self._pump()), asyncio.create_task(self._tick())]

    @property
    def in_flight(self) -> int:
        """Messages handed over and neither confirmed nor given up."""
        return self._count

    @property
    def in_flight_bytes(self) -> int:
        """The memory they hold, as bounded by `max_in_flight_bytes`."""
        return self._bytes

    def publish(self, message: Message) -> Awaitable[None]:
        """As `ReportSink.publish`."""
        if self._closing or not self._keeper.present or (self._stuck and self._lane(message).stuck):
            raise BusyError(503, "Kafka does not confirm reports now", cause="kafka_away")
        size = len(message.key) + len(message.value) + _OVERHEAD
        if self._count >= self._ingest.max_in_flight or self._bytes + size > self._ingest.max_in_flight_bytes:
            raise BusyError(503, "too many reports are waiting for Kafka", cause="in_flight")
        done = self._loop.create_future()
        self._count += 1
        self._empty.clear()
        self._bytes += size
        self._work.set()
        self._fresh.append(Entry(message, size, self._loop.time() + self._ingest.confirm_timeout, done))
        return done

    def trouble(self) -> str | None:
        """As `ReportSink.trouble`."""
        if self._closing:
            return "shutting down"
        if self._keeper.trouble is not None:
            return self._keeper.trouble
        stuck = [str(at) for at, lane in enumerate(self._lanes) if lane.stuck]
        return f"Kafka does not confirm on partition {', '.join(stuck)}" if stuck else None

    async def close(self, timeout: float) -> None:
        """As `ReportSink.close`."""
        self._closing = True
        deadline = self._loop.time() + timeout
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await self._empty.wait()
        tasks = [*self._tasks, *self._sending]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._sort()
        for lane in self._lanes:
            lane.expire(math.inf)
        await self._keeper.close(max(deadline - self._loop.time(), 3.0))

    def _leave(self, entry: Entry) -> None:
        self._count -= 1
        self._bytes -= entry.size
        if not self._count:
            self._empty.set()

    def _lane(self, message: Message) -> Lane:
        return self._lanes[partition_of(message.key, len(self._lanes))]

    def _sort(self) -> None:
        """Put what has come into its lanes: all at once, since a key's partition alone costs thrice as much."""
        fresh, self._fresh = self._fresh, []
        numbers = partitions_of([entry.message.key for entry in fresh], len(self._lanes))
        for entry, number in zip(fresh, numbers, strict=True):
            self._lanes[number].add(entry)

    async def _pump(self) -> None:
        """Begin batches in rounds: all partitions that have something begin together.

        aiokafka has one request under way to a broker. A batch begun meanwhile would sit there, closed, while more
        reports for its partition pile up behind it; so the next round begins when a batch of the last one has landed.
        """
        while True:
            await self._work.wait()
            await asyncio.sleep(0)  # requests of the same turn of the loop share a batch
            held = await self._keeper.get()
            self._work.clear()
            self._landed.clear()
            self._sort()
            for lane in self._lanes:
                if lane.waiting:
                    task = lane.begin(held)
                    self._sending.add(task)
                    task.add_done_callback(self._over)
            if self._sending:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_ROUND_SECONDS):
                        await self._landed.wait()
            if self._fresh or any(lane.waiting for lane in self._lanes):
                self._work.set()

    def _over(self, task: "asyncio.Task[None]") -> None:
        self._sending.discard(task)
        self._landed.set()
        self._work.set()

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            now = self._loop.time()
            self._sort()
            for lane in self._lanes:
                lane.expire(now)
                if lane.unled:
                    self._keeper.refresh()
            self._stuck = any(lane.stuck for lane in self._lanes)
            if any(lane.waiting for lane in self._lanes):  # its leader may be back
                self._work.set()
