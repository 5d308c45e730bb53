"""Too few brokers for a write: it is 503 until there are enough again, and nothing is lost. Long form only."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.topics import topics
from tests.cluster.brokers import NODES
from tests.cluster.gaps import Gaps
from tests.cluster.stage import Stage, staged
from tests.poll import elapse_async

ROUNDS = 3
AWAY_SECONDS = 20.0
# As long as they are away, and their start, and what a broker that was lost costs.
AWAY = Gaps(ingest=120.0, partition=120.0, lookup=150.0, sink=150.0)


async def two_away(stage: Stage) -> None:
    """Two of three are killed: no leader is elected, no partition has enough replicas."""
    for number in NODES[1:]:
        await asyncio.to_thread(stage.brokers.kill, number)
    await elapse_async(AWAY_SECONDS, "an outage")
    for number in NODES[1:]:
        await asyncio.to_thread(stage.brokers.spawn, number)
    for number in NODES[1:]:
        await asyncio.to_thread(stage.brokers.wait_ready, number)


async def too_few_in_sync(stage: Stage) -> None:
    """All three have to be in sync, and one is stopped: Kafka refuses with NOT_ENOUGH_REPLICAS."""
    reports = topics(stage.settings).reports
    await stage.brokers.configure(reports.name, reports.config | {"min.insync.replicas": "3"})
    await asyncio.to_thread(stage.brokers.stop, NODES[0])
    before = stage.load.count(503)
    await elapse_async(AWAY_SECONDS, "reports are refused")
    assert stage.load.count(503) > before + 20
    await asyncio.to_thread(stage.brokers.restart, NODES[0])
    await stage.brokers.wait_in_sync()
    await stage.brokers.configure(reports.name, reports.config)


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", range(ROUNDS))
async def test_too_few_brokers(tmp_path: Path, say: Callable[[str], None], number: int) -> None:
    async with staged(tmp_path, say) as stage:
        await stage.during(f"round {number}: two brokers are away", two_away(stage), AWAY)
        await stage.during(f"round {number}: too few replicas in sync", too_few_in_sync(stage), AWAY)
        await stage.account()
