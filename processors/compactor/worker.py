"""One process of the role `compact`: from start to drained stop."""

import asyncio
import contextlib
import gc
import logging
import signal
import sys
from typing import Any, Final

import uvloop
from aiohttp import web
from aiokafka.errors import KafkaError

from processors.compactor.app import CompactorApp, holders, make_app
from processors.compactor.exit_codes import DONE, FAILED, WRONG, WRONG_LOG
from processors.compactor.lookup import Lookup
from processors.compactor.lookup_http import KeyNeededError, make_server, must_have_key
from processors.compactor.metrics import Metrics
from processors.compactor.open_store import open_store
from processors.compactor.ownership import Ownership
from processors.compactor.peers import Peers
from processors.compactor.shared import PartitionsError
from processors.compactor.store import StoreError, StoreFullError
from processors.compactor.table import Table
from processors.compactor.transport import Reports
from processors.compactor.urls import member_url, reached_at
from processors.compactor.writer import Step
from processors.log_identity import LogIdentityError, TopicMissingError
from schemas.kafka_client import following_options
from schemas.logs import set_up
from schemas.pipeline_id import pipeline_id
from schemas.settings import Settings
from schemas.topics import topics

logger: Final = logging.getLogger(__name__)

# Allocations between two runs of the collector. A batch allocates some 20 objects per record and leaves no cycles; with
# Python's 700 the collector took half of the time of a merge (measured: 20,000 against 35,000 new selectors/s).
GC_THRESHOLD: Final = 500_000
# How long a thread may keep the interpreter while another waits. Faust's consumer thread decodes fetches in long runs;
# with Python's 5 ms the merging thread waited that long after every read of the store (rocksdict releases the lock).
SWITCH_SECONDS: Final = 0.0005
STOP_SECONDS: Final = 20.0
CLOSE_SECONDS: Final = 2.0  # for lookups under way


def run_worker(settings: Settings, step: Step) -> int:
    """Run until SIGTERM or SIGINT; returns the exit code. `step` is told about every step of every batch."""
    set_up(settings.log, "compact")
    for chatty in ("aiokafka", "faust", "mode", "processors.compactor.app", "processors.compactor.transport"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    sys.setswitchinterval(SWITCH_SECONDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(Worker(settings, step).run())


class Worker:
    """Everything that one worker is made of."""

    def __init__(self, settings: Settings, step: Step) -> None:
        self._settings, self._step = settings, step
        self._stop = asyncio.Event()
        self._failure: BaseException | None = None
        self._reports = Reports(topics(settings).reports.name)
        self._metrics = Metrics()
        self._metrics.belongs(pipeline_id(settings))
        self._table: Table | None = None
        self._starting: Table | None = None
        self._app: CompactorApp | None = None

    async def run(self) -> int:
        """Start, serve, drain; the exit code."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        try:
            must_have_key(self._settings.lookup)
            await self._serve()
        except StoreFullError as error:
            logger.error("%s", error)
            return FAILED
        except (KeyNeededError, StoreError, TopicMissingError, PartitionsError) as error:
            logger.error("%s", error)
            return WRONG
        except OSError as error:
            logger.error("the lookup port %d cannot be opened: %s", self._settings.lookup.port, error)
            return FAILED
        return self._code()

    def _code(self) -> int:
        if self._failure is None:
            logger.info("stopped")
            return DONE
        if isinstance(self._failure, LogIdentityError):
            logger.error("%s", self._failure)
            return WRONG_LOG
        if isinstance(self._failure, StoreFullError):
            logger.error("%s", self._failure)
        else:
            logger.error("stopped by an error", exc_info=self._failure)
        return FAILED

    def fail(self, error: BaseException) -> None:
        """Stop the worker because of an error that it cannot go on from."""
        if self._failure is None:
            self._failure = error
        self._stop.set()

    async def _serve(self) -> None:
        settings = self._settings
        peers = Peers(settings.lookup)
        lookup = Lookup(self, peers, settings.partition_count, reached_at(member_url(settings)))
        server = web.AppRunner(
            make_server(lookup, settings.lookup, self._metrics, self._not_ready), access_log=None, handle_signals=False
        )
        await server.setup()
        try:
            await web.TCPSite(
                server, settings.lookup.host, settings.lookup.port, shutdown_timeout=CLOSE_SECONDS
            ).start()
            await self._work()
        finally:
            await server.cleanup()
            await peers.close()

    async def _work(self) -> None:
        settings = self._settings
        options = following_options(settings, "compact")
        table = Table(settings, options, open_store(settings), self._reports, self._metrics, self._step, fail=self.fail)
        self._starting = table
        try:
            if await self._first(table.start()):
                self._table = table
                await self._consume(table)
        finally:
            await table.stop()

    async def _first(self, work: Any) -> bool:
        """Do `work` unless the worker is stopped before it is done; returns whether it was done."""
        task, stop = asyncio.ensure_future(work), asyncio.create_task(self._stop.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if task.done():
            task.result()
            return True
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return False

    async def _consume(self, table: Table) -> None:
        app = self._app = make_app(self._settings, self._reports, self.fail)
        app.table = table
        started = asyncio.create_task(app.start())
        started.add_done_callback(self._started)
        watch = asyncio.create_task(self._watch(app))
        await self._stop.wait()
        watch.cancel()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await app.stop()
        except TimeoutError:
            logger.warning("Faust did not stop within %.0f s", STOP_SECONDS)
        started.cancel()
        await asyncio.gather(started, watch, return_exceptions=True)

    def _started(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.fail(error)

    async def _watch(self, app: CompactorApp) -> None:
        """Notice when Faust gives up."""
        await app.wait_until_stopped()
        self.fail(app.crash_reason or RuntimeError("Faust stopped by itself"))

    def _not_ready(self) -> str | None:
        if self._table is None:
            return self._starting.patience.said if self._starting is not None else "starting"
        if not self._table.ready:
            return "the table is being read in"
        if not self.confirmed():
            return "Kafka has not confirmed this worker's membership of late"
        return None

    # The view that lookups have of the table (`processors.compactor.lookup.View`).

    def owner(self, partition: int) -> Ownership | None:
        """The owner of a partition, if it is this worker and it is caught up."""
        return None if self._table is None else self._table.owner(partition)

    async def current(self, owner: Any) -> bool:
        """Whether all is applied that is on the log now."""
        try:
            freshness = None if self._table is None else self._table.freshness
            return freshness is not None and await freshness.current(owner)
        except (KafkaError, OSError, TimeoutError):
            return False

    def lag(self, owner: Any) -> int | None:
        """Records not applied yet."""
        return None if self._table is None or not self.confirmed() else self._table.lag(owner)

    def holders(self) -> dict[int, str]:
        """The URL of the worker that holds each partition."""
        return {} if self._app is None else holders(self._app, topics(self._settings).reports.name)

    def confirmed(self) -> bool:
        """Whether the group's coordinator confirmed this worker within the session timeout."""
        return self._reports.confirmed(self._settings.compact.session_timeout)
