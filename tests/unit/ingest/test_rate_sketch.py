"""Rates: never more than a key may, never less for a key that is alone, whatever other keys do."""

import sys
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.limits.sketch import PERIOD, RateSketch
from tests.unit.ingest.many import many

SECRET = b"s" * 32


def sketch(rate: int, cells: int = 4096) -> RateSketch:
    return RateSketch(rate, cells, SECRET)


def test_all_of_a_minute_at_once_then_one_after_the_other() -> None:
    found = sketch(6)
    assert [found.take(b"a", 100.0) for _ in range(6)] == [0.0] * 6
    wait = found.take(b"a", 100.0)
    assert wait == pytest.approx(10.0, abs=0.001)
    # A refusal counts nothing: whoever waits as told gets through.
    assert found.take(b"a", 100.0) == wait
    assert found.take(b"a", 109.9) > 0
    assert found.take(b"a", 100.0 + wait) == 0.0
    assert found.take(b"a", 110.1) > 0
    assert found.take(b"b", 110.1) == 0.0
    # After a minute of silence everything is as at first.
    assert [found.take(b"a", 1000.0) for _ in range(6)] == [0.0] * 6


@many(200)
@given(st.integers(1, 20), st.lists(st.floats(0, 30), min_size=1, max_size=120))
def test_a_key_gets_its_rate_and_no_more(rate: int, gaps: list[float]) -> None:
    found = sketch(rate)
    now = 0.0
    taken: deque[float] = deque()
    for gap in gaps:
        now += gap
        if found.take(b"key", now) == 0.0:
            taken.append(now)
            # Any span of time: a minute's worth at once, and the rate on top.
            for at, start in enumerate(taken):
                assert len(taken) - at <= rate + (now - start) * rate / PERIOD + 1e-3
        else:
            # Refused only where a whole minute's worth is used up.
            assert sum(1 for at in taken if at > now - PERIOD) >= 1 and len(taken) >= rate


@many(50)
@given(st.lists(st.tuples(st.integers(0, 300), st.floats(0, 0.2)), max_size=400))
def test_other_keys_never_free_a_key(others: list[tuple[int, float]]) -> None:
    """A tiny sketch, filled over and over: a key that is over its rate stays so until its time has come."""
    found = sketch(2, cells=8)
    assert [found.take(b"victim", 0.0) for _ in range(2)] == [0.0, 0.0]
    now = 0.0
    for number, gap in others:
        now = min(now + gap, 29.0)
        found.take(str(number).encode(), now)
        assert found.take(b"victim", now) > 0


def test_a_flood_of_keys_neither_grows_it_nor_hits_many_others() -> None:
    found = RateSketch(60, 65536, SECRET)
    size = sys.getsizeof(found._due)
    for number in range(100_000):
        found.take(b"flood-%d" % number, number / 10_000)
    assert sys.getsizeof(found._due) == size == pytest.approx(16 * 65536, rel=0.01)
    refused = sum(1 for number in range(2_000) if found.take(b"phone-%d" % number, 10.0))
    assert refused == 0


def test_a_key_is_refused_for_others_only_if_both_of_its_cells_are_full() -> None:
    found = RateSketch(2, 65536, SECRET)
    for number in range(2 * 1024):
        assert found.take(b"busy-%d" % (number // 2), 0.0) == 0.0
    refused = sum(1 for number in range(2_000) if found.take(b"phone-%d" % number, 0.0))
    # A cell is full with 1 in 64: of 2,000 keys 31 meet such a cell in the first row, and half a key in both.
    assert refused <= 4


def test_the_secret_decides_which_keys_meet() -> None:
    def meets(secret: bytes) -> set[int]:
        found = RateSketch(1, 16, secret)
        found.take(b"one", 0.0)
        return {number for number in range(2_000) if is_refused(found, number)}

    assert meets(b"a" * 32) != meets(b"b" * 32)


def is_refused(found: RateSketch, number: int) -> bool:
    before = found._due[:]
    blocked = found.take(b"key-%d" % number, 0.0) > 0
    found._due[:] = before
    return blocked
