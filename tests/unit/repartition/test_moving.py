"""What may be moved to more partitions, and where each record goes."""

from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from deploy.repartition.moving import Sides, obstacle, routed, strayed
from schemas.partition import partition_of

GOOD = Sides(
    old_prefix="old", prefix="new", old_partitions=(4, 4, 4), partitions=8, sealed=False, begun=False, committed=False
)


class Found(NamedTuple):
    """As aiokafka's consumer gives a record."""

    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...]
    timestamp: int


def test_a_fresh_side_with_more_partitions_may_be_moved_to() -> None:
    assert obstacle(GOOD) is None


def test_after_an_interruption_it_goes_on_though_reports_wait_on_the_new_log() -> None:
    assert obstacle(replace(GOOD, sealed=True, begun=True)) is None


@pytest.mark.parametrize(
    ("sides", "said"),
    [
        (replace(GOOD, prefix="old"), "PUSHTOKENS_KAFKA_TOPIC_PREFIX"),
        (replace(GOOD, old_partitions=(4, 4, 8)), "do not have the same number"),
        (replace(GOOD, partitions=4), "there have to be more"),
        (replace(GOOD, partitions=2), "there have to be more"),
        (replace(GOOD, committed=True, sealed=True), "a compactor has worked on new.reports already"),
        (replace(GOOD, begun=True), "which of a selector's is newer, nobody could tell"),
    ],
)
def test_what_stands_in_the_way_is_said(sides: Sides, said: str) -> None:
    assert said in str(obstacle(sides))


@given(st.binary(max_size=60), st.none() | st.binary(max_size=20), st.integers(1, 300))
def test_a_record_goes_where_every_client_looks_for_it_and_stays_as_it_is(
    key: bytes, value: bytes | None, partitions: int
) -> None:
    headers = (("ce_id", b"x"),)
    made = routed(Found(key, value, headers, 77), partitions)
    assert made == (partition_of(key, partitions), key, value, headers, 77)


def test_what_has_no_key_is_none_of_ours() -> None:
    assert routed(Found(None, b"x", (), 1), 4) is None


@given(st.lists(st.sampled_from([b"a", b"b", b"c", b"d"]), max_size=30), st.integers(1, 9))
def test_the_records_of_a_selector_keep_their_order(keys: list[bytes], partitions: int) -> None:
    log: dict[int, list[tuple[bytes, bytes | None]]] = {}
    for number, key in enumerate(keys):
        made = routed(Found(key, b"%d" % number, (), 0), partitions)
        assert made is not None
        log.setdefault(made.partition, []).append((made.key, made.value))
    for key in set(keys):
        held = [values for part in log.values() for of, values in part if of == key]
        assert held == [b"%d" % number for number, of in enumerate(keys) if of == key]


def test_a_log_that_moved_while_it_was_sealed_is_noticed() -> None:
    assert strayed({0: 5, 1: 7}, {0: 5, 1: 7}) == []
    assert strayed({0: 5, 1: 7}, {0: 6, 1: 7}) == [0]
    assert strayed({0: 5}, {0: 5, 1: 1}) == [1]
