"""The sink in front of a real Kafka: the contract of every sink, and its own bounds."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import aiokafka
import msgspec
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from aiokafka.producer.message_accumulator import MessageAccumulator
from aiokafka.producer.sender import Sender
from prometheus_client import REGISTRY

from deploy.init import init_topics
from ingest import metrics
from ingest.kafka_sink import KafkaSink
from ingest.producer_keeper import make_producer
from ingest.refusal import BusyError
from ingest.reject_sink import RejectSink, make_reject_producer
from schemas.partition import partition_of
from schemas.settings import Settings
from tests.conftest import SettingsFor
from tests.ingress import records
from tests.poll import elapse_async, until_async
from tests.sink_contract import PARTITIONS, SinkContract, Stage, message


@asynccontextmanager
async def kafka_stage(settings: Settings) -> AsyncIterator[Stage]:
    await init_topics(settings)
    sink = KafkaSink(settings)
    await until_async(lambda: _well(sink), "the sink has a producer")

    async def arrived() -> list[Any]:
        return [
            (found.partition, found.key, found.value, found.headers) for found in await records(settings, "reports")
        ]

    try:
        yield Stage(sink, arrived)
    finally:
        await sink.close(5.0)


async def _well(sink: KafkaSink) -> bool:
    return sink.trouble() is None


class TestKafkaSink(SinkContract):
    @pytest.fixture(autouse=True)
    def _settings(self, settings_for: SettingsFor) -> None:
        self.settings = settings_for(partitions=PARTITIONS)

    def make_stage(self) -> AbstractAsyncContextManager[Stage]:
        return kafka_stage(self.settings)


async def test_too_many_in_flight(settings_for: SettingsFor) -> None:
    async with kafka_stage(settings_for(ingest={"max_in_flight": 10})) as stage:
        waiting = [asyncio.ensure_future(stage.sink.publish(message(number))) for number in range(10)]
        with pytest.raises(BusyError) as caught:
            stage.sink.publish(message(10))
        assert caught.value.status == 503
        await asyncio.gather(*waiting)
        await stage.sink.publish(message(11))
        assert len(await stage.arrived()) == 11


async def test_too_many_bytes_in_flight(settings_for: SettingsFor) -> None:
    async with kafka_stage(settings_for(ingest={"max_in_flight_bytes": 4000})) as stage:
        waiting: list[asyncio.Future[None]] = []
        with pytest.raises(BusyError) as caught:
            for number in range(100):
                waiting.append(asyncio.ensure_future(stage.sink.publish(message(number))))
        assert caught.value.status == 503
        assert 2 <= len(waiting) <= 8
        await asyncio.gather(*waiting)
        assert len(await stage.arrived()) == len(waiting)


async def test_batches_larger_than_one(settings_for: SettingsFor) -> None:
    """More than a batch (256 KiB) waits for one partition: it goes out in several, all confirmed."""
    async with kafka_stage(settings_for(partitions=1)) as stage:
        await asyncio.gather(*(stage.sink.publish(message(number)) for number in range(3000)))
        assert len({value for _, _, value, _ in await stage.arrived()}) == 3000


async def test_a_topic_with_other_partitions_is_trouble(settings_for: SettingsFor) -> None:
    settings = settings_for(partitions=2)
    await init_topics(settings)
    sink = KafkaSink(msgspec.structs.replace(settings, partitions=3))
    try:

        async def said() -> bool:
            return "has 2 partitions, the settings say 3" in (sink.trouble() or "")

        await until_async(said, "the trouble names the partitions")
        with pytest.raises(BusyError):
            await sink.publish(message(1))
    finally:
        await sink.close(1.0)


async def test_a_message_that_times_out_before_it_is_sent_is_never_sent(settings_for: SettingsFor) -> None:
    """A queue behind a batch that does not land: what waited in it is answered 503 and dropped."""
    settings = settings_for(partitions=1, ingest={"confirm_timeout": 0.3, "stuck_after": 3.0})
    await init_topics(settings)
    held, begun = asyncio.Event(), asyncio.Event()
    delayed: list[AIOKafkaProducer] = []

    def slow(given: Settings) -> AIOKafkaProducer:
        producer = make_producer(given)
        send = producer.send_batch

        async def send_batch(*arguments: Any, **named: Any) -> Any:
            begun.set()
            await held.wait()
            return await send(*arguments, **named)

        producer.send_batch = send_batch
        delayed.append(producer)
        return producer

    landed_before = late("confirmed")
    sink = KafkaSink(settings, slow)
    await until_async(lambda: _well(sink), "the sink has a producer")
    first = asyncio.ensure_future(sink.publish(message(1)))
    await begun.wait()  # its batch is closed before the second comes
    second = asyncio.ensure_future(sink.publish(message(2)))
    for each in (first, second):
        with pytest.raises(BusyError) as caught:
            await each
        assert caught.value.status == 503
    assert sink.trouble() is not None
    with pytest.raises(BusyError):
        sink.publish(message(3))
    held.set()
    await until_async(lambda: _well(sink), "the batch has landed")
    await sink.publish(message(4))
    keys = [found.key for found in await records(settings, "reports")]
    await sink.close(5.0)
    assert keys == [b"S1", b"S4"]
    assert len(delayed) == 1
    assert late("confirmed") - landed_before == 1  # the first: answered 503, in the topic all the same


async def test_a_partition_that_does_not_confirm_refuses_at_once_and_the_others_do_not(
    settings_for: SettingsFor,
) -> None:
    settings = settings_for(partitions=2, ingest={"confirm_timeout": 0.3, "stuck_after": 30.0})
    await init_topics(settings)
    held = asyncio.Event()
    each = [[message(at) for at in range(50) if partition_of(message(at).key, 2) == number] for number in range(2)]

    def slow_in_one(given: Settings) -> AIOKafkaProducer:
        producer = make_producer(given)
        send = producer.send_batch

        async def send_batch(batch: Any, topic: str, *, partition: int) -> Any:
            if partition == 0:
                await held.wait()
            return await send(batch, topic, partition=partition)

        producer.send_batch = send_batch
        return producer

    sink = KafkaSink(settings, slow_in_one)
    await until_async(lambda: _well(sink), "the sink has a producer")
    with pytest.raises(BusyError):
        await sink.publish(each[0][0])
    with pytest.raises(BusyError):
        sink.publish(each[0][1])
    await asyncio.gather(*(sink.publish(one) for one in each[1]))
    held.set()
    await until_async(lambda: _well(sink), "the batch has landed")
    await asyncio.gather(*(sink.publish(one) for one in each[0][2:]))
    keys = [(found.partition, found.key) for found in await records(settings, "reports")]
    await sink.close(5.0)
    sent = [(0, one.key) for one in each[0] if one is not each[0][1]] + [(1, one.key) for one in each[1]]
    assert sorted(keys) == sorted(sent)
    for number in range(2):  # in the order in which they came
        assert [key for at, key in keys if at == number] == [key for at, key in sent if at == number]


def late(end: str) -> float:
    """Reports counted as answered 503 and perhaps in the topic."""
    metrics.flush()
    return REGISTRY.get_sample_value("pushtokens_ingest_late_reports_total", {"end": end}) or 0.0


async def test_a_batch_given_up_is_counted_with_its_producer(settings_for: SettingsFor) -> None:
    settings = settings_for(partitions=1)
    await init_topics(settings)
    made: list[AIOKafkaProducer] = []

    def failing(given: Settings) -> AIOKafkaProducer:
        producer = make_producer(given)
        made.append(producer)
        if len(made) == 1:

            async def send_batch(*_: Any, **__: Any) -> Any:
                raise KafkaError("TOKEN")

            producer.send_batch = send_batch
        return producer

    def replaced() -> float:
        return REGISTRY.get_sample_value("pushtokens_ingest_producer_replaced_total") or 0.0

    before = late("given_up"), replaced()
    sink = KafkaSink(settings, failing)
    await until_async(lambda: _well(sink), "the sink has a producer")
    waiting = [asyncio.ensure_future(sink.publish(message(number))) for number in range(3)]
    found = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(each) for each in found] == [BusyError] * 3
    await until_async(lambda: _well(sink), "another producer")
    await sink.publish(message(9))
    await sink.close(5.0)
    assert (late("given_up") - before[0], replaced() - before[1]) == (3, 1)


async def test_a_producer_that_cannot_be_made_is_made_later(settings_for: SettingsFor) -> None:
    """A certificate file that is just being replaced, say: the sinks go on when it is there."""
    settings = settings_for()
    await init_topics(settings)
    failed: list[str] = []

    def made(make: Callable[[Settings], AIOKafkaProducer]) -> Callable[[Settings], AIOKafkaProducer]:
        def attempt(given: Settings) -> AIOKafkaProducer:
            if make.__name__ not in failed:
                failed.append(make.__name__)
                raise FileNotFoundError
            return make(given)

        return attempt

    sink = KafkaSink(settings, made(make_producer))
    rejects = RejectSink(settings, lambda number: None, made(make_reject_producer))
    await until_async(lambda: _well(sink), "the sink has a producer", 10.0)
    await sink.publish(message(1))
    rejects.offer(message(2))
    await rejects.close(10.0)
    await sink.close(5.0)
    assert sorted(failed) == ["make_producer", "make_reject_producer"]
    assert [found.key for found in await records(settings, "reports")] == [b"S1"]
    assert len(await records(settings, "rejected")) == 1


async def test_batches_that_all_fail_do_not_make_producers_without_a_pause(settings_for: SettingsFor) -> None:
    settings = settings_for(partitions=1)
    await init_topics(settings)
    topic = f"{settings.kafka.topic_prefix}.reports"
    admin = AIOKafkaAdminClient(bootstrap_servers=settings.bootstrap)
    await admin.start()
    resource = ConfigResource(ConfigResourceType.TOPIC, topic, {"max.message.bytes": "10"})
    await admin.alter_configs([resource])
    await admin.close()
    made: list[AIOKafkaProducer] = []

    def make(given: Settings) -> AIOKafkaProducer:
        made.append(make_producer(given))
        return made[-1]

    sink = KafkaSink(settings, make)
    await until_async(lambda: _well(sink), "the sink has a producer")
    end = time.monotonic() + 3.0
    while time.monotonic() < end:
        with pytest.raises(BusyError):
            await sink.publish(message(1))
        await elapse_async(0.01, "a refused client waits before it tries again")
    await sink.close(5.0)
    assert 2 <= len(made) <= 8


def test_aiokafka_still_has_the_parts_we_end_by_force() -> None:
    """`ingest.dispose._force` reaches into aiokafka: look there before raising the version pinned here."""
    assert aiokafka.__version__ == "0.14.0"
    assert callable(Sender._fail_all)
    assert isinstance(Sender.sender_task, property)
    for name in ("_pop_batch", "reenqueue", "fail_all"):
        assert callable(getattr(MessageAccumulator, name))
