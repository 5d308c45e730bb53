"""Batches under way: a few inserts at once, one batch of a partition, an end for each."""

import asyncio
from typing import cast

from processors.sink.batch import Batch
from processors.sink.flushes import INSERTS, Flushes
from processors.sink.lane import Lane

BATCH = cast(Batch, None)


class Slow:
    """A lane whose flush lasts until it is told to end."""

    def __init__(self, partition: int) -> None:
        self.partition = partition
        self.begun = False
        self.end = asyncio.Event()
        self.error: Exception | None = None

    async def flush(self, _: Batch) -> None:
        self.begun = True
        await self.end.wait()
        if self.error is not None:
            raise self.error


def started(flushes: Flushes, number: int) -> list[Slow]:
    lanes = [Slow(partition) for partition in range(number)]
    for lane in lanes:
        flushes.start(cast(Lane, lane), BATCH)
    return lanes


async def test_only_so_many_inserts_at_once() -> None:
    flushes = Flushes(lambda lane, error: None)
    lanes = started(flushes, INSERTS + 1)
    assert not flushes.may_insert
    await flushes.one_over(0.01)
    assert [lane.begun for lane in lanes] == [True] * INSERTS + [False]
    lanes[0].end.set()
    await flushes.one_over(5.0)
    assert (len(flushes), 0 in flushes, INSERTS in flushes) == (INSERTS, False, True)
    lanes[1].end.set()
    await flushes.one_over(5.0)
    assert [lane.begun for lane in lanes] == [True] * (INSERTS + 1)
    assert len(flushes) == INSERTS - 1
    await flushes.end_all()
    assert len(flushes) == 0


async def test_what_is_over_is_told() -> None:
    told: list[tuple[int, BaseException | None]] = []
    flushes = Flushes(lambda lane, error: told.append((lane.partition, error)))
    well, badly = started(flushes, 2)
    badly.error = ValueError("what went wrong")
    well.end.set()
    badly.end.set()
    await flushes.all_over(5.0)
    assert sorted(told, key=lambda one: one[0]) == [(0, None), (1, badly.error)]


async def test_an_end_waits_and_then_cancels_and_leaves_the_others() -> None:
    told: list[tuple[int, BaseException | None]] = []
    flushes = Flushes(lambda lane, error: told.append((lane.partition, error)))
    lanes = started(flushes, 2)
    await flushes.one_over(0.01)
    await flushes.end({0, 7}, 0.01)
    assert told == [(0, None)]
    assert (0 in flushes, 1 in flushes) == (False, True)
    lanes[1].end.set()
    await flushes.all_over(5.0)
    assert told == [(0, None), (1, None)]
