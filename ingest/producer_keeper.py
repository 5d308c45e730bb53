"""Keeps one idempotent producer alive: builds it, watches it, replaces it when it is stuck.

aiokafka 0.14 with idempotence never gives a batch up, and its `stop()` then never ends (design.md section 8). So a
producer whose batch failed or stuck is thrown away, and nothing it was given is ever given to the next one: a record is
sent by one producer only, and that one sends it once.
"""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Final

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.conn import create_conn
from aiokafka.errors import KafkaConnectionError, KafkaError
from msgspec import Struct

from ingest import metrics
from ingest.dispose import REQUEST_SECONDS, dispose
from schemas.kafka_client import client_options
from schemas.kafka_reach import why_not
from schemas.settings import Settings
from schemas.settings_source import SettingsError

log = logging.getLogger(__name__)

_START_SECONDS: Final = 5.0  # one attempt; Kafka on the same network answers in milliseconds
_PAUSES: Final = (0.1, 0.2, 0.5, 1.0)  # seconds between attempts, the last one again and again
_PROBE_SECONDS: Final = 1.0
_EXPLAINED: Final = 10  # of how many failed attempts the reason is looked into: it takes a connection of its own
_USEFUL_SECONDS: Final = 1.0  # a producer given up sooner failed with its first batch: the next may do so too
_BATCH_BYTES: Final = 262_144  # a quarter of the broker's default limit for a batch, message.max.bytes


class Held(Struct, frozen=True):
    """A producer in use; `gone` is done once nothing more can be expected of it."""

    producer: AIOKafkaProducer
    gone: "asyncio.Future[None]"


class WrongTopicError(Exception):
    """The topic is not as the settings say; the text says what to do."""


def make_producer(settings: Settings) -> AIOKafkaProducer:
    """An idempotent producer, acks=all, that is not started yet."""
    return AIOKafkaProducer(
        **client_options(settings, "ingest"),
        acks="all",
        enable_idempotence=True,
        max_batch_size=_BATCH_BYTES,
        request_timeout_ms=round(REQUEST_SECONDS * 1000),
        metadata_max_age_ms=30_000,
    )


