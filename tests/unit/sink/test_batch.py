"""Gathering: ranges are consecutive, a range to repeat is exactly the recorded one, limits close a batch."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.fetched import Fetched as Entry
from processors.group_offsets import GroupOffset
from processors.log_identity import LogIdentityError
from processors.sink.batch import Gathering, Limits
from processors.sink.history import Held, recount_to
from processors.sink.mark import Mark, Resume, mark_text, resume
from processors.sink.rows import Log, RowMaker
from schemas.records import Pair, Report, encode

NOW = 1_790_000_000_000


def entry(offset: int) -> Entry:
    one = Report(
        schema_version=1,
        id="r",
        kind="report",
        received_at=NOW,
        selector="S",
        username=None,
        calls=Pair("t"),
        other=None,
    )
    return Entry(offset, NOW, b"S", encode(one))


def gathering(start: Resume, **limits: float) -> Gathering:
    given = {"size": 10**9, "records": 10**6, "seconds": 2.0} | limits
    made = Limits(size=int(given["size"]), records=int(given["records"]), seconds=given["seconds"])
    return Gathering(start, RowMaker(Log("L", 0, 1), 300_000), made, lambda selector, username, at: False)


def test_a_batch_is_due_after_its_time() -> None:
    found = gathering(Resume(offset=3))
    found.add([entry(3), entry(4)], now=10.0)
    assert found.due(11.9) is None
    batch = found.due(12.0)
    assert batch is not None
    assert (batch.first, batch.last, batch.rows.offsets, batch.doubtful) == (3, 4, [3, 4], False)


def test_a_full_batch_is_due_at_once() -> None:
    found = gathering(Resume(offset=0), records=3)
    found.add([entry(0), entry(1), entry(2)], now=0.0)
    found.add([entry(3)], now=0.0)
    batch = found.due(0.0)
    assert batch is not None
    assert batch.rows.offsets == [0, 1, 2]
    found.done()
    assert found.due(0.0) is None


@given(st.lists(st.integers(1, 4), min_size=1, max_size=8), st.integers(5, 12))
def test_the_recorded_range_is_repeated_exactly(sizes: list[int], last: int) -> None:
    found = gathering(Resume(offset=5, last=last))
    at = 5
    for size in sizes:
        found.add([entry(offset) for offset in range(at, at + size)], now=0.0)
        at += size
    batch = found.due(1000.0)
    if at <= last:
        assert batch is None
        assert found.repeating
        assert found.due(1000.0, drain=True) is None
    else:
        assert batch is not None
        assert (batch.first, batch.last, batch.rows.offsets) == (5, last, list(range(5, last + 1)))
        assert batch.doubtful
        found.done()
        rest = found.due(1000.0)
        assert (rest.rows.offsets if rest else []) == list(range(last + 1, at))


def test_a_recorded_range_that_kafka_no_longer_holds_is_passed_over() -> None:
    found = gathering(Resume(offset=5, last=9))
    found.add([entry(20)], now=0.0)
    batch = found.due(1000.0)
    assert batch is not None
    assert (batch.last, batch.rows.offsets, batch.doubtful) == (20, [20], False)


def test_an_offset_that_comes_again_stops_it() -> None:
    found = gathering(Resume(offset=5))
    found.add([entry(5), entry(6)], now=0.0)
    with pytest.raises(LogIdentityError, match="adopt-log"):
        found.add([entry(0)], now=0.0)


def test_batches_up_to_the_recount_are_counted_first() -> None:
    found = gathering(Resume(offset=0, recount=3, known=False), records=2)
    for offset in range(6):
        found.add([entry(offset)], now=0.0)
    seen = []
    while (batch := found.due(0.0)) is not None:
        seen.append((batch.rows.offsets, batch.recount))
        found.done()
    assert seen == [([0, 1], True), ([2, 3], True), ([4, 5], False)]


def test_the_recount_outlives_a_restart() -> None:
    """A range that is repeated while older rows may be there is counted first, too, and so is what follows."""
    found = gathering(Resume(offset=2, last=3, recount=4), records=2)
    assert [found.recount_after(offset) for offset in (1, 3, 4)] == [4, 4, None]
    for offset in range(2, 6):
        found.add([entry(offset)], now=0.0)
    seen = []
    while (batch := found.due(1000.0)) is not None:
        seen.append((batch.rows.offsets, batch.doubtful, batch.recount))
        found.done()
    assert seen == [([2, 3], True, True), ([4, 5], False, True)]


@pytest.mark.parametrize(
    ("committed", "expected"),
    [
        (GroupOffset(None, ""), Resume(offset=0, known=False)),
        (GroupOffset(7, ""), Resume(offset=7, known=False)),
        (GroupOffset(7, "an operator's reset"), Resume(offset=7, known=False)),
        (GroupOffset(7, mark_text(Mark(log_id="L"))), Resume(offset=7)),
        (GroupOffset(7, mark_text(Mark(log_id="L", last=9))), Resume(offset=7, last=9)),
        (GroupOffset(7, mark_text(Mark(log_id="L", last=9, recount=8))), Resume(offset=7, last=9, recount=8)),
    ],
)
def test_where_to_go_on(committed: GroupOffset, expected: Resume) -> None:
    assert resume(committed, "L", 10, "reports[0]") == expected


@pytest.mark.parametrize(
    "committed", [GroupOffset(7, mark_text(Mark(log_id="another"))), GroupOffset(11, mark_text(Mark(log_id="L")))]
)
def test_another_log_stops_it(committed: GroupOffset) -> None:
    with pytest.raises(LogIdentityError, match="adopt-log"):
        resume(committed, "L", 10, "reports[0]")


def test_rows_of_another_log_stop_it() -> None:
    assert recount_to(Held(highest=None, others=False), "L", "reports[0]") is None
    assert recount_to(Held(highest=8, others=True), "L", "reports[0]") == 8
    with pytest.raises(LogIdentityError, match="adopt-log"):
        recount_to(Held(highest=None, others=True), "L", "reports[0]")
