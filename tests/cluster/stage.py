"""What every test of the cluster needs: brokers, ClickHouse, workers, load, a watch; disasters one after the other."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from schemas.settings import Settings
from tests.cluster.accounts import settle
from tests.cluster.brokers import Brokers, running_brokers
from tests.cluster.crew import HERE, Crew, running_crew, set_up
from tests.cluster.gaps import Gaps, Watch, watching
from tests.cluster.load import Load, loading
from tests.engines import make_settings, running_clickhouse
from tests.poll import elapse_async

PARTITIONS: Final = 6  # two for each broker and each of three workers
QUIET_SECONDS: Final = 3.0  # of load before each disaster
SETTLED_SECONDS: Final = 120.0


class Stage:
    """A running cluster under load."""

    def __init__(
        self, settings: Settings, brokers: Brokers, crew: Crew, load: Load, watch: Watch, say: Callable[[str], None]
    ) -> None:
        self.settings, self.brokers, self.crew, self.load, self.watch = settings, brokers, crew, load, watch
        self.say = say
        self.late: list[str] = []

    async def during(self, name: str, disaster: Awaitable[None], most: Gaps) -> None:
        """Let a disaster happen (it returns when it is over), wait until all is well again, and look at the gaps: what
        is longer than `most` allows is for `account` to say, so that the rest is tried as well."""
        await elapse_async(QUIET_SECONDS, "the load goes on undisturbed first")
        begin = time.monotonic()
        await disaster
        over = time.monotonic()
        await self.watch.settled(over, SETTLED_SECONDS)
        await self.brokers.wait_in_sync()
        gaps = self.watch.between(begin, time.monotonic())
        self.say(f"{name}, over after {over - begin:.0f} s; longest gaps: {gaps}")
        if not gaps.within(most):
            self.late.append(f"{name}: {gaps}; allowed: {most}")

    async def account(self) -> None:
        """End the load, and compare all there is.

        Raises:
            AssertionError: a report is lost or doubled, the table or ClickHouse is not right, or a gap was too long.
        """
        await self.load.stop()
        self.say(await settle(self.settings, self.load))
        assert not self.late, self.late


@asynccontextmanager
async def staged(
    directory: Path, say: Callable[[str], None], *, proxied: bool = False, code: Path = HERE
) -> AsyncIterator[Stage]:
    """Brokers, topics and schema, two workers of each role, and load on them; `say` gets each line of the result."""
    async with AsyncExitStack() as stack:
        brokers = await asyncio.to_thread(stack.enter_context, running_brokers(directory, proxied=proxied))
        clickhouse = stack.enter_context(running_clickhouse(directory / "clickhouse"))
        settings = make_settings(
            directory / "data", brokers.bootstrap, clickhouse.url, partitions=PARTITIONS, replication_factor=3
        )
        await asyncio.to_thread(set_up, settings, code)
        crew = await asyncio.to_thread(stack.enter_context, running_crew(settings, directory / "workers", code))
        ports = lambda: [worker.port for worker in crew.living("ingest")]  # noqa: E731
        load = await stack.enter_async_context(loading(ports, PARTITIONS))
        watch = await stack.enter_async_context(watching(crew, load))
        await watch.settled(time.monotonic(), SETTLED_SECONDS)
        yield Stage(settings, brokers, crew, load, watch, say)
