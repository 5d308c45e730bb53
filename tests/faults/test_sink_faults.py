"""The sink under attack: at the end every report has exactly one row, and each token's life is what it was.

SOAK=1 makes the rounds of every test 20. A failure prints its seed; `SINK_SEED` repeats it.
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
from schemas.records import Pair, Report
from schemas.settings import Settings
from tests.engines import make_settings, running_clickhouse, start_command
from tests.lossy_proxy import LossyProxy
from tests.poll import elapse_async, until, until_async
from tests.sinking import doubled, lives, lives_of, prepare, publish, ready, report, tally

SOAK = bool(os.environ.get("SOAK"))
ROUNDS = 20 if SOAK else 3
PER_ROUND = 1500
SETTLE_SECONDS = 90.0  # several session timeouts and backoffs, both cores busy
SESSION_SECONDS = 6.0  # the broker's default minimum
SEED = int(os.environ.get("SINK_SEED") or random.SystemRandom().randrange(10**6))


pytestmark = pytest.mark.timeout(2400 if SOAK else 300)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[LocalClickHouse]:
    with running_clickhouse(tmp_path / "clickhouse") as engine:
        yield engine


def _settings(kafka: LocalKafka, tmp_path: Path, port: int, **sink: object) -> Settings:
    given = {"batch_seconds": 0.1, "session_timeout": SESSION_SECONDS, "insert_timeout": 10.0} | sink
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


def _load(turn: int) -> list[Report]:
    """Reports whose tokens come again, out of the order of their times, some with another app id, some removals."""
    rng = random.Random(SEED * 1000 + turn)
    made = []
    for number in range(PER_ROUND):
        one = report(number, seed=turn)
        apps = ("com.example.app.pushkit", "com.example.new.pushkit", None)
        made.append(
            replace(
                one,
                kind="removal" if rng.random() < 0.05 else "report",
                received_at=one.received_at + rng.randrange(-10_000, 10_000),
                calls=Pair(f"calls-{rng.randrange(4)}", rng.choice(apps)) if rng.random() < 0.9 else None,
                other=Pair(f"other-{rng.randrange(3)}") if one.other is not None else None,
            )
        )
    return made


async def _settled(settings: Settings, sent: list[Report]) -> None:
    async def all_there() -> bool:
        return (await asyncio.to_thread(tally, settings)).places >= len(sent)

    await until_async(all_there, f"all rows (seed {SEED})", SETTLE_SECONDS, bearing=(AwayError, OSError))
    _exact(settings, sent)


def _exact(settings: Settings, sent: list[Report]) -> None:
    """One row a report; first seen, last seen and number of each token's reports by the plain reference."""
    found = tally(settings)
    assert (found.rows, found.places) == (len(sent), len(sent)), f"seed {SEED}; doubled: {doubled(settings)}"
    there, wanted = lives(settings), lives_of(sent)
    wrong = [
        (life, there.get(life), wanted.get(life))
        for life in there.keys() | wanted
        if there.get(life) != wanted.get(life)
    ]
    assert not wrong, f"seed {SEED}; {len(wrong)} of {len(wanted)} lives are wrong: {wrong[:5]}"


async def test_kills_of_sink_and_engine(kafka: LocalKafka, engine: LocalClickHouse, tmp_path: Path) -> None:
    rng = random.Random(SEED)
    settings = _settings(kafka, tmp_path, engine.port)
    await prepare(settings)
    sent: list[Report] = []
    sink = start_command(settings, tmp_path / "sink-0.log", "sink")
    for turn in range(ROUNDS):
        fresh = _load(turn)
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
    _exact(settings, sent)


async def test_lost_answers(kafka: LocalKafka, engine: LocalClickHouse, tmp_path: Path) -> None:
    """Rounds go on until that many answers to inserts were lost."""
    direct = _settings(kafka, tmp_path, engine.port)
    await prepare(direct)
    proxy = LossyProxy(engine.port, 0.3, SEED)
    sink = start_command(_beside(direct, proxy.port), tmp_path / "sink.log", "sink")
    sent: list[Report] = []
    for turn in range(10 * ROUNDS):
        fresh = _load(turn)
        sent += fresh
        await publish(direct, fresh)
        await _settled(direct, sent)
        if turn + 1 >= ROUNDS and proxy.lost_inserts >= ROUNDS:
            break
    assert proxy.lost_inserts >= ROUNDS
    sink.stop(20.0)
    proxy.close()
    _exact(direct, sent)


async def test_two_sinks_come_and_go(kafka: LocalKafka, engine: LocalClickHouse, tmp_path: Path) -> None:
    """A second sink joins under load in every round, and leaves: asked to, or by a kill."""
    rng = random.Random(SEED)
    settings = _settings(kafka, tmp_path, engine.port)
    other = _beside(settings, engine.port)
    await prepare(settings)
    sent: list[Report] = []
    first = start_command(settings, tmp_path / "first.log", "sink")
    until(lambda: ready(settings), "the first sink is ready", SETTLE_SECONDS)
    for turn in range(ROUNDS):
        fresh = _load(turn)
        sent += fresh
        load = asyncio.create_task(publish(settings, fresh))
        second = start_command(other, tmp_path / f"second-{turn}.log", "sink")
        until(lambda: ready(other), "the second sink is ready", SETTLE_SECONDS)
        await load
        last = _load(1000 + turn)
        sent += last
        load = asyncio.create_task(publish(settings, last))
        await elapse_async(rng.uniform(0.0, 0.5), "the moment of the end is random")
        if turn % 2:
            second.kill()
        else:
            second.stop(20.0)
        await load
    await _settled(settings, sent)
    first.stop(20.0)
    _exact(settings, sent)


async def test_a_sink_sleeps_past_its_session(kafka: LocalKafka, engine: LocalClickHouse, tmp_path: Path) -> None:
    """SIGSTOP one of two sinks under load until the other has everything, then wake it: it must not add a row."""
    settings = _settings(kafka, tmp_path, engine.port)
    other = _beside(settings, engine.port)
    await prepare(settings)
    sent: list[Report] = []
    sinks = [
        start_command(settings, tmp_path / "first.log", "sink"),
        start_command(other, tmp_path / "second.log", "sink"),
    ]
    for turn in range(ROUNDS):
        until(lambda: ready(settings) and ready(other), "both sinks are ready", SETTLE_SECONDS)
        sleeper = sinks[turn % 2]
        fresh = _load(turn)
        sent += fresh
        load = asyncio.create_task(publish(settings, fresh))
        await elapse_async(random.Random(SEED + turn).uniform(0.0, 0.5), "the moment of falling asleep is random")
        await _asleep(sleeper, settings, sent, load, _load(2000 + turn))
    sent += (woken := _load(ROUNDS))
    await publish(settings, woken)
    await _settled(settings, sent)
    for sink in sinks:
        sink.stop(20.0)
    _exact(settings, sent)


async def _asleep(
    sleeper: Process, settings: Settings, sent: list[Report], load: asyncio.Task[None], more: list[Report]
) -> None:
    """`more` is published meanwhile, so that the sleeper's partitions have to move before all is there."""
    assert sleeper.pid is not None
    os.kill(sleeper.pid, signal.SIGSTOP)
    try:
        await load
        sent += more
        await publish(settings, more)
        await _settled(settings, sent)
    finally:
        os.kill(sleeper.pid, signal.SIGCONT)
