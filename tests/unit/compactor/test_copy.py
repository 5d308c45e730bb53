"""A partition's copy: what its owner applied, and what a standby read from the changelog in any order, is the same."""

from collections.abc import Sequence
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from processors.compactor.batch import Folded
from processors.compactor.copy import Copy, Identities
from processors.compactor.memory_store import MemoryStore
from processors.compactor.messages import Output
from processors.compactor.store import Position, Write
from schemas.records import Latest
from tests.unit.compactor.batches import sent
from tests.unit.compactor.logs import T0, Entry, compact, entry, logs, report

IDENTITIES = Identities(reports="log-A", latest="L", removals="R")
NOW = T0 + 1
DAY = 86_400_000


def made(store: MemoryStore, identities: Identities = IDENTITIES, now: int = NOW) -> Copy:
    return Copy(store, 0, identities, clock=lambda: now, fresh_ms=DAY)


def changelog(parts: Sequence[Folded]) -> tuple[list[Entry], list[Entry]]:
    """What the two topics hold after these batches."""
    latest, removals = [], []
    for part in parts:
        found = Output(part)
        latest += [(one.key, one.value) for one in sent(found.latest.take())]
        removals += [(one.key, one.value) for one in sent(found.removals.take())]
    return (
        [Entry(offset, T0, key, value) for offset, (key, value) in enumerate(latest)],
        [Entry(offset, T0, key, value) for offset, (key, value) in enumerate(removals)],
    )


def whole(copy: Copy, keys: list[bytes]) -> dict[str, Any]:
    """Everything that a copy knows."""
    names = ("ann", "bob")
    return {"states": copy.load(keys), "accounts": {name: copy.account(name) for name in names}}


@settings(max_examples=300, deadline=None)
@given(logs(), st.lists(st.integers(1, 5), max_size=6), st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4))))
def test_owner_and_standby_come_to_the_same(
    entries: list[Entry], sizes: list[int], turns: list[tuple[int, int]]
) -> None:
    found = compact(entries, sizes)
    owner = made(MemoryStore())
    for count, part in enumerate(found.parts, 1):
        owner.apply(Output(part), count, count, count)
    standby = made(MemoryStore())
    latest, removals = changelog(found.parts)
    ends = (len(latest), len(removals))
    for some, others in [*turns, ends]:
        read, gone = latest[:some], removals[:others]
        del latest[:some], removals[:others]
        standby.follow(read, gone, ends[0] - len(latest), ends[1] - len(removals))
    keys = list(found.states)
    assert whole(standby, keys) == whole(owner, keys)
    assert (standby.position.latest, standby.position.removals) == ends
    moved = any(part.moves for part in found.parts)
    assert standby.position.log_id == owner.position.log_id == ("log-A" if moved else "")


def test_the_index_follows_the_account() -> None:
    owner = made(MemoryStore())
    history = [entry(at, report(calls="c", username=name)) for at, name in enumerate(("ann", "bob", None))]
    for at, part in enumerate(compact(history, [1, 1, 1]).parts, 1):
        owner.apply(Output(part), at, 0, at)
    assert [latest.username for latest in owner.account("bob")] == ["bob"]
    assert owner.account("ann") == []


def test_a_copy_of_another_changelog_is_dropped() -> None:
    store = MemoryStore()
    part = compact([entry(0, report(calls="c"))], []).whole
    made(store).apply(Output(part), 5, 0, 1)
    assert isinstance(made(store).load([b"S:1"])[b"S:1"], Latest)
    again = made(store, Identities(reports="log-A", latest="L2", removals="R"))
    assert (again.position.latest, again.load([b"S:1"])) == (0, {b"S:1": None})


def test_a_copy_older_than_the_tombstones_is_dropped() -> None:
    store = MemoryStore()
    made(store).keep()
    assert made(store, now=NOW + DAY).position.at == NOW
    assert made(store, now=NOW + DAY + 1).position.at == NOW + DAY + 1


def test_a_foreign_record_on_the_changelog_is_passed_over() -> None:
    copy = made(MemoryStore())
    copy.follow([Entry(0, T0, b"S:1", b"{}"), Entry(1, T0, None, b"{}")], [Entry(0, T0, b"S:2", b"nonsense")], 2, 1)
    assert copy.load([b"S:1", b"S:2"]) == {b"S:1": None, b"S:2": None}
    assert (copy.position.latest, copy.position.removals) == (2, 1)


def test_the_position_never_goes_back() -> None:
    store = MemoryStore()
    store.write(
        0,
        Write(
            {}, {}, (), (), Position(latest=9, removals=4, latest_id="L", removals_id="R", source=3, log_id="", at=NOW)
        ),
    )
    copy = made(store)
    part = compact([entry(0, report(calls="c"))], []).whole
    copy.apply(Output(part), 0, 0, 4)
    assert (copy.position.latest, copy.position.removals, copy.position.source) == (9, 4, 4)


def test_a_catch_up_that_never_ends_does_not_make_a_copy_current() -> None:
    """Killed after the first records of every catch-up, it has missed tombstones that compaction forgot meanwhile."""
    store = MemoryStore()
    made(store).keep()
    for half_days in (1, 2):
        made(store, now=NOW + half_days * DAY // 2).follow([], [Entry(half_days, T0, b"S:1", None)], 1, half_days + 1)
    assert made(store, now=NOW + DAY).position.latest == 1
    assert made(store, now=NOW + 3 * DAY // 2).position.latest == 0
