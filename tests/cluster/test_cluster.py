"""Three brokers, two workers of each role, load: a leader dies, brokers are rolled, one freezes. Nothing is lost."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.topics import topics
from tests.cluster.brokers import NODES
from tests.cluster.gaps import Gaps
from tests.cluster.stage import Stage, staged
from tests.poll import elapse_async

SOAK = bool(os.environ.get("SOAK"))
ROUNDS = 3 if SOAK else 1
AWAY_SECONDS = 15.0  # past the broker's session of 9 s: the others lead its partitions
PAUSE_SECONDS = 75.0 if SOAK else 15.0  # also past every request's time

# Measured on a quiet machine: half of it at most (docs/cluster.md). Kafka alone needs 9 s to give a broker up.
BROKER_LOST = Gaps(ingest=25.0, partition=40.0, lookup=60.0, sink=60.0)
# As lost; but the frozen one may be the active controller: the others wait `controller.socket.timeout.ms` for it,
# 30 s, before a new producer gets its id (InitProducerId).
BROKER_FROZEN = Gaps(ingest=55.0, partition=60.0, lookup=75.0, sink=75.0)
BROKER_STOPPED = Gaps(ingest=15.0, partition=30.0, lookup=60.0, sink=60.0)


async def kill_leader(stage: Stage) -> None:
    """kill -9 of the leader of a partition; it comes back when the others have taken over."""
    brokers, topic = stage.brokers, topics(stage.settings).reports.name
    victim = await brokers.leader_of(topic, 0)
    await asyncio.to_thread(brokers.kill, victim)
    await elapse_async(AWAY_SECONDS, "the others take over")
    assert await brokers.leader_of(topic, 0) != victim
    await asyncio.to_thread(brokers.restart, victim)


async def roll_brokers(stage: Stage) -> None:
    """Each broker in turn, when the last one is in sync again, as an operator does."""
    for number in NODES:
        await asyncio.to_thread(stage.brokers.stop, number)
        await asyncio.to_thread(stage.brokers.restart, number)
        await stage.brokers.wait_in_sync()


async def pause_leader(stage: Stage) -> None:
    """SIGSTOP past its session, then SIGCONT: it wakes up as a leader that is none."""
    victim = await stage.brokers.leader_of(topics(stage.settings).reports.name, 0)
    stage.brokers.pause(victim)
    try:
        await elapse_async(PAUSE_SECONDS, "past its session")
    finally:
        stage.brokers.resume(victim)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", range(ROUNDS))
async def test_brokers_come_and_go(tmp_path: Path, say: Callable[[str], None], number: int) -> None:
    async with staged(tmp_path, say) as stage:
        await stage.during(f"round {number}: a leader is killed", kill_leader(stage), BROKER_LOST)
        await stage.during(f"round {number}: all brokers are rolled", roll_brokers(stage), BROKER_STOPPED)
        await stage.during(f"round {number}: a leader is paused", pause_leader(stage), BROKER_FROZEN)
        await stage.account()
