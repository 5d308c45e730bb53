"""Workers join, leave and die, and every role is rolled to the next version and back. Long form only."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cluster.crew import HERE, ROLES, set_up
from tests.cluster.gaps import Gaps
from tests.cluster.previous import unpack
from tests.cluster.stage import Stage, staged
from tests.poll import elapse_async

ROUNDS = 3
TOGETHER_SECONDS = 8.0  # both versions, or three workers, side by side
WORKERS_MOVE = Gaps(ingest=10.0, partition=20.0, lookup=45.0, sink=60.0)


async def come_and_go(stage: Stage, role: str) -> None:
    """A third worker joins, and the first one leaves."""
    first = stage.crew.living(role)[0]
    await asyncio.to_thread(stage.crew.join, role)
    await elapse_async(TOGETHER_SECONDS, "three of them")
    await asyncio.to_thread(stage.crew.remove, first)


async def kill(stage: Stage, role: str) -> None:
    """kill -9 of one of two; it comes back."""
    victim = stage.crew.living(role)[0]
    await asyncio.to_thread(victim.kill)
    await elapse_async(TOGETHER_SECONDS, "the other one has it all")
    await asyncio.to_thread(lambda: victim.start().wait_ready())


async def roll(stage: Stage, code: Path) -> None:
    """Schema first, then one worker of each role, then the other ones."""
    await asyncio.to_thread(set_up, stage.settings, code)
    for _ in range(2):
        for role in ROLES:
            await asyncio.to_thread(stage.crew.roll, stage.crew.living(role)[0], code)
        await elapse_async(TOGETHER_SECONDS, "both versions serve")


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", range(ROUNDS))
async def test_workers_come_and_go(tmp_path: Path, say: Callable[[str], None], number: int) -> None:
    async with staged(tmp_path, say) as stage:
        for role in ROLES:
            await stage.during(f"round {number}: {role} joins, leaves", come_and_go(stage, role), WORKERS_MOVE)
            await stage.during(f"round {number}: {role} is killed", kill(stage, role), WORKERS_MOVE)
        await stage.account()


@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", range(ROUNDS))
async def test_every_role_is_rolled_to_the_next_version_and_back(
    tmp_path: Path, say: Callable[[str], None], number: int
) -> None:
    """The version before starts it all: its topics, its schema, its states on disk and on the log."""
    before = unpack(tmp_path / "before")
    async with staged(tmp_path, say, code=before) as stage:
        await stage.during(f"round {number}: to this version", roll(stage, HERE), WORKERS_MOVE)
        await stage.during(f"round {number}: and back", roll(stage, before), WORKERS_MOVE)
        await stage.during(f"round {number}: and here again", roll(stage, HERE), WORKERS_MOVE)
        await stage.account()
