"""The local copy: equal to the reference whatever is repeated, complete when it should be, and never of another log."""

from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.cloudevents import headers
from schemas.consumer.latest_copy import LatestCopy, LogChangedError, NotCompleteError
from schemas.records import Latest, Slot, Source, encode


def latest(selector: str, offset: int, partition: int = 0) -> Latest:
    return Latest(
        selector=selector,
        username=None,
        calls=Slot(token=f"secret-{offset}", app_id=None, since=offset, rotations=0),
        other=None,
        first_seen=0,
        last_seen=offset,
        source=Source(log_id="log", partition=partition, offset=offset),
    )


def put(copy: LatestCopy, partition: int, offset: int, selector: str, *, gone: bool = False) -> bool:
    value = None if gone else encode(latest(selector, offset, partition))
    return copy.take(partition, offset, selector.encode(), value)


def complete(copy: LatestCopy) -> bool:
    return copy.complete


def test_an_empty_topic_is_complete_at_once() -> None:
    copy = LatestCopy({0: 0, 1: 0}, 1000)
    assert (copy.complete, copy.as_of, copy.get("S"), len(copy)) == (True, 1000, None, 0)


def test_until_it_is_complete_it_says_nothing() -> None:
    copy = LatestCopy({0: 2, 1: 1}, 1000)
    put(copy, 0, 0, "A")
    put(copy, 0, 1, "B")
    assert not complete(copy)
    with pytest.raises(NotCompleteError):
        copy.get("A")
    with pytest.raises(NotCompleteError):
        copy.age_ms(2000)
    put(copy, 1, 0, "C")
    assert complete(copy)
    found = copy.get("A")
    assert found is not None and found.last_seen == 0
    assert sorted(copy) == ["A", "B", "C"]
    assert copy.get("D") is None


def test_the_end_of_a_transaction_is_reached_by_the_position() -> None:
    """Offset 1 is a commit marker, which no client shows."""
    copy = LatestCopy({0: 2}, 1000)
    put(copy, 0, 0, "A")
    assert not complete(copy)
    copy.reached(0, 2)
    assert complete(copy)
    copy.reached(0, 1)
    assert copy.positions == {0: 2}


def test_a_tombstone_removes_and_a_replay_brings_nothing_back() -> None:
    copy = LatestCopy({0: 2}, 1000)
    assert put(copy, 0, 0, "A")
    assert put(copy, 0, 1, "A", gone=True)
    assert not put(copy, 0, 0, "A")
    assert copy.get("A") is None
    assert put(copy, 0, 5, "A"), "compaction leaves gaps"
    assert copy.get("A") is not None


def test_as_of_moves_with_what_is_read() -> None:
    copy = LatestCopy({0: 1}, 1000)
    put(copy, 0, 0, "A")
    assert (copy.as_of, copy.age_ms(1500)) == (1000, 500)
    copy.see({0: 3}, 2000)
    copy.see({0: 9}, 3000)
    assert copy.as_of == 1000
    put(copy, 0, 2, "A")
    assert copy.as_of == 2000, "a log that grows all the time does not put it off for ever"
    copy.reached(0, 9)
    assert copy.as_of == 3000
    copy.see({0: 9}, 4000)
    assert copy.as_of == 4000, "nothing new is as good as new"
    assert copy.age_ms(3999) == 0, "a clock that was set back"


@pytest.mark.parametrize(
    ("ends", "log_id", "text"),
    [
        ({0: 7, 1: 0}, "new", "id"),
        ({0: 4, 1: 0}, "old", "ends before"),
        ({0: 4, 1: 0}, "", "ends before"),
        ({0: 7}, "old", "partitions"),
        ({0: 7, 1: 0, 2: 0}, "old", "partitions"),
    ],
)
def test_another_log_is_noticed(ends: dict[int, int], log_id: str, text: str) -> None:
    copy = LatestCopy({0: 5, 1: 0}, 1000, "old")
    copy.reached(0, 5)
    copy.see({0: 5, 1: 0}, 2000, "old")
    with pytest.raises(LogChangedError, match=text):
        copy.see(ends, 3000, log_id)


