"""Fingerprints made from the store before a partition is owned: they are of what its copy holds, whatever happens to it
in between."""

import asyncio
from collections.abc import Sequence

from processors.compactor.copy import Copy, Identities
from processors.compactor.known import Known
from processors.compactor.memory_store import MemoryStore
from processors.compactor.messages import Output
from processors.compactor.warming import TURN, Warming
from schemas.records import Report
from tests.poll import until_async
from tests.unit.compactor.logs import LOG_ID, RULES, T0, Entry, compact, entry, report

IDENTITIES = Identities(reports=LOG_ID, latest="L", removals="R")


def made() -> Known:
    return Known(RULES.touch_interval, 1 << 16)


def copy_of(store: MemoryStore, known: Known | None = None, latest: str = "L") -> Copy:
    identities = Identities(reports=LOG_ID, latest=latest, removals="R")
    return Copy(store, 0, identities, lambda: T0, 10**12, known)


def holding(*told: Report) -> MemoryStore:
    """A store that holds what these reports make."""
    store = MemoryStore()
    copy_of(store).apply(Output(compact([entry(at, one) for at, one in enumerate(told)], []).whole), 1, 0, len(told))
    return store


async def warmed(store: MemoryStore) -> Known | None:
    warming = Warming(store, made)
    await until_async(lambda: finished(warming), "the store is read")
    await warming.stop()
    return warming.take(0)


async def finished(warming: Warming) -> bool:
    return warming._task.done()


def news(known: Known | None, told: Sequence[Report]) -> list[str]:
    """The selectors that are news."""
    assert known is not None
    entries = [entry(100 + at, one) for at, one in enumerate(told)]
    return [step[1].selector for step in compact(entries, [], known=known).steps[0].news]


async def test_what_the_store_holds_is_not_news() -> None:
    phones = [report(selector=f"S:{number}", calls="c", other=("o", "a")) for number in range(3)]
    known = await warmed(holding(*phones))
    assert news(known, [*phones, report(selector="S:9", calls="c")]) == ["S:9"]
    known = await warmed(holding(*phones))
    assert news(known, [report(selector="S:1", calls="d")]) == ["S:1"]


async def test_what_the_changelog_brings_makes_it_news_again() -> None:
    phones = [report(selector=f"S:{number}", calls="c") for number in range(3)]
    store = holding(*phones)
    copy = copy_of(store, await warmed(store))
    changed = Output(compact([entry(7, report(selector="S:1", calls="d"))], []).whole).latest_values[b"S:1"]
    gone = [Entry(1, T0, b"S:2", None)]
    copy.follow([Entry(0, T0, b"S:1", changed), *gone], [], 9, 0)
    assert news(copy.known, phones) == ["S:1", "S:2"]


async def test_a_copy_that_is_made_again_has_none() -> None:
    store = holding(report(calls="c"))
    assert copy_of(store, await warmed(store), latest="another").known is None


async def test_half_of_it_is_as_good() -> None:
    phones = [report(selector=f"S:{number}", calls="c") for number in range(2 * TURN)]
    warming = Warming(holding(*phones), made)
    await asyncio.wait({warming._task}, timeout=0)  # one turn of the loop
    await asyncio.wait({warming._task}, timeout=0)  # one turn of the loop
    await warming.stop()
    known = warming.take(0)
    assert 0 < len(news(known, phones)) < len(phones)
    assert warming.take(0) is None
