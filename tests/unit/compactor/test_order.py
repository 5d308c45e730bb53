"""Batches that come twice, too early, or after a gap: what an owner makes of each."""

from types import SimpleNamespace
from typing import Any

from faust.types import TP

from processors.compactor.copy import Copy, Identities
from processors.compactor.intake import QUEUE, Batch, Intake
from processors.compactor.memory_store import MemoryStore
from processors.compactor.ownership import Ownership
from processors.compactor.transport import _NoOffsets
from tests.unit.compactor.logs import Entry, entry, report

NOW = Identities(reports="A", latest="L", removals="R")


class Fetching:
    """Stands for the consumer: notes what is asked of it."""

    def __init__(self) -> None:
        self.seeks: list[int] = []
        self.paused: list[bool] = []

    async def seek(self, partition: int, offset: int) -> None:
        self.seeks.append(offset)

    def pause(self, partition: int) -> None:
        self.paused.append(True)

    def resume(self, partition: int) -> None:
        self.paused.append(False)

    def highwater(self, partition: int) -> int | None:
        return None


class Owner(Ownership):
    """An owner that is taken up already, and whose batches only move its offset."""

    def __init__(self, first: int | None) -> None:
        self.fetching = Fetching()
        self.applied: list[int] = []
        self.checked = 0

        async def first_offset(partition: int, at: int) -> int | None:
            return first

        async def check_log() -> None:
            self.checked += 1

        shared: Any = SimpleNamespace(
            identities=NOW,
            partitions=1,
            max_batch=1000,
            source=self.fetching,
            first_offset=first_offset,
            check_log=check_log,
        )
        super().__init__(Copy(MemoryStore(), 0, NOW, lambda: 0, fresh_ms=1), shared)
        self._merge_from = 100

    async def _process(self, records: Any) -> None:
        self.applied += [record.offset for record in records]
        self._merge_from = records[-1].offset + 1

    async def given(self, *batches: tuple[int, int]) -> None:
        """Offer batches of the given offsets (first, last) one by one, and let each be worked off."""
        for first, last in batches:
            self.offer(Batch(records(first, last), lambda: None))
            taken = await self._intake.take()
            await self._work_off(taken)


def records(first: int, last: int) -> list[Entry]:
    return [entry(offset, report()) for offset in range(first, last + 1)]


async def test_batches_in_order_are_applied() -> None:
    owner = Owner(first=None)
    await owner.given((100, 102), (103, 103))
    assert owner.applied == [100, 101, 102, 103]
    assert owner.fetching.seeks == []


async def test_what_was_applied_is_passed_over() -> None:
    owner = Owner(first=None)
    await owner.given((98, 101))
    assert owner.applied == [100, 101]
    await owner.given((98, 101))
    assert (owner.applied, owner.checked, owner.fetching.seeks) == ([100, 101], 1, [102])


async def test_a_batch_that_comes_too_early_is_never_believed_however_often_it_comes() -> None:
    """Regression: the second time it was, and what lay before it was lost (a run of 200,000 lost two lists)."""
    owner = Owner(first=100)
    await owner.given((200, 201), (200, 201), (200, 201))
    assert owner.applied == []
    assert owner.fetching.seeks == [100, 100, 100]
    await owner.given((100, 199), (200, 201))
    assert owner.applied == list(range(100, 202))


async def test_a_gap_that_a_separate_reader_finds_too_is_a_gap() -> None:
    owner = Owner(first=200)
    await owner.given((200, 201))
    assert (owner.applied, owner.fetching.seeks) == ([], [100])
    await owner.given((200, 201))
    assert owner.applied == [200, 201]


async def test_a_gap_is_no_gap_while_kafka_does_not_say() -> None:
    owner = Owner(first=None)
    await owner.given((200, 201), (200, 201))
    assert owner.applied == []


async def test_the_intake_pauses_when_full_and_gives_batches_together() -> None:
    fetching = Fetching()
    intake = Intake(0, fetching, max_records=5)
    for number in range(QUEUE):
        intake.offer(Batch(records(2 * number, 2 * number + 1), lambda: None))
    assert fetching.paused == [True]
    assert [len(batch.records) for batch in await intake.take()] == [2, 2]
    assert fetching.paused == [True, False]


async def test_batches_with_a_gap_between_them_do_not_go_together() -> None:
    """Only the first offset of what goes together is looked at."""
    intake = Intake(0, Fetching(), max_records=1000)
    for first in (0, 2, 6):
        intake.offer(Batch(records(first, first + 1), lambda: None))
    assert [[batch.records[0].offset for batch in await intake.take()] for _ in range(2)] == [[0, 2], [6]]


async def test_a_closed_intake_gives_nothing_and_takes_nothing() -> None:
    done: list[int] = []
    intake = Intake(0, Fetching(), max_records=5)
    intake.offer(Batch(records(0, 1), lambda: done.append(0)))
    intake.close()
    assert await intake.take() == []
    intake.offer(Batch(records(2, 3), lambda: done.append(2)))
    assert done == [2]
    intake.discard()
    assert done == [2, 0]


def test_fausts_read_offsets_never_drop_a_batch() -> None:
    """Regression: after a seek back Faust dropped the list it had been sent back for."""
    offsets, at = _NoOffsets(), TP("reports", 0)
    offsets[at] = 5
    offsets.update({at: 7})
    assert offsets[at] is None
    assert offsets.pop(at, None) is None
