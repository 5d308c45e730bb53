"""Committed offsets: what Kafka's answers mean, and whether they belong to the log that is there."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import GroupAuthorizationFailedError, GroupLoadInProgressError, KafkaError

from processors.compactor.copy import Identities
from processors.compactor.offsets import Committed, Mark, mark_of, mark_text, read_committed, read_mark, verify
from processors.compactor.reset import _rebuilt
from processors.log_identity import LogIdentityError

NOW = Identities(reports="A", latest="L", removals="R")
MARK = mark_of(NOW)


def response(*partitions: tuple[int, int, str, int], error_code: int = 0) -> Any:
    return SimpleNamespace(error_code=error_code, topics=[("reports", list(partitions))] if partitions else [])


def test_a_commit_with_its_mark() -> None:
    assert read_committed(response((3, 42, mark_text(MARK), 0))) == Committed(42, MARK)


def test_never_committed() -> None:
    assert read_committed(response((3, -1, "", 0))) == Committed(None, None)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        # Regression (soak, seed 77): a loading coordinator was taken for "never committed", and the log was read again.
        (response(error_code=14), GroupLoadInProgressError),
        (response((3, -1, "", 14)), GroupLoadInProgressError),
        (response(error_code=30), GroupAuthorizationFailedError),
    ],
)
def test_an_error_is_never_taken_for_no_commit(answer: Any, error: type[KafkaError]) -> None:
    with pytest.raises(error):
        read_committed(answer)


@pytest.mark.parametrize("text", ["", None, "faust", "{}", '{"log_id":1}'])
def test_somebody_elses_commit_has_no_mark(text: str | None) -> None:
    assert read_mark(text) is None


def test_goes_on_where_it_was_committed() -> None:
    assert verify(Committed(42, MARK), NOW, 42, "A", "reports[3]") == 42
    assert verify(Committed(42, None), NOW, 50, "A", "reports[3]") == 42
    assert verify(Committed(None, None), NOW, 50, "A", "reports[3]") == 0


def test_another_log_stops_it() -> None:
    with pytest.raises(LogIdentityError, match="adopt-log"):
        verify(Committed(42, MARK), Identities(reports="B", latest="L", removals="R"), 100, "A", "reports[3]")


def test_a_table_of_another_log_stops_it_when_no_mark_speaks() -> None:
    """Kafka forgets the committed offsets of a deleted topic; after `adopt-log` there is a mark again."""
    with pytest.raises(LogIdentityError, match="adopt-log"):
        verify(Committed(None, None), NOW, 50, "B", "reports[3]")
    assert verify(Committed(None, None), NOW, 50, "", "reports[3]") == 0
    assert verify(Committed(0, MARK), NOW, 50, "B", "reports[3]") == 0


def test_a_commit_past_the_end_stops_it() -> None:
    with pytest.raises(LogIdentityError, match="past the log's end"):
        verify(Committed(43, MARK), NOW, 42, "A", "reports[3]")


@pytest.mark.parametrize("changed", [{"latest": "L2"}, {"removals": "R2"}])
def test_a_table_that_is_gone_stops_it(changed: dict[str, str]) -> None:
    now = Identities(**({"reports": "A", "latest": "L", "removals": "R"} | changed))
    with pytest.raises(LogIdentityError, match="rebuild"):
        verify(Committed(42, MARK), now, 100, "A", "reports[3]")


def test_a_rebuild_is_remembered_from_commit_to_commit() -> None:
    rebuilt = Mark(log_id="A", latest_id="L", removals_id="R", rebuilt=7, until=42)
    assert mark_of(NOW, read_mark(mark_text(rebuilt))) == rebuilt


def test_a_second_rebuild_keeps_what_the_first_has_to_reach() -> None:
    start, first = _rebuilt(Committed(3000, MARK), MARK, 0, 3000) or (None, MARK)
    assert (start, first.until) == (0, 3000)
    for applied in (0, 10):
        _, second = _rebuilt(Committed(applied, first), MARK, 0, 3000) or (None, MARK)
        assert second.until == 3000
