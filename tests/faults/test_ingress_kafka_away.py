"""Kafka frozen or killed under load: 503 within 2 s, readiness red, recovery by itself, nothing lost or doubled."""

import asyncio
import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deploy.init import init_topics
from deploy.local.kafka import LocalKafka
from schemas.settings import Settings
from tests.engines import make_settings, running_kafka
from tests.ingress import Ingress, Load, check_promise, loading, running_ingress
from tests.poll import elapse_async, until_async

BUSY_SECONDS = 2.0  # the promise; measured at the client, on a machine that also runs Kafka
RECOVERY_SECONDS = 40.0
RED_SECONDS = 5.0
KILLS = 10 if os.environ.get("SOAK") else 1


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalKafka]:
    """One for these tests: each leaves it running."""
    with running_kafka(tmp_path_factory.mktemp("frozen-kafka")) as kafka:
        yield kafka


def own_settings(tmp_path: Path, broker: LocalKafka, **ingest: object) -> Settings:
    return make_settings(tmp_path / "data", broker.bootstrap, "http://127.0.0.1:9", ingest=ingest)


# An engine dies with the thread that started it, so that thread must outlive the tests.
STARTER = ThreadPoolExecutor(1)


async def start(broker: LocalKafka) -> None:
    await asyncio.get_running_loop().run_in_executor(STARTER, broker.start, 60.0)


def send(broker: LocalKafka, number: int) -> None:
    assert broker.pid is not None
    os.kill(broker.pid, number)


async def seen(load: Load, status: int, more: int) -> None:
    goal = load.count(status) + more

    async def enough() -> bool:
        return load.count(status) >= goal

    await until_async(enough, f"{more} more answers with {status}", RECOVERY_SECONDS)


async def turns(ingress: Ingress, ready: bool, seconds: float) -> None:
    """Wait until readiness is as asked for: it speaks for every partition, the load's answers for some."""

    async def turned() -> bool:
        return await asyncio.to_thread(ingress.ready) is ready

    await until_async(turned, f"readiness is {'green' if ready else 'red'}", seconds)


@pytest.mark.parametrize("seconds_away", [3.0, 9.0])  # before and after the producer is given up
async def test_frozen_kafka(tmp_path: Path, broker: LocalKafka, seconds_away: float) -> None:
    settings = own_settings(tmp_path, broker)
    await init_topics(settings)
    with running_ingress(settings, tmp_path / "ingress.log") as ingress:
        async with loading(ingress.port) as load:
            await seen(load, 200, 500)
            send(broker, signal.SIGSTOP)
            try:
                await seen(load, 503, 30)
                await turns(ingress, ready=False, seconds=RED_SECONDS)
                await elapse_async(seconds_away, "how long Kafka is frozen decides who recovers: producer or its heir")
            finally:
                send(broker, signal.SIGCONT)
            await seen(load, 200, 500)
            await turns(ingress, ready=True, seconds=RECOVERY_SECONDS)
        assert ingress.stop() == 0
    assert load.slowest[503] < BUSY_SECONDS
    assert load.count(None) == 0
    await check_promise(settings, load.answers)


async def test_killed_kafka(tmp_path: Path, broker: LocalKafka) -> None:
    settings = own_settings(tmp_path, broker)
    await init_topics(settings)
    with running_ingress(settings, tmp_path / "ingress.log") as ingress:
        async with loading(ingress.port) as load:
            for _ in range(KILLS):
                await seen(load, 200, 300)
                broker.kill()
                await seen(load, 503, 30)
                await turns(ingress, ready=False, seconds=RED_SECONDS)
                await start(broker)
                await seen(load, 200, 300)
        assert ingress.stop() == 0
    assert load.slowest[503] < BUSY_SECONDS
    await check_promise(settings, load.answers)


async def test_sigterm_while_kafka_is_frozen_ends_in_time(tmp_path: Path, broker: LocalKafka) -> None:
    settings = own_settings(tmp_path, broker, drain_timeout=3.0)
    await init_topics(settings)
    with running_ingress(settings, tmp_path / "ingress.log") as ingress:
        async with loading(ingress.port) as load:
            await seen(load, 200, 100)
            send(broker, signal.SIGSTOP)
            try:
                await seen(load, 503, 10)
                load.stop.set()
                code = await asyncio.to_thread(ingress.stop, 12.0)
            finally:
                send(broker, signal.SIGCONT)
        assert code == 0
    await check_promise(settings, load.answers)


async def test_red_without_traffic(tmp_path: Path, broker: LocalKafka) -> None:
    settings = own_settings(tmp_path, broker)
    await init_topics(settings)
    with running_ingress(settings, tmp_path / "ingress.log") as ingress:
        broker.kill()
        await turns(ingress, ready=False, seconds=10.0)
        await start(broker)
        await turns(ingress, ready=True, seconds=RECOVERY_SECONDS)
