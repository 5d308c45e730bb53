"""The sink under attack: at the end every report has exactly one row, and the lifetimes add up.

SOAK=1 makes the rounds many. A failure prints its seed; `SINK_SEED` repeats it.
"""

import asyncio
import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from deploy.local.clickhouse import LocalClickHouse
from deploy.local.kafka import LocalKafka
from deploy.local.ports import free_port
from deploy.local.process import Process
from processors.clickhouse import AwayError
from schemas.records import Report
from schemas.settings import Settings
from tests.engines import make_settings, running_clickhouse, start_command
from tests.lossy_proxy import LossyProxy
from tests.poll import elapse_async, until, until_async
from tests.sinking import doubled, pairs, prepare, publish, ready, report, tally

SOAK = bool(os.environ.get("SOAK"))
ROUNDS = 20 if SOAK else 3
PER_ROUND = 1500
SETTLE_SECONDS = 90.0  # several session timeouts and backoffs, both cores busy
SEED = int(os.environ.get("SINK_SEED") or random.SystemRandom().randrange(10**6))


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalClickHouse]:
    with running_clickhouse(tmp_path / "clickhouse") as engine:
        yield engine


def _settings(kafka: LocalKafka, tmp_path: Path, port: int, **sink: object) -> Settings:
    given = {"batch_seconds": 0.1, "session_timeout": 6.0, "insert_timeout": 10.0} | sink
    made = make_settings(tmp_path / "data", kafka.bootstrap, f"http://127.0.0.1:{port}")
    return make_settings(
        tmp_path / "data",
        kafka.bootstrap,
        f"http://127.0.0.1:{port}",
        kafka={"bootstrap": kafka.bootstrap, "topic_prefix": made.kafka.topic_prefix},
        sink={"port": free_port()} | given,
        log={"level": "DEBUG"},
    )


def _beside(settings: Settings, port: int) -> Settings:
    """The same pipeline for a second sink, or through another way to ClickHouse."""
    return replace(
        settings,
        sink=replace(settings.sink, port=free_port()),
        clickhouse=replace(settings.clickhouse, url=f"http://127.0.0.1:{port}"),
    )


async def _settled(settings: Settings, sent: list[Report]) -> None:
    async def all_there() -> bool:
        return (await asyncio.to_thread(tally, settings)).places >= len(sent)

    await until_async(all_there, f"all rows (seed {SEED})", SETTLE_SECONDS, bearing=(AwayError, OSError))
    found = tally(settings)
    assert (found.rows, found.places, found.lifetimes) == (len(sent), len(sent), pairs(sent)), (
        f"seed {SEED}; doubled: {doubled(settings)}"
    )


async def test_kills_of_sink_and_engine(kafka: LocalKafka, engine: LocalClickHouse, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    settings = _settings(kafka, tmp_path, engine.port)
    await prepare(settings)
    sent: list[Report] = []
    sink = start_command(settings, tmp_path / "sink-0.log", "sink")
    for turn in range(ROUNDS):
        fresh = [report(number, seed=turn) for number in range(PER_ROUND)]
        sent += fresh
        load = asyncio.create_task(publish(settings, fresh))
        await elapse_async(rng.uniform(0.3, 2.5), "the moment of the kill is random")
        if rng.random() < 0.5:
            engine.kill()
            engine.start(SETTLE_SECONDS)
        else:
            sink.kill()
            sink = start_command(settings, tmp_path / f"sink-{turn + 1}.log", "sink")
        await load
    await _settled(settings, sent)
    sink.stop(20.0)


async def test_lost_answers(kafka: LocalKafka, engine: LocalClickHouse, tmp_path: Path) -> None:
    direct = _settings(kafka, tmp_path, engine.port)
    await prepare(direct)
    proxy = LossyProxy(engine.port, 0.3, SEED)
    sink = start_command(_beside(direct, proxy.port), tmp_path / "sink.log", "sink")
    sent = [report(number, seed=99) for number in range(PER_ROUND * ROUNDS)]
    for start in range(0, len(sent), PER_ROUND):
        await publish(direct, sent[start : start + PER_ROUND])
    await _settled(direct, sent)
    assert proxy.lost > 0
    sink.stop(20.0)
    proxy.close()


async def test_two_sinks_come_and_go_and_one_sleeps(kafka: LocalKafka, engine: LocalClickHouse, tmp_path: Path) -> None:
    settings = _settings(kafka, tmp_path, engine.port)
    other = _beside(settings, engine.port)
    await prepare(settings)
    sent: list[Report] = []
    first = start_command(settings, tmp_path / "first.log", "sink")
    until(lambda: ready(settings), "the first sink is ready")
    for turn in range(ROUNDS):
        fresh = [report(number, seed=turn) for number in range(PER_ROUND)]
        sent += fresh
        load = asyncio.create_task(publish(settings, fresh))
        second = start_command(other, tmp_path / f"second-{turn}.log", "sink")
        await load
        if turn % 2:
            until(lambda: ready(other), "the second sink is ready", SETTLE_SECONDS)
            second.stop(20.0)
        else:
            await _sleep_past_session(first, other, sent, settings)
            second.stop(20.0)
    await _settled(settings, sent)
    first.stop(20.0)


async def _sleep_past_session(sleeper: Process, awake: Settings, sent: list[Report], settings: Settings) -> None:
    """SIGSTOP one sink until the other has everything, then wake it: it must not add a row."""
    assert sleeper.pid is not None
    os.kill(sleeper.pid, signal.SIGSTOP)
    try:
        until(lambda: ready(awake), "the other one is ready", SETTLE_SECONDS)
        await _settled(settings, sent)
    finally:
        os.kill(sleeper.pid, signal.SIGCONT)
