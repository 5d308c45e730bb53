"""Fingerprints change nothing: with them, and with hardly any room for them, every log comes to the same."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import UNSET

from processors.compactor import known as module
from processors.compactor.known import Known, read_told
from processors.compactor.rules import REPLAYED, UNCHANGED
from schemas.records import Latest, Report, encode
from tests.unit.compactor.logs import HOUR, RULES, T0, Entry, Folds, compact, entry, logs, report


def fresh(places: int) -> Known:
    found = Known(RULES.touch_interval, 1 << 16)
    found._largest = places
    found._clear(places)
    return found


def counted(found: Folds) -> dict[str, int]:
    """The dispositions; a replay that says nothing new may be called unchanged."""
    counts: dict[str, int] = {}
    for part in found.parts:
        for name, count in part.counts.items():
            name = UNCHANGED if name == REPLAYED else name
            counts[name] = counts.get(name, 0) + count
    return {name: count for name, count in counts.items() if count}


@settings(max_examples=400, deadline=None)
@given(logs(), st.lists(st.integers(1, 5), max_size=6), st.sampled_from((4, 8, 1024)), st.integers(0, 20))
def test_every_log_comes_to_the_same(entries: list[Entry], sizes: list[int], places: int, again: int) -> None:
    log = [*entries, *entries, *entries[again:]]  # the second time all of it is a replay
    for at, one in enumerate(entries):  # and the third time it is said again
        log.append(one._replace(offset=1000 + at))
    plain, quick = compact(log, sizes), compact(log, sizes, known=fresh(places))
    assert quick.states == plain.states
    assert [change.id for change in quick.whole.changes] == [change.id for change in plain.whole.changes]
    assert [bad.id for bad in quick.whole.rejected] == [bad.id for bad in plain.whole.rejected]
    assert counted(quick) == counted(plain)


# One selector, hardly anything to say of it, and several who say it: most of such a log is repeated or refused.
few_words = st.builds(
    report,
    kind=st.sampled_from(("report",) * 6 + ("removal", "release")),
    calls=st.sampled_from(("c", "c", "c", "d", None)),
    origin=st.sampled_from(("app",) * 5 + ("operator",)),
    authenticated_username=st.sampled_from((UNSET, "ann", "ann", "ann", "bob")),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(few_words, max_size=12), st.lists(st.integers(1, 5), max_size=6))
def test_whoever_says_it_again(told: list[Report], sizes: list[int]) -> None:
    """The same tokens under another account are news, and so is every repetition of a refused report."""
    log = [entry(at, one) for at, one in enumerate(told)]
    plain, quick = compact(log, sizes), compact(log, sizes, known=fresh(1024))
    assert quick.states == plain.states
    assert [bad.id for bad in quick.whole.rejected] == [bad.id for bad in plain.whole.rejected]
    assert counted(quick) == counted(plain)


def test_what_is_repeated_is_not_news_until_it_is_old() -> None:
    known = fresh(1024)
    told = [report(calls="c", at=T0), report(calls="c", at=T0 + HOUR), report(calls="c", at=T0 + 2 * HOUR)]
    found = compact([entry(at, one) for at, one in enumerate(told)], [1, 1], known=known)
    assert [len(step.news) for step in found.steps] == [1, 1, 0]  # a first report is not noted
    late = compact(
        [entry(3, report(calls="c", at=T0 + 2 * HOUR)), entry(4, report(calls="c", at=T0 + RULES.touch_interval))],
        [1],
        known=known,
        states=found.states,
    )
    assert [len(step.news) for step in late.steps] == [0, 1]


@pytest.mark.parametrize("between", [{"calls": "d"}, {"kind": "removal"}, {"calls": "c", "username": "bob"}])
def test_a_token_that_comes_back_is_news(between: dict[str, Any]) -> None:
    told = [report(calls="c"), report(calls="c"), report(**between), report(calls="c"), report(calls="c")]
    for sizes in ([1] * 5, [2, 3], [5]):
        entries = [entry(at, one) for at, one in enumerate(told)]
        assert compact(entries, sizes, known=fresh(1024)).states == compact(entries, sizes).states


def test_what_was_read_from_the_store_is_known() -> None:
    once = compact([entry(0, report(calls=("c", "a"), other="o", username="ann"))], [])
    state = once.states[b"S:1"]
    assert isinstance(state, Latest)
    known = fresh(1024)
    known.fill([(b"S:1", read_told(encode(state)))])
    same = entry(1, report(calls=("c", "a"), other="o", username="ann", at=T0 + 1))
    assert [len(step.news) for step in compact([same], [], known=known, states=once.states).steps] == [0]
    known.forget(b"S:1")
    assert [len(step.news) for step in compact([same], [], known=known, states=once.states).steps] == [1]


def test_it_grows_up_to_its_limit_and_forgets_nobody_before() -> None:
    known = Known(RULES.touch_interval, 4 * module.SMALLEST)
    states = []
    for number in range(2 * module.SMALLEST + 200):
        found = compact([entry(0, report(selector=f"S:{number}", calls="c"))], []).states[f"S:{number}".encode()]
        assert isinstance(found, Latest)
        states.append(found)
        known.fill([(f"S:{number}".encode(), read_told(encode(found)))])
    assert len(known._keys) == 4 * module.SMALLEST  # it would have grown again, but for the limit
    held = sum(tag != 0 for tag in known._keys)
    assert held == known._held
    assert held > 0.9 * len(states)
