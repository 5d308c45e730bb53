"""From records to rows: what each column gets, what is left out."""

import hmac
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from processors.fetched import Fetched as Entry
from processors.sink.rows import Left, Log, RowMaker, Rows, hashed
from schemas.records import Pair, Report, encode
from tests.native import read_native

NOW = 1_790_000_000_000
LOG = Log("log-A", 2, 4)


def made(entries: list[Entry], **maker: Any) -> list[dict[str, Any]]:
    rows, _ = filled(entries, RowMaker(LOG, 300_000, **maker))
    return read_native(b"".join(rows.body()))


def filled(entries: list[Entry], maker: RowMaker, forgotten: str = "FORGOTTEN") -> tuple[Rows, Left]:
    rows = maker.empty()
    return rows, maker.add(rows, entries, lambda selector, username, at: selector == forgotten)


def report(**given: object) -> Report:
    fields: dict[str, object] = {
        "schema_version": 1,
        "id": "r1",
        "kind": "report",
        "received_at": NOW,
        "selector": "S:1",
        "username": None,
        "calls": Pair(token="secret-token", app_id="app"),
        "other": None,
    }
    return Report(**(fields | given))  # type: ignore[arg-type]


def entry(one: Report, offset: int = 5, key: bytes | None = None) -> Entry:
    return Entry(offset, NOW + 7, one.selector.encode() if key is None else key, encode(one))


def test_absent_is_the_empty_text() -> None:
    (row,) = made([entry(report())])
    assert row == {
        "received_at": datetime(2026, 9, 21, 14, 13, 20, tzinfo=UTC),
        "appended_at": datetime(2026, 9, 21, 14, 13, 20, 7000, tzinfo=UTC),
        "kind": "report",
        "selector": "S:1",
        "username": "",
        "calls_token": "secret-token",
        "calls_app_id": "app",
        "other_token": "",
        "other_app_id": "",
        "install_id": "",
        "user_agent": "",
        "origin": "app",
        "reason": "",
        "schema_version": 1,
        "id": "r1",
        "log_id": "log-A",
        "kafka_partition": 2,
        "kafka_offset": 5,
        "kafka_partitions": 4,
    }


def test_tokens_as_keyed_hash() -> None:
    (row,) = made([entry(report())], token_form=hashed("key"))
    digest = hmac.new(b"key", b"secret-token", "sha256").hexdigest()
    assert row["calls_token"] == digest != hashed("other")("secret-token")
    assert row["other_token"] == ""


@pytest.mark.parametrize(
    "bad",
    [
        Entry(1, NOW, b"S:1", None),
        Entry(1, NOW, b"S:1", b"no json"),
        Entry(1, NOW, b"S:1", b"{}"),
        entry(report(), key=b"S:2"),
        Entry(1, NOW, None, encode(report())),
        entry(report(received_at=NOW + 300_008)),
    ],
)
def test_what_is_no_report_is_counted(bad: Entry) -> None:
    rows, left = filled([bad, entry(report(), 9)], RowMaker(LOG, 300_000))
    assert (left, rows.offsets) == (Left(bad=1, erased=0), [9])


def test_the_forgotten_stay_out() -> None:
    rows, left = filled([entry(report(selector="FORGOTTEN"))], RowMaker(LOG, 300_000))
    assert (left, len(rows), rows.size) == (Left(bad=0, erased=1), 0, 0)


def test_keys_that_a_foreign_producer_adds_reach_no_column() -> None:
    value = encode(report())[:-1] + b',"kafka_offset":99,"log_id":"x","selector":"S:1"}'
    (row,) = made([Entry(5, NOW, b"S:1", value)])
    assert (row["kafka_offset"], row["log_id"]) == (5, "log-A")


# Up to 300 characters of up to 4 bytes: lengths of one and two bytes, pieces that are ASCII and such that are not.
texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)
times = st.integers(0, 4_102_444_800_000)
reports = st.builds(
    report,
    selector=texts,
    id=texts,
    received_at=times,
    username=st.none() | texts,
    calls=st.none() | st.builds(Pair, token=texts, app_id=st.none() | texts),
    other=st.none() | st.builds(Pair, token=texts, app_id=st.none() | texts),
    install_id=st.none() | texts,
    user_agent=st.none() | texts,
    origin=texts,
    reason=st.none() | texts,
    schema_version=st.integers(1, 10**6),
)


def expected(number: int, one: Report) -> dict[str, Any]:
    """The row of a report, worked out plainly."""
    return {
        "received_at": datetime.fromtimestamp(one.received_at // 1000, UTC).replace(
            microsecond=one.received_at % 1000 * 1000
        ),
        "appended_at": datetime(2100, 1, 1, tzinfo=UTC),
        "kind": one.kind,
        "selector": one.selector,
        "username": one.username or "",
        "calls_token": one.calls.token if one.calls else "",
        "calls_app_id": (one.calls.app_id or "") if one.calls else "",
        "other_token": one.other.token if one.other else "",
        "other_app_id": (one.other.app_id or "") if one.other else "",
        "install_id": one.install_id or "",
        "user_agent": one.user_agent or "",
        "origin": one.origin,
        "reason": one.reason or "",
        "schema_version": min(one.schema_version, 65535),
        "id": one.id,
        "kafka_offset": number,
        "log_id": "log-A",
        "kafka_partition": 2,
        "kafka_partitions": 4,
    }


@given(st.lists(st.lists(reports, max_size=4), min_size=1, max_size=3), st.sets(st.integers(0, 11)))
def test_rows_whatever_they_hold(pieces: list[list[Report]], some: set[int]) -> None:
    maker = RowMaker(LOG, 300_000)
    rows, number, wanted = maker.empty(), 0, []
    for piece in pieces:
        made = [
            Entry(number + at, 4_102_444_800_000, one.selector.encode(), encode(one)) for at, one in enumerate(piece)
        ]
        maker.add(rows, made, lambda selector, username, at: False)
        wanted += [expected(number + at, one) for at, one in enumerate(piece)]
        number += len(piece)
    assert rows.offsets == list(range(number))
    if rows:
        assert read_native(b"".join(rows.body())) == wanted
    picked = rows.picked(some)
    assert picked.offsets == [offset for offset in range(number) if offset in some]
    if picked:
        assert read_native(b"".join(picked.body())) == [wanted[offset] for offset in picked.offsets]
