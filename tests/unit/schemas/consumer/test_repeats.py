"""Repeated changes are told from new ones, whatever is read again, also after a restart."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.consumer.repeats import Place, Repeats
from schemas.records import Change, Source
from tests.unit.schemas.test_records import CHANGE


def change(partition: int, offset: int, slot: str, log_id: str = "log") -> Change:
    source = Source(log_id=log_id, partition=partition, offset=offset)
    return replace(CHANGE, id=f"{log_id}-{partition}-{offset}-{slot}", source=source)


def test_one_report_makes_several() -> None:
    repeats = Repeats()
    assert repeats.is_new(change(0, 7, "calls"))
    assert repeats.is_new(change(0, 7, "other"))
    assert repeats.is_new(change(0, 7, "account"))
    assert not repeats.is_new(change(0, 7, "calls"))
    assert repeats.is_new(change(0, 9, "calls"))
    assert not repeats.is_new(change(0, 7, "other"))
    assert not repeats.is_new(change(0, 9, "calls"))


def test_partitions_and_logs_are_apart() -> None:
    repeats = Repeats()
    assert repeats.is_new(change(0, 7, "calls"))
    assert repeats.is_new(change(1, 3, "calls"))
    assert repeats.is_new(change(0, 0, "calls", "a new log"))
    assert not repeats.is_new(change(0, 6, "calls"))


def test_what_is_kept_is_little_and_goes_through_json() -> None:
    repeats = Repeats()
    for offset in range(100):
        repeats.is_new(change(0, offset, "calls"))
    assert repeats.places == (Place("log", 0, 99, ("log-0-99-calls",)),)
    again = Repeats(msgspec.json.decode(msgspec.json.encode(repeats.places), type=tuple[Place, ...]))
    assert not again.is_new(change(0, 99, "calls"))
    assert again.is_new(change(0, 99, "other"))


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from(("calls", "other"))), unique=True), st.data())
def test_every_change_is_new_once(where: list[tuple[int, str]], data: Any) -> None:
    """Handled from some earlier position again and again, as after restarts of an at-least-once consumer."""
    log = [change(0, offset, slot) for offset, slot in sorted(where)]
    repeats, done, handled = Repeats(), 0, []
    while done < len(log):
        start = data.draw(st.integers(0, done))
        stop = data.draw(st.integers(done + 1, len(log)))
        repeats = Repeats(repeats.places)
        handled += [each.id for each in log[start:stop] if repeats.is_new(each)]
        done = stop
    assert handled == [each.id for each in log]
