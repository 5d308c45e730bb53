"""Follows the changelog for the copies of this worker: one assigned, read-committed consumer for all of them.

Standby copies follow all the time; a partition that is being taken over follows until it has reached the end that was
read after the former owner was fenced. The position of a copy is the consumer's, not the last record's: control records
and aborted batches at the end of a log move it too (Faust's recovery waits for ever there).
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError, OffsetOutOfRangeError

from processors.compactor.copy import Copy
from processors.fetched import read_by_ours
from schemas.topics import Topics

logger: Final = logging.getLogger(__name__)

POLL_MS: Final = 200
MAX_RECORDS: Final = 2000  # applied in one turn of the event loop: about 15 ms
FETCH_BYTES: Final = 1024 * 1024  # a partition and request, so that many standby copies do not fill the memory
RETRY_SECONDS: Final = 0.5
PROGRESS_SECONDS: Final = 5.0


class Ends(NamedTuple):
    """End offsets of the two changelog topics of a partition."""

    latest: int
    removals: int


class Tail:
    """The consumer of `latest` and `removals`."""

    def __init__(self, options: Mapping[str, Any], topics: Topics, count: Callable[[int], None]) -> None:
        """Nothing is connected yet; `count` is told how many records were followed."""
        self._options, self._topics, self._count = dict(options), topics, count
        self._copies: dict[int, Copy] = {}
        self._assigned: frozenset[int] = frozenset()
        self._changed = asyncio.Event()
        self._moved = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None
        self._consumer = self._make_consumer()
        # Asks for ends. A broker answers the requests of a connection in turn, and the follower's has nearly always a
        # fetch under way that waits for half a second: taking a partition up took two of these, a lookup's 404 one.
        self._asker = self._make_consumer()
        self._asks = False

    def _make_consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            **self._options,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            isolation_level="read_committed",
            max_partition_fetch_bytes=FETCH_BYTES,
            check_crcs=True,
        )

    async def start(self) -> None:
        """Connect, and follow whatever `follow` names. May be tried again when it failed."""
        if not self._asks:
            await self._asker.start()
            self._asks = True
        await self._consumer.start()
        read_by_ours(self._consumer)
        self._task = asyncio.create_task(self._run(), name="changelog-tail")

    def watch(self, ended: Callable[[asyncio.Task[None]], None]) -> None:
        """Have `ended` called when the following ends, whatever the reason."""
        assert self._task is not None
        self._task.add_done_callback(ended)

    async def stop(self) -> None:
        """Let go of everything."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._consumer.stop()
        await self._asker.stop()

    def follow(self, copy: Copy) -> None:
        """Follow the changelog for this copy from where it stands."""
        self._copies[copy.partition] = copy
        self._changed.set()

    def release(self, partition: int) -> None:
        """Follow no more; the copy is not touched from here on."""
        self._copies.pop(partition, None)
        self._assigned -= {partition}  # what is being fetched for it is older than what its owner writes now
        self._changed.set()

    def following(self) -> frozenset[int]:
        """The partitions that are followed."""
        return frozenset(self._copies)

    def current(self, copy: Copy) -> bool:
        """Whether a followed copy stands at the end of the changelog, as far as the last fetch saw it."""
        if copy.partition not in self._assigned:
            return False
        ends = [self._consumer.last_stable_offset(at) for at in self._at(copy.partition)]
        held = (copy.position.latest, copy.position.removals)
        return all(end is not None and at >= end for at, end in zip(held, ends, strict=True))

    async def ends(self, partition: int) -> Ends:
        """The ends of the partition's changelog now (last stable offsets).

        Raises:
            aiokafka.errors.KafkaError: Kafka cannot be asked now.
        """
        latest, removals = self._at(partition)
        found = await self._asker.end_offsets([latest, removals])
        return Ends(found[latest], found[removals])

    async def source_end(self, partition: int) -> int:
        """The end of the partition of `reports` now.

        Raises:
            aiokafka.errors.KafkaError: Kafka cannot be asked now.
        """
        at = TopicPartition(self._topics.reports.name, partition)
        return int((await self._asker.end_offsets([at]))[at])

    async def catch_up(self, copy: Copy, ends: Ends) -> None:
        """Wait until the copy stands at `ends`; it must be followed. Says how far it is every few seconds."""
        begun = last = time.monotonic()
        start = copy.position.latest + copy.position.removals
        async with self._moved:
            while copy.position.latest < ends.latest or copy.position.removals < ends.removals:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(PROGRESS_SECONDS):
                        await self._moved.wait()
                if time.monotonic() - last >= PROGRESS_SECONDS:
                    last = time.monotonic()
                    _progress(copy, ends, start, last - begun)
        copy.keep()

    async def _run(self) -> None:
        while True:
            try:
                await self._turn()
            except OffsetOutOfRangeError as error:
                for at in error.args[0]:
                    self._restart(at.partition)
            except (KafkaError, OSError) as error:
                logger.warning("the changelog cannot be read now, trying again: %r", error)
                await asyncio.sleep(RETRY_SECONDS)

    def _restart(self, partition: int) -> None:
        copy = self._copies.get(partition)
        if copy is not None:
            logger.error("partition %d: the changelog no longer reaches back to the copy: read again", partition)
            copy.restart()
        self._assigned = frozenset()

    async def _turn(self) -> None:
        self._changed.clear()
        if self._assigned != frozenset(self._copies):
            self._assign()
        if not self._assigned:
            await self._changed.wait()
            return
        found = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=MAX_RECORDS)
        if self._assigned == frozenset(self._copies):
            await self._apply(found)
        else:
            self._assigned = frozenset()  # what was fetched for a released partition is dropped, the others seek back

    def _assign(self) -> None:
        self._assigned = frozenset(self._copies)
        self._consumer.assign([at for partition in self._assigned for at in self._at(partition)])
        for partition, copy in self._copies.items():
            latest, removals = self._at(partition)
            self._consumer.seek(latest, copy.position.latest)
            self._consumer.seek(removals, copy.position.removals)

    async def _apply(self, found: Mapping[TopicPartition, Sequence[Any]]) -> None:
        moved = False
        for partition, copy in list(self._copies.items()):
            latest, removals = self._at(partition)
            next_latest = await self._consumer.position(latest)
            next_removals = await self._consumer.position(removals)
            if (next_latest, next_removals) == (copy.position.latest, copy.position.removals):
                continue
            if self._copies.get(partition) is not copy:
                continue
            puts, gone = found.get(latest, ()), found.get(removals, ())
            copy.follow(puts, gone, next_latest, next_removals)
            self._count(len(puts) + len(gone))
            moved = True
        if moved:
            async with self._moved:
                self._moved.notify_all()

    def _at(self, partition: int) -> tuple[TopicPartition, TopicPartition]:
        return (
            TopicPartition(self._topics.latest.name, partition),
            TopicPartition(self._topics.removals.name, partition),
        )


def _progress(copy: Copy, ends: Ends, start: int, seconds: float) -> None:
    whole = ends.latest + ends.removals - start
    done = copy.position.latest + copy.position.removals - start
    share = 100 * done / max(1, whole)
    logger.info(
        "partition %d: reading the table, %.0f %% of %d records in %.0f s", copy.partition, share, whole, seconds
    )
