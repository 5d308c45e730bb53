"""The role `sink`: from start to drained stop."""

import asyncio
import gc
import logging
import signal
from typing import Final

import uvloop
from aiohttp import web
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError

from processors.log_identity import LogIdentityError, TopicMissingError, read_log_id
from processors.sink.health import make_server
from processors.sink.metrics import Metrics
from processors.sink.runner import Runner
from schemas.kafka_client import client_options, following_options
from schemas.kafka_reach import why_not
from schemas.logs import set_up
from schemas.pipeline_id import pipeline_id
from schemas.settings import Settings
from schemas.topics import topics

logger: Final = logging.getLogger(__name__)

DONE, FAILED, WRONG, WRONG_LOG = 0, 1, 2, 3
"""Exit codes, as the compactor's. `WRONG_LOG`: an operator has to decide; restarting does not help."""

RETRY_SECONDS: Final = 1.0
# Allocations between two runs of the collector: rows leave no cycles, and Python's 700 made it look all the time.
GC_THRESHOLD: Final = 200_000


def run(settings: Settings) -> int:
    """Run the sink until SIGTERM or SIGINT; returns the exit code.

    Raises:
        SettingsError: Kafka's certificate files cannot be used.
    """
    client_options(settings, "sink")
    set_up(settings.log, "sink")
    for chatty in ("aiokafka", "clickhouse_connect", "httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    gc.set_threshold(GC_THRESHOLD, 20, 20)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_Role(settings).run())


class _Role:
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = asyncio.Event()
        self._metrics = Metrics()
        self._metrics.belongs(pipeline_id(settings))
        self._runner: Runner | None = None
        self._waits_for = "Kafka cannot be asked yet"

    async def run(self) -> int:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        server = make_server(self._metrics, self._not_ready)
        await server.setup()
        try:
            if not await self._listen(server):
                return FAILED
            await self._work()
        except LogIdentityError as error:
            logger.error("%s", error)
            return WRONG_LOG
        except TopicMissingError as error:
            logger.error("%s", error)
            return WRONG
        finally:
            await server.cleanup()
        logger.info("stopped")
        return DONE

    async def _listen(self, server: web.AppRunner) -> bool:
        sink = self._settings.sink
        try:
            await web.TCPSite(server, sink.host, sink.port, shutdown_timeout=1.0).start()
        except OSError as error:
            logger.error("the health port %d cannot be opened: %s", sink.port, error)
            return False
        return True

    async def _work(self) -> None:
        while (log_id := await self._log_id()) is not None:
            self._runner = Runner(self._settings, log_id, self._metrics)
            try:
                return await self._runner.run(self._stop)
            except (KafkaError, TimeoutError) as error:
                self._runner = None
                logger.warning("Kafka went away while the sink joined its group: %s", type(error).__name__)
        return None

    async def _log_id(self) -> str | None:
        """The identity of `reports`, as soon as Kafka says it; None: stopped before that."""
        options, topic = following_options(self._settings, "sink"), topics(self._settings).reports.name
        while not self._stop.is_set():
            try:
                return await read_log_id(options, topic)
            except (KafkaError, TimeoutError, OSError) as error:
                self._waits_for = await why_not(self._settings, "sink", create_conn, error)
                logger.warning("%s; trying again", self._waits_for)
            try:
                async with asyncio.timeout(RETRY_SECONDS):
                    await self._stop.wait()
            except TimeoutError:
                continue
        return None

    def _not_ready(self) -> str | None:
        return self._waits_for if self._runner is None else self._runner.not_ready()
