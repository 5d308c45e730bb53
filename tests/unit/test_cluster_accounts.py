"""What the tests of the cluster count with: gaps, and what got a 200 against what is on the log."""

from collections import Counter

import pytest

from tests.cluster.accounts import promised
from tests.cluster.gaps import Gaps, longest

GAPS = Gaps(ingest=1.0, partition=2.0, lookup=3.0, sink=4.0)


@pytest.mark.parametrize(
    ("times", "gap"),
    [
        ((), 10.0),  # nothing at all: the whole time
        ((1.0, 2.0, 9.0), 7.0),
        ((6.0,), 6.0),  # from the beginning
        ((1.0, 2.0, 3.0), 7.0),  # to the end
        ((-5.0, 1.0, 5.0, 20.0), 5.0),  # before and after do not count
    ],
)
def test_the_longest_gap(times: tuple[float, ...], gap: float) -> None:
    assert longest(times, 0.0, 10.0) == gap


@pytest.mark.parametrize("name", Gaps.__struct_fields__)
def test_one_gap_that_is_too_long_is_enough(name: str) -> None:
    assert GAPS.within(GAPS)
    less = {field: getattr(GAPS, field) for field in Gaps.__struct_fields__} | {name: getattr(GAPS, name) - 0.1}
    assert not GAPS.within(Gaps(**less))


@pytest.mark.parametrize(
    ("statuses", "tokens", "wrong"),
    [
        ({"a": 200}, {"a": 1}, []),
        ({"a": 200}, {}, ["1 lost: ['a']"]),
        ({"a": 200}, {"a": 2}, ["1 doubled: ['a']"]),
        ({"a": 503, "b": None, "c": 503}, {"a": 1, "b": 2}, []),  # whoever got no 200 may be there, and sent again
        ({"a": 400}, {"a": 1}, ["1 on the log, though refused or never sent: ['a']"]),
        ({}, {"a": 1}, ["1 on the log, though refused or never sent: ['a']"]),
    ],
)
def test_the_promise(statuses: dict[str, int | None], tokens: dict[str, int], wrong: list[str]) -> None:
    assert promised(statuses, Counter(tokens)) == wrong