class ProducerKeeper:
    """Holds the current producer, or none while Kafka is away."""

    def __init__(
        self, settings: Settings, topic: str, make: Callable[[Settings], AIOKafkaProducer] = make_producer
    ) -> None:
        self._settings = settings
        self._topic = topic
        self._make = make
        self._current: Held | None = None
        self._present = asyncio.Event()
        self._abandoned = asyncio.Event()
        self._disposals: set[asyncio.Task[None]] = set()
        self._answers = True
        self._heard = False  # since the last probe
        self._reason = "no connection to Kafka yet"
        self._task = asyncio.create_task(self._keep())

    @property
    def trouble(self) -> str | None:
        """Why there is no working producer, or None."""
        if self._current is None:
            return self._reason
        return None if self._answers else "Kafka does not answer"

    @property
    def present(self) -> bool:
        """Whether there is a producer to send with."""
        return self._current is not None

    def led(self, place: TopicPartition) -> bool:
        """Whether Kafka names a leader for a partition, as far as the producer knows; True while there is none."""
        if self._current is None:
            return True
        return self._current.producer.client.cluster.leader_for_partition(place) not in (None, -1)

    def refresh(self) -> None:
        """Have the producer ask Kafka for its metadata; returns at once."""
        if self._current is not None:
            self._current.producer.client.force_metadata_update()

    def confirmed(self) -> None:
        """A batch has landed: whatever else is wrong, Kafka is there."""
        self._heard = True

    async def get(self) -> Held:
        """The current producer, as soon as there is one."""
        while self._current is None:
            await self._present.wait()
        return self._current

    def note(self, error: BaseException) -> None:
        """Log why a batch failed (the kind of error only: its text is Kafka's)."""
        log.warning("a batch was not confirmed: %s", type(error).__name__)

    def abandon(self, held: Held) -> None:
        """Never use this producer again; another one will be built."""
        if held is self._current:
            self._reason = "Kafka did not confirm; connecting again"
            self._current = None
            self._present.clear()
            self._abandoned.set()
            self._dispose(held.producer, held.gone)

    async def close(self, timeout: float) -> None:
        """Let go of everything within about `timeout` seconds."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        if self._current is not None:
            held, self._current = self._current, None
            self._present.clear()
            self._dispose(held.producer, held.gone)
        if self._disposals:
            await asyncio.wait(set(self._disposals), timeout=timeout)

    async def _keep(self) -> None:
        failures = 0
        while True:
            failures = 0 if await self._keep_one(failures) else failures + 1
            if failures:
                await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES)) - 1])

    async def _keep_one(self, failures: int) -> bool:
        """Make a producer and keep it until it is given up. False: it was of no use, so the next can wait."""
        loop = asyncio.get_running_loop()
        try:
            producer = self._make(self._settings)
        except Exception as error:  # a certificate that is just being replaced
            await self._failed(error, failures)
            return False
        try:
            await self._start(producer)
        except BaseException as error:
            self._dispose(producer)
            if not isinstance(error, Exception):
                raise
            await self._failed(error, failures)
            return False
        self._current = held = Held(producer, loop.create_future())
        self._answers = True
        self._abandoned.clear()
        self._present.set()
        log.info("connected to Kafka")
        began = loop.time()
        await self._watch(held)
        log.warning("the producer is replaced")
        metrics.producer_replaced()
        return loop.time() - began > _USEFUL_SECONDS

    async def _start(self, producer: AIOKafkaProducer) -> None:
        async with asyncio.timeout(_START_SECONDS):
            await producer.start()
            found = len(await producer.partitions_for(self._topic))
        if found != self._settings.partition_count:
            raise WrongTopicError(
                f"topic {self._topic} has {found} partitions, the settings say {self._settings.partition_count}"
            )

    async def _failed(self, error: Exception, failures: int) -> None:
        if isinstance(error, WrongTopicError | SettingsError):
            said = str(error)
        elif not isinstance(error, KafkaConnectionError):
            said = f"no Kafka ({type(error).__name__}), or no topic {self._topic} (`pushtokens init` makes it)"
        elif failures % _EXPLAINED == 0:
            said = f"no Kafka ({type(error).__name__})"
            with contextlib.suppress(Exception):  # nothing may end the keeper: there is nobody to start it again
                said = await why_not(self._settings, "ingest", create_conn, error)
        else:
            return
        if failures == 0 or said != self._reason:
            log.warning("%s", said)
        self._reason = said

    async def _watch(self, held: Held) -> None:
        """Ask Kafka for its metadata now and then, so that readiness is right without traffic too.

        aiokafka asks the brokers it knows and no others: if all have moved, only a new producer finds them. An ingress
        that is not ready gets no reports to notice it by.
        """
        loop = asyncio.get_running_loop()
        heard = loop.time()
        while not self._abandoned.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PROBE_SECONDS):
                    await self._abandoned.wait()
                    return
            answered, self._heard = self._heard, False
            with contextlib.suppress(TimeoutError, KafkaError, OSError):
                async with asyncio.timeout(_PROBE_SECONDS):
                    answered = bool(await held.producer.client.force_metadata_update()) or answered
            if answered is not self._answers and not self._abandoned.is_set():
                log.warning("Kafka answers again" if answered else "Kafka does not answer")
            self._answers = answered
            if answered:
                heard = loop.time()
            elif loop.time() - heard > self._settings.ingest.stuck_after:
                self.abandon(held)

    def _dispose(self, producer: AIOKafkaProducer, gone: "asyncio.Future[None] | None" = None) -> None:
        task = asyncio.create_task(dispose(producer, gone))
        self._disposals.add(task)
        task.add_done_callback(self._disposals.discard)
