"""The table service of one worker: copies of partitions, which of them it owns, and what lookups may be told.

Faust's own Table is not used: its recovery waits for a record at `highwater - 1`, which after a transaction is a
control record that never comes, and it costs a round trip per event (docs/compactor.md has the figures).
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from aiokafka.errors import KafkaError

from processors.compactor.copy import Copy
from processors.compactor.freshness import Freshness
from processors.compactor.intake import Batch, Source
from processors.compactor.metrics import Metrics
from processors.compactor.ownership import Ownership
from processors.compactor.patience import Patience
from processors.compactor.shared import Shared, read_identities
from processors.compactor.store import Store
from processors.compactor.warmer import end, warm_before
from processors.compactor.writer import Step
from schemas.settings import Settings
from schemas.topics import topics

logger: Final = logging.getLogger(__name__)

WATCH_SECONDS: Final = 1.0  # how often the gauges are set
CHECK_SECONDS: Final = 10.0  # how often the topics' identities are compared
KEEP_SECONDS: Final = 600.0  # how often idle copies are marked as current


def _now() -> int:
    return time.time_ns() // 1_000_000


class Table:
    """Started before the first assignment, stopped after the last revocation."""

    def __init__(
        self,
        settings: Settings,
        options: Mapping[str, Any],
        store: Store,
        source: Source,
        metrics: Metrics,
        step: Step,
        fail: Callable[[BaseException], None],
    ) -> None:
        """Nothing is connected yet.

        Args:
            settings, options: all of them; how to reach Kafka.
            store, source, metrics: the storage, closed by `stop`; the consumer of `reports`; where to count.
            step, fail: told about every step of a batch; told what this worker cannot go on from.
        """
        self._settings, self._options, self._store = settings, dict(options), store
        self._source, self._metrics, self._step, self._fail = source, metrics, step, fail
        metrics.watch_disk(settings.data_dir)
        self._copies: dict[int, Copy] = {}
        self._owned: dict[int, Ownership] = {}
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._standby: set[int] = set()
        self.claims = set(store.held())  # of which partitions this worker has a copy that is worth keeping
        self._watcher: asyncio.Task[None] | None = None
        self._shared: Shared | None = None
        self._warming: asyncio.Task[None] | None = None
        self.freshness: Freshness | None = None
        self.patience = Patience(settings)

    async def start(self) -> None:
        """Connect; waits while Kafka is away.

        Raises:
            TopicMissingError: a topic does not exist.
        """
        identities = await self.patience.wait(lambda: read_identities(self._options, topics(self._settings)))
        shared = Shared(self._settings, self._options, identities, self._source, self._metrics, self._step)
        await self.patience.wait(shared.tail.start)
        await self.patience.wait(shared.offsets.start)
        self._shared = shared
        self._warming = asyncio.create_task(warm_before([self._copy(at) for at in self._store.held()]))
        self.freshness = Freshness(shared.tail.source_end)
        shared.tail.watch(self._ended)
        self._watcher = asyncio.create_task(self._watch(), name="table-watch")
        self._watcher.add_done_callback(self._ended)

    async def assign(self, active: set[int], standby: set[int]) -> None:
        """Own `active` from now on, and keep copies of `standby`; whatever was owned before was revoked."""
        shared = self._ready()
        logger.info("assigned partitions %s, copies of %s", sorted(active), sorted(standby - active))
        await self.revoke(self._settings.compact.session_timeout)
        await end(self._warming)
        self._standby = standby - active
        self.claims &= active | standby
        # A copy that comes back after a long time is made anew, so that its age is looked at again.
        self._copies = {at: copy for at, copy in self._copies.items() if at in active | self._standby}
        for partition in shared.tail.following() - self._standby:
            shared.tail.release(partition)
        for partition in self._standby:
            self._copy(partition).warm_anew()  # only an owner needs them
            shared.tail.follow(self._copy(partition))
        for partition in sorted(active):
            owner = Ownership(self._copy(partition), shared)
            self._owned[partition] = owner
            self._tasks[partition] = asyncio.create_task(owner.run(), name=f"partition-{partition}")
            self._tasks[partition].add_done_callback(self._ended)

    def _copy(self, partition: int) -> Copy:
        if partition not in self._copies:
            tombstones = int(self._ready().topics.latest.config["delete.retention.ms"])
            identities = self._ready().identities
            make_known = self._ready().known
            self._copies[partition] = Copy(self._store, partition, identities, _now, tombstones // 2, make_known)
        return self._copies[partition]

    def _ready(self) -> Shared:
        assert self._shared is not None, "the table is not started"
        return self._shared

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._fail(error)

    def offer(self, partition: int, batch: Batch) -> None:
        """Hand a fetched batch to the partition's owner; without one it is done with, and will be fetched again."""
        owner = self._owned.get(partition)
        if owner is None:
            batch.done()
        else:
            owner.offer(batch)

    async def revoke(self, deadline: float) -> None:
        """Finish what is under way within `deadline` seconds, and own nothing any more."""
        tasks = list(self._tasks.values())
        self.claims |= {owner.partition for owner in self._owned.values() if owner.taken_up}
        for partition, owner in self._owned.items():
            owner.close()
            if not owner.active:  # being taken up: there is nothing to finish
                self._tasks[partition].cancel()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=deadline)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._owned.clear()
        self._tasks.clear()

    async def stop(self) -> None:
        """Let go of everything; the copies stay on disk, marked as current."""
        await self.revoke(self._settings.compact.session_timeout)
        await end(self._watcher)
        await end(self._warming)
        if self._shared is not None:
            self._keep(self._current_standbys())
            await self._shared.tail.stop()
            await self._shared.offsets.close()
            self._shared.readers.shutdown()
        self._store.close()

    def owner(self, partition: int) -> Ownership | None:
        """The ownership of a partition, if this worker has it and is caught up."""
        owner = self._owned.get(partition)
        return owner if owner is not None and owner.active else None

    def owners(self) -> list[Ownership]:
        """All partitions that this worker owns and is caught up with."""
        return [owner for owner in self._owned.values() if owner.active]

    def lag(self, owner: Ownership) -> int:
        """How many records of the owner's partition are not applied yet."""
        end = self._source.highwater(owner.partition)
        return 0 if end is None else max(0, end - owner.next_offset)

    @property
    def ready(self) -> bool:
        """Whether every partition that this worker owns is caught up, and the table is started."""
        return self._shared is not None and all(owner.active for owner in self._owned.values())

    async def _watch(self) -> None:
        checked = kept = time.monotonic()
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            ready = self.owners()
            self._metrics.now([(owner.wait, self.lag(owner)) for owner in ready], len(self._owned), len(self._standby))
            now = time.monotonic()
            if now - kept >= KEEP_SECONDS:
                kept = now
                self._keep({owner.partition for owner in ready} | self._current_standbys())
            if now - checked >= CHECK_SECONDS:
                checked = now
                await self._check()

    def _current_standbys(self) -> set[int]:
        return {partition for partition in self._standby if self._ready().tail.current(self._copies[partition])}

    def _keep(self, partitions: set[int]) -> None:
        for partition in partitions:
            self._copies[partition].keep()

    async def _check(self) -> None:
        try:
            await self._ready().check_log()
        except (KafkaError, OSError, TimeoutError) as error:
            logger.warning("the topics' identities cannot be asked now: %r", error)
        except Exception as error:  # LogIdentityError, TopicMissingError: the worker must stop, not this task alone
            self._fail(error)
