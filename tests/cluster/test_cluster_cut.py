"""One of three brokers is cut off: from its clients, the other brokers, and the controllers. Long form only."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from schemas.topics import topics
from tests.cluster.gaps import Gaps
from tests.cluster.stage import Stage, staged
from tests.poll import elapse_async

ROUNDS = 3
CUT_SECONDS = 60.0  # past the broker's session of 9 s, and past every request's time
CUT_OFF = Gaps(ingest=30.0, partition=45.0, lookup=60.0, sink=75.0)


async def cut_off(stage: Stage) -> None:
    """The leader of a partition falls silent on open connections; later the network is back."""
    victim = await stage.brokers.leader_of(topics(stage.settings).reports.name, 0)
    await asyncio.to_thread(stage.brokers.cut, victim)
    try:
        await elapse_async(CUT_SECONDS, "the others take over")
    finally:
        await asyncio.to_thread(stage.brokers.heal, victim)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", range(ROUNDS))
async def test_a_broker_is_cut_off(tmp_path: Path, say: Callable[[str], None], number: int) -> None:
    async with staged(tmp_path, say, proxied=True) as stage:
        await stage.during(f"round {number}: a leader is cut off", cut_off(stage), CUT_OFF)
        await stage.account()
