"""The embedded broker: its data survives stops and kills, it reaches nobody, and several make a cluster."""

import uuid
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import KafkaError

from deploy.local.jars import ensure, jars_dir
from deploy.local.kafka import LocalKafka
from deploy.local.kafka_tools import TOOLS
from deploy.local.ports import free_port
from tests.engines import START_SECONDS, running_kafka
from tests.poll import until_async


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[LocalKafka]:
    with running_kafka(tmp_path / "kafka") as broker:
        yield broker


async def create(bootstrap: str, topic: str, replicas: int = 1) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        made = await admin.create_topics([NewTopic(topic, 1, replicas)])
        assert [error[1] for error in made.topic_errors] == [0], made
    finally:
        await admin.close()


async def send(bootstrap: str, topic: str, *values: bytes) -> None:
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", enable_idempotence=True) as producer:
        for value in values:
            await producer.send_and_wait(topic, value)


async def read(bootstrap: str, topic: str, count: int) -> list[bytes]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with consumer:
        found: list[bytes] = []

        async def more() -> bool:
            batch = await consumer.getmany(timeout_ms=200)
            found.extend(record.value for records in batch.values() for record in records)
            return len(found) >= count

        await until_async(more, f"{count} records", 30.0)
        return found


async def test_what_was_confirmed_survives_kill_and_stop(broker: LocalKafka) -> None:
    await create(broker.bootstrap, "t")
    await send(broker.bootstrap, "t", b"one")
    cluster = broker.cluster_id()
    broker.kill()
    broker.start(START_SECONDS)
    await send(broker.bootstrap, "t", b"two")
    assert broker.stop()
    broker.start(START_SECONDS)
    assert await read(broker.bootstrap, "t", 2) == [b"one", b"two"]
    assert broker.cluster_id() == cluster


async def test_topics_are_not_made_by_accident(kafka: LocalKafka) -> None:
    name = f"typo-{uuid.uuid4().hex}"
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, request_timeout_ms=2000) as producer:
        with pytest.raises(KafkaError):
            await producer.send_and_wait(name, b"lost")
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka.bootstrap)
    await admin.start()
    try:
        assert name not in await admin.list_topics()
    finally:
        await admin.close()


def test_it_listens_on_loopback_only(kafka: LocalKafka) -> None:
    listening = Path(f"/proc/{kafka.pid}/net/tcp").read_text() + Path(f"/proc/{kafka.pid}/net/tcp6").read_text()
    port = f":{kafka.port:04X} "
    bound = [line.split()[1] for line in listening.splitlines()[1:] if port in line and " 0A " in line]
    assert bound
    assert all(address.split(":")[0] in ("0100007F", "0000000000000000FFFF00000100007F") for address in bound)


async def test_two_brokers_make_a_cluster_and_one_may_die(tmp_path: Path) -> None:
    shared = {"offsets.topic.replication.factor": "2"}
    with ExitStack() as stack:
        first = stack.enter_context(running_kafka(tmp_path / "first", shared))
        second = LocalKafka(tmp_path / "second", free_port(), overrides=shared, node_id=2, follows=first)
        stack.callback(second.kill)
        second.start(START_SECONDS)
        assert second.cluster_id() == first.cluster_id()
        await create(first.bootstrap, "t", replicas=2)
        await send(first.bootstrap, "t", b"one")
        second.kill()
        await send(first.bootstrap, "t", b"two")
        assert await read(first.bootstrap, "t", 2) == [b"one", b"two"]


def test_every_tool_is_in_the_jars() -> None:
    found = {name for jar in ensure(jars_dir()) if "kafka" in jar.name for name in zipfile.ZipFile(jar).namelist()}
    assert [name for name in TOOLS.values() if name.replace(".", "/") + ".class" not in found] == []