def test_reading_on_while_the_ends_are_asked_for_is_no_other_log() -> None:
    copy = LatestCopy({0: 5}, 1000)
    copy.reached(0, 5)
    copy.see({0: 5}, 2000)
    copy.reached(0, 8)  # the answer below was made before
    copy.see({0: 6}, 3000)
    assert copy.as_of == 3000
    with pytest.raises(LogChangedError):
        copy.see({0: 7}, 4000)


def test_a_partition_that_was_not_there() -> None:
    copy = LatestCopy({0: 0}, 1000)
    with pytest.raises(LogChangedError, match="partition 3"):
        put(copy, 3, 0, "A")
    with pytest.raises(LogChangedError):
        copy.reached(3, 1)


def test_an_id_that_is_learned_later_counts() -> None:
    copy = LatestCopy({0: 0}, 1000)
    copy.see({0: 0}, 2000, "old")
    copy.see({0: 0}, 3000)
    with pytest.raises(LogChangedError):
        copy.see({0: 0}, 4000, "new")


def test_broken_and_later_messages_are_passed_over() -> None:
    copy = LatestCopy({0: 3}, 1000)
    assert not copy.take(0, 0, b"A", b"{")
    assert not copy.take(0, 1, b"A", b"{}", headers("of-a-later-version", "id", 0))
    assert put(copy, 0, 2, "A")
    assert (copy.broken, copy.complete, len(copy)) == (1, True, 1)


def test_no_token_is_shown() -> None:
    copy = LatestCopy({0: 1}, 1000)
    put(copy, 0, 0, "A")
    assert repr(copy) == "LatestCopy(1 selectors, complete=True)"
    assert "secret" not in f"{copy.get('A')}"


def reference(messages: Iterable[tuple[int, int, str, bool]]) -> dict[str, int]:
    """Selector to the offset that it has its pairs from: the last of each, in log order, without the removed."""
    found: dict[str, int] = {}
    for _, offset, selector, gone in sorted(messages):
        found.pop(selector, None)
        if not gone:
            found[selector] = offset
    return found


@st.composite
def logs(draw: st.DrawFn) -> list[tuple[int, int, str, bool]]:
    """Messages of three partitions (partition, offset, selector, removed); a selector keeps to its partition."""
    found = []
    for partition in range(3):
        offset = 0
        for _ in range(draw(st.integers(0, 12))):
            offset += draw(st.integers(1, 3))
            found.append((partition, offset, f"{partition}-{draw(st.integers(0, 3))}", draw(st.booleans())))
    return found


@given(logs(), st.data())
def test_the_fold_is_the_reference(log: list[tuple[int, int, str, bool]], data: Any) -> None:
    """Partitions in any order among each other, each read in turns, some of it again and again."""
    ends = {at: max((o + 2 for p, o, _, _ in log if p == at), default=0) for at in range(3)}
    copy = LatestCopy(ends, 1000)
    rest = {at: [message for message in log if message[0] == at] for at in range(3)}
    done: dict[int, int] = dict.fromkeys(rest, 0)
    while left := [at for at, messages in rest.items() if done[at] < len(messages)]:
        at = data.draw(st.sampled_from(left))
        start = data.draw(st.integers(0, done[at]))  # a rebalance: from an older position
        stop = data.draw(st.integers(done[at] + 1, len(rest[at])))
        for partition, offset, selector, gone in rest[at][start:stop]:
            put(copy, partition, offset, selector, gone=gone)
        done[at] = stop
    assert copy.complete == (not log)
    for at, end in ends.items():
        copy.reached(at, end)
    found = {selector: copy.get(selector) for selector in copy}
    assert {name: record.last_seen for name, record in found.items() if record} == reference(log)
