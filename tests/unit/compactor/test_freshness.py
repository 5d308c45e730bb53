"""What was on the log when a lookup came is applied before it may say "unknown"."""

import asyncio

import pytest

from processors.compactor import freshness as module
from processors.compactor.freshness import Freshness


class Owned:
    """A partition's owner that applies up to `reach` a moment after it is asked."""

    def __init__(self, next_offset: int, *, idle: bool = False) -> None:
        self.partition, self.next_offset, self.active, self._idle = 0, next_offset, True, idle

    @property
    def idle(self) -> bool:
        return self._idle

    def applies(self, offset: int) -> None:
        self.next_offset = offset


class Log:
    """A log whose end is told when `answer` is set."""

    def __init__(self, end: int) -> None:
        self.end, self.asked, self.answer = end, 0, asyncio.Event()

    async def ask(self, partition: int) -> int:
        self.asked += 1
        await self.answer.wait()
        return self.end


@pytest.fixture
def log() -> Log:
    made = Log(7)
    made.answer.set()
    return made


async def test_what_is_applied_already_is_current(log: Log) -> None:
    assert await Freshness(log.ask).current(Owned(7))


async def test_what_is_on_the_log_is_waited_for(log: Log) -> None:
    owner = Owned(3)
    asyncio.get_running_loop().call_later(0.05, owner.applies, 7)
    assert await Freshness(log.ask).current(owner)
    assert owner.next_offset == 7


async def test_not_for_ever(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.1)
    assert not await Freshness(log.ask).current(Owned(3))


async def test_an_owner_that_lost_its_partition_is_not_current(log: Log) -> None:
    owner = Owned(3)
    asyncio.get_running_loop().call_later(0.02, setattr, owner, "active", False)
    assert not await Freshness(log.ask).current(owner)


async def test_markers_at_the_end_of_the_log_are_no_reports(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STILL_SECONDS", 0.05)
    assert await Freshness(log.ask).current(Owned(6, idle=True))


async def test_kafka_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WAIT_SECONDS", 0.05)
    with pytest.raises(TimeoutError):
        await Freshness(Log(7).ask).current(Owned(7))


async def test_many_questions_share_an_answer_but_never_an_older_one() -> None:
    log = Log(7)
    fresh = Freshness(log.ask)
    first = asyncio.create_task(fresh.current(Owned(9)))
    while not log.asked:
        await asyncio.wait({first}, timeout=0)
    others = [asyncio.create_task(fresh.current(Owned(9))) for _ in range(50)]
    await asyncio.wait(others, timeout=0)
    log.answer.set()
    assert all(await asyncio.gather(first, *others))
    assert log.asked == 2
