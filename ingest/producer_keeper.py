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

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from msgspec import Struct

from ingest import metrics
from schemas.kafka_client import client_options
from schemas.settings import Settings

log = logging.getLogger(__name__)

_START_SECONDS: Final = 5.0  # one attempt; Kafka on the same network answers in milliseconds
_PAUSES: Final = (0.1, 0.2, 0.5, 1.0)  # seconds between attempts, the last one again and again
_PROBE_SECONDS: Final = 1.0
_STOP_SECONDS: Final = 1.0
REQUEST_SECONDS: Final = 5.0  # below `stuck_after`: a lost answer is asked for again before the producer is given up
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
        attempt = 0
        while True:
            producer = self._make(self._settings)
            try:
                await self._start(producer)
            except Exception as error:
                self._failed(error, attempt)
                self._dispose(producer)
                await asyncio.sleep(_PAUSES[min(attempt, len(_PAUSES) - 1)])
                attempt += 1
                continue
            except asyncio.CancelledError:
                self._dispose(producer)
                raise
            attempt = 0
            self._current = Held(producer, asyncio.get_running_loop().create_future())
            self._answers = True
            self._abandoned.clear()
            self._present.set()
            log.info("connected to Kafka")
            await self._watch(producer)
            log.warning("the producer is replaced")
            metrics.producer_replaced()

    async def _start(self, producer: AIOKafkaProducer) -> None:
        async with asyncio.timeout(_START_SECONDS):
            await producer.start()
            found = len(await producer.partitions_for(self._topic))
        if found != self._settings.partition_count:
            raise WrongTopicError(
                f"topic {self._topic} has {found} partitions, the settings say {self._settings.partition_count}"
            )

    def _failed(self, error: Exception, attempt: int) -> None:
        missing = f"no Kafka ({type(error).__name__}), or no topic {self._topic} (`pushtokens init` makes it)"
        self._reason = str(error) if isinstance(error, WrongTopicError) else missing
        if attempt == 0:
            log.warning("%s", self._reason)

    async def _watch(self, producer: AIOKafkaProducer) -> None:
        """Ask Kafka for its metadata now and then, so that readiness is right without traffic too."""
        while not self._abandoned.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_PROBE_SECONDS):
                    await self._abandoned.wait()
                    return
            answered = False
            with contextlib.suppress(TimeoutError, KafkaError, OSError):
                async with asyncio.timeout(_PROBE_SECONDS):
                    answered = bool(await producer.client.force_metadata_update())
            if answered is not self._answers and not self._abandoned.is_set():
                log.warning("Kafka answers again" if answered else "Kafka does not answer")
            self._answers = answered

    def _dispose(self, producer: AIOKafkaProducer, gone: "asyncio.Future[None] | None" = None) -> None:
        task = asyncio.create_task(dispose(producer, gone))
        self._disposals.add(task)
        task.add_done_callback(self._disposals.discard)


async def dispose(producer: AIOKafkaProducer, gone: "asyncio.Future[None] | None" = None) -> None:
    """End a producer: by `stop()` if that takes less than a second, else by force, which takes up to 8 s.

    Args:
        producer: nobody may use it any more.
        gone: a future to resolve as soon as nothing more can be expected of it.
    """
    stopping = asyncio.create_task(producer.stop())
    done, _ = await asyncio.wait({stopping}, timeout=_STOP_SECONDS)
    if gone is not None and not gone.done():
        gone.set_result(None)
    if not done:
        await _force(producer)
        stopping.cancel()
    await asyncio.gather(stopping, return_exceptions=True)


async def _force(producer: AIOKafkaProducer) -> None:
    """End what `stop()` waits for. No public way leads there, so a test watches that aiokafka still has these parts."""
    sender = producer._sender.sender_task
    if sender is not None:
        # What it does when a sender fails, fails itself without transactions; nobody is left to be told.
        sender.remove_done_callback(producer._sender._fail_all)
        sender.cancel()
    with contextlib.suppress(TimeoutError, KafkaError, OSError):
        async with asyncio.timeout(_STOP_SECONDS):
            await producer.client.close()
    waited_for = producer.client._md_update_fut
    if waited_for is not None and not waited_for.done():
        waited_for.set_result(False)
    if sender is not None:
        # A connection being opened to a frozen broker lasts for a request timeout.
        await asyncio.wait({sender}, timeout=REQUEST_SECONDS + _STOP_SECONDS)
        if sender.done() and not sender.cancelled():
            sender.exception()
    # `stop()` still waits for the batches. One that was put back for another attempt is missing from the set that its
    # own callback will take it out of.
    books = producer._message_accumulator
    books._pending_batches.update(batch for batches in books._batches.values() for batch in batches)
    for batch in list(books._pending_batches):
        batch.future.cancel()
