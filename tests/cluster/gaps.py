"""How long each role was away, as its users see it: no report accepted, a fresh one not served, not in ClickHouse.

Partition by partition, and the worst of them counts: while one broker is away the partitions of the others go on.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import pairwise
from typing import Final

import httpx
from msgspec import Struct

from processors.clickhouse import AwayError, ClickHouse
from tests.cluster.crew import Crew
from tests.cluster.load import Accepted, Load
from tests.poll import elapse_async, until_async

LOOKUP_INTERVAL: Final = 0.2  # s between two questions for one partition
SINK_INTERVAL: Final = 0.5
ASK_SECONDS: Final = 3.0  # a lookup ends within `lookup.timeout`, 2 s


class Gaps(Struct, frozen=True, kw_only=True):
    """The longest, in seconds: without a 200 from any ingress; without one for some partition; until a report that got
    its 200 was served by the lookup of whichever worker was asked; until it was in ClickHouse."""

    ingest: float
    partition: float
    lookup: float
    sink: float

    def within(self, most: "Gaps") -> bool:
        """Whether none is longer than allowed."""
        return all(getattr(self, name) <= getattr(most, name) for name in self.__struct_fields__)

    def __str__(self) -> str:
        return "; ".join(f"{name} {getattr(self, name):.1f} s" for name in self.__struct_fields__)


def longest(times: Iterable[float], begin: float, end: float) -> float:
    """The longest time between two of `times` (ascending), `begin` and `end`; those outside do not count."""
    inside = [at for at in times if begin <= at <= end]
    return max(later - earlier for earlier, later in pairwise([begin, *inside, end]))


class Watch:
    """Asks after fresh reports, partition by partition, all the time."""

    def __init__(self, crew: Crew, load: Load) -> None:
        self._crew, self._load = crew, load
        self._asked: dict[str, dict[int, Accepted]] = {"lookup": {}, "sink": {}}
        self._served: dict[str, list[tuple[float, Accepted]]] = {"lookup": [], "sink": []}
        self._last: dict[tuple[str, int], Accepted] = {}
        self._turn = 0

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            for partition in range(self._load.partitions):
                group.create_task(self._lookups(partition))
            group.create_task(self._sink())

    def between(self, begin: float, end: float) -> Gaps:
        """The longest gaps between two moments (monotonic, s)."""
        times = [accepted for accepted in self._load.accepted if begin <= accepted.at <= end]
        parts: list[list[float]] = [[] for _ in range(self._load.partitions)]
        for accepted in times:
            parts[accepted.partition].append(accepted.at)
        return Gaps(
            ingest=longest([accepted.at for accepted in times], begin, end),
            partition=max(longest(part, begin, end) for part in parts),
            lookup=self._slowest("lookup", begin, end),
            sink=self._slowest("sink", begin, end),
        )

    async def settled(self, since: float, seconds: float) -> None:
        """Wait until a report accepted after `since` is served and in ClickHouse, for every partition."""

        async def served() -> bool:
            return all(
                {accepted.partition for _, accepted in found if accepted.at > since}
                == set(range(self._load.partitions))
                for found in self._served.values()
            )

        await until_async(served, "fresh reports of every partition are served and in ClickHouse", seconds)

    def _slowest(self, who: str, begin: float, end: float) -> float:
        done = [at - accepted.at for at, accepted in self._served[who] if begin <= at <= end]
        waiting = [end - accepted.at for accepted in self._asked[who].values()]
        return max([*done, *waiting], default=0.0)

    async def _lookups(self, partition: int) -> None:
        async with httpx.AsyncClient(timeout=ASK_SECONDS) as client:
            while True:
                accepted = await self._fresh("lookup", partition)
                while not await self._found(client, accepted.selector):
                    await elapse_async(LOOKUP_INTERVAL, "asked again")
                self._seen("lookup", accepted)
                await elapse_async(LOOKUP_INTERVAL, "the next question")

    async def _found(self, client: httpx.AsyncClient, selector: str) -> bool:
        """Whether the next worker in turn knows a selector."""
        workers = self._crew.living("compact")
        self._turn += 1
        try:
            answer = await client.get(f"{workers[self._turn % len(workers)].url}/v1/selectors/{selector}")
        except httpx.HTTPError:
            return False
        return answer.status_code == 200

    async def _sink(self) -> None:
        with ClickHouse(self._crew.settings) as clickhouse:
            while True:
                await elapse_async(SINK_INTERVAL, "the next question")
                asked = self._asked["sink"]
                for partition, accepted in self._load.newest.items():
                    if partition not in asked and accepted != self._last.get(("sink", partition)):
                        self._ask("sink", accepted)
                try:
                    rows = await asyncio.to_thread(_there, clickhouse, self._crew, list(asked.values()))
                except AwayError:
                    continue
                for accepted in [found for found in asked.values() if found.selector in rows]:
                    self._seen("sink", accepted)

    async def _fresh(self, who: str, partition: int) -> Accepted:
        """The newest report of a partition, not asked after before."""
        while (found := self._load.newest.get(partition)) is None or found == self._last.get((who, partition)):
            await elapse_async(LOOKUP_INTERVAL, "a report is accepted")
        self._ask(who, found)
        return found

    def _ask(self, who: str, accepted: Accepted) -> None:
        self._asked[who][accepted.partition] = self._last[who, accepted.partition] = accepted

    def _seen(self, who: str, accepted: Accepted) -> None:
        self._served[who].append((time.monotonic(), accepted))
        del self._asked[who][accepted.partition]


def _there(clickhouse: ClickHouse, crew: Crew, wanted: Sequence[Accepted]) -> set[str]:
    found = clickhouse.query(
        f"SELECT DISTINCT selector FROM {crew.settings.clickhouse.database}.reports "
        "WHERE selector IN {wanted:Array(String)}",
        {"wanted": [accepted.selector for accepted in wanted]},
    )
    return {str(row[0]) for row in found.rows}


@asynccontextmanager
async def watching(crew: Crew, load: Load) -> AsyncIterator[Watch]:
    """A watch for the length of a block."""
    watch = Watch(crew, load)
    task = asyncio.create_task(watch.run())
    try:
        yield watch
    finally:
        if not task.done():
            task.cancel()
        with suppress(asyncio.CancelledError):
            await task
