"""Fingerprints made from the store before a partition is owned: they are of what its copy holds, whatever happens to it
in between."""

import asyncio
from collections.abc import Sequence

import pytest

from processors.compactor import warming
from processors.compactor.copy import Copy, Identities
from processors.compactor.known import Known
from processors.compactor.memory_store import MemoryStore
from processors.compactor.messages import Output
from processors.compactor.warmer import end, warm_before, warm_beside
from processors.compactor.warming import TURN
from schemas.records import Report
from tests.poll import until_async
from tests.unit.compactor.logs import LOG_ID, RULES, T0, Entry, compact, entry, report

IDENTITIES = Identities(reports=LOG_ID, latest="L", removals="R")


def made() -> Known:
    return Known(RULES.touch_interval, 1 << 16)


def copy_of(store: MemoryStore, latest: str = "L") -> Copy:
    identities = Identities(reports=LOG_ID, latest=latest, removals="R")
    return Copy(store, 0, identities, lambda: T0, 10**12, made)


def holding(*told: Report) -> MemoryStore:
    """A store that holds what these reports make."""
    store = MemoryStore()
    copy_of(store).apply(Output(compact([entry(at, one) for at, one in enumerate(told)], []).whole), 1, 0, len(told))
    return store


def warmed(store: MemoryStore) -> Copy:
    copy = copy_of(store)
    while copy.warming.turn():
        pass
    return copy


def news(copy: Copy, told: Sequence[Report]) -> list[str]:
    """The selectors that are news."""
    entries = [entry(100 + at, one) for at, one in enumerate(told)]
    return [step[1].selector for step in compact(entries, [], known=copy.warming.known).steps[0].news]


def phones(count: int) -> list[Report]:
    return [report(selector=f"S:{number}", calls="c", other=("o", "a")) for number in range(count)]


def test_what_the_store_holds_is_not_news() -> None:
    assert news(warmed(holding(*phones(3))), [*phones(3), report(selector="S:9", calls="c")]) == ["S:9"]
    assert news(warmed(holding(*phones(3))), [report(selector="S:1", calls="d")]) == ["S:1"]


def test_what_the_changelog_brings_makes_it_news_again() -> None:
    copy = warmed(holding(*phones(3)))
    changed = Output(compact([entry(7, report(selector="S:1", calls="d"))], []).whole).latest_values[b"S:1"]
    copy.follow([Entry(0, T0, b"S:1", changed), Entry(1, T0, b"S:2", None)], [], 9, 0)
    assert news(copy, phones(3)) == ["S:1", "S:2"]


def test_a_copy_that_is_made_again_knows_nothing() -> None:
    store = holding(*phones(1))
    warmed(store)
    assert news(copy_of(store, latest="another"), phones(1)) == ["S:0"]
    copy = warmed(holding(*phones(1)))
    copy.restart()
    assert not copy.warming.turn()
    assert news(copy, phones(1)) == ["S:0"]


def test_half_of_it_is_as_good() -> None:
    told = phones(2 * TURN)
    copy = copy_of(holding(*told))
    assert copy.warming.turn()
    assert TURN <= len(news(copy, told)) < 1.1 * TURN  # where four have one place, one gives way


def test_what_moves_is_left_out_and_what_was_written_meanwhile_is_as_it_is_now(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(warming, "TURN", 4)
    told = phones(8)
    copy = copy_of(holding(*told))
    assert copy.warming.turn({b"S:1": None, b"S:2": None}, {b"S:3"})
    changed = [entry(8, report(selector="S:7", calls="d", other=("o", "a")))]
    copy.apply(Output(compact(changed, []).whole), 2, 0, 9)  # its turn has not come yet
    assert copy.warming.turn()
    assert not copy.warming.turn()
    assert news(copy, told) == ["S:1", "S:2", "S:3", "S:7"]


def test_it_can_begin_again_and_a_broken_value_is_passed_over() -> None:
    store = holding(*phones(3))
    copy = copy_of(store)
    store._partitions[0].latest[b"S:1"] = b"{"
    while copy.warming.turn():
        pass
    assert news(copy, phones(3)) == ["S:1"]
    store._partitions[0].latest[b"S:1"] = store._partitions[0].latest[b"S:0"].replace(b"S:0", b"S:1")
    copy.warming.again()
    assert copy.warming.turn()
    assert news(copy, phones(3)) == []


async def test_before_the_work_and_beside_it() -> None:
    copies = [warmed(MemoryStore()), copy_of(holding(*phones(3)))]
    await warm_before(copies)
    assert news(copies[1], phones(3)) == []
    copy = copy_of(holding(*phones(3)))
    beside = asyncio.create_task(warm_beside(copy, asyncio.Lock(), lambda: ({b"S:1": None},)))

    async def known() -> bool:
        return news(copy, phones(3)) == ["S:1"]

    await until_async(known, "two of three are known")
    await end(beside)
    assert beside.cancelled()
